"""Grokscope as it was installed from a wheel: run outside the checkout, with nothing of it on the path."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "COVERAGE_PROCESS_START")
SMALL = "--p 23 --width 50 --steps 60 --corrupt 0.35"
CONDITION = "neurons.total > 0"


@dataclass(frozen=True)
class Installation:
    """An environment that Grokscope is installed in.

    Attributes:
        prefix: Folder of the environment.
        work: Folder that commands are run in, outside the checkout.
    """

    prefix: Path
    work: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.prefix / "bin" / "python"

    def run(self, *command: object, code: int = 0) -> str:
        """Run a program of the environment, and return what it prints; another exit code than `code` fails."""
        arguments = [str(self.prefix / "bin" / str(command[0])), *map(str, command[1:])]
        done = subprocess.run(
            arguments, cwd=self.work, env=clean(), capture_output=True, text=True, timeout=280
        )
        assert done.returncode == code, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout

    def grokscope(self, line: str, *more: object, code: int = 0) -> str:
        """Run a command, written as in a shell, with further arguments."""
        return self.run("grokscope", *line.split(), *more, code=code)

    def asks(self) -> None:
        """Ask the explorer for its page, as curl does, and end it as Ctrl-C does."""
        command = [self.prefix / "bin" / "grokscope", "explore", "runs/r0", "--no-open"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, cwd=self.work, env=clean(), text=True, **pipes) as server:
            try:
                assert server.stdout is not None
                line = server.stdout.readline()
                url = re.search(r"http://127\.0\.0\.1:\d+/", line)
                assert url is not None, line
                with urllib.request.urlopen(url[0], timeout=60) as answer:
                    assert b"Grokscope explorer" in answer.read()
                server.send_signal(signal.SIGINT)
                _, errors = server.communicate(timeout=60)
            finally:
                server.kill()
        assert server.returncode == 0, errors


def clean() -> dict[str, str]:
    """This process's environment variables, without what leads to the checkout or this environment."""
    kept = {name: value for name, value in os.environ.items() if name not in OURS}
    return {**kept, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "COLUMNS": "100"}


def borrowing(wheel: Path, prefix: Path, work: Path) -> Installation:
    """Install a wheel alone in an environment that has the other packages of this one, but not its Grokscope.

    Files ``.pth`` of this environment, such as that of an editable installation, have no effect there.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
    site = next(prefix.glob("lib/python*/site-packages"))
    pip = [sys.executable, "-m", "pip", "--python", prefix / "bin" / "python", "install", "-q"]
    alone = ["--no-deps", "--no-index", "--disable-pip-version-check", wheel]
    subprocess.run([*pip, *alone], check=True, env=clean())
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    work.mkdir()
    return Installation(prefix, work)


def try_as_a_stranger(one: Installation) -> None:
    """Run the main commands; the measurements that come of them are checked, not only exit codes."""
    place = one.run("python", "-c", "import interp, probes; print(interp.__file__, probes.__file__)")
    assert all(Path(file).is_relative_to(one.prefix) for file in place.split()), place
    checks = json.loads(one.grokscope("doctor --json -"))["checks"]
    assert str(one.prefix) in checks[0]["value"]
    assert not [check for check in checks if check["state"] == "broken"]
    one.grokscope("demo --steps 20")
    assert (one.work / "grokscope-demo" / "report.html").stat().st_size > 100_000

    one.grokscope(f"train --out runs/r0 {SMALL}")
    one.grokscope("audit runs/r0 --html report.html --json report.json --fail-if", CONDITION, code=1)
    report = json.loads((one.work / "report.json").read_text(encoding="utf-8"))
    assert report["accuracy"]["train"] > 0.1
    assert "valid, audit" in one.grokscope("validate report.json")
    one.grokscope("ablate runs/r0 --neurons 0-9 --save pruned.safetensors")
    one.grokscope("score runs/r0 --csv neurons.csv")
    assert len((one.work / "neurons.csv").read_text().splitlines()) == 51
    one.grokscope("batch runs --out scored --measure labels --workers 1")
    assert list((one.work / "scored" / "neurons").glob("*.parquet"))
    assert "Clamped neurons" in one.grokscope("study lens --p 13 --width 32 --steps 60 --workers 1")
    one.asks()

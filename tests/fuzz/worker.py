"""A process in which hostile files are opened one after another, and what each of them took there.

Started as a program it serves requests, one a line; `Worker` is the other end.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
BUDGET = 1  # GiB that Grokscope is told to keep to
MOST_MEMORY, MOST_SECONDS = 2 * 2**30, 45.0  # slow machines need 20 s for what takes 6 s elsewhere
WALL = 60.0  # seconds after which a process that uses none of its processor waits for something
RUNAWAY = 6 * 2**30  # bytes at which the system refuses more


@dataclass(frozen=True)
class Answer:
    """The end of one request.

    Attributes:
        outcome: ``ok``, ``refused`` (one of our errors), ``crash``, ``hang`` or ``died``.
        seconds, peak: Of the processor; bytes held at the most.
    """

    outcome: str
    message: str = ""
    value: Any = None
    seconds: float = 0.0
    peak: int = 0

    @property
    def fault(self) -> str:
        """A rule that was broken, in words; empty if none was."""
        if self.outcome not in ("ok", "refused"):
            return f"{self.outcome}: {self.message[-1500:]}"
        if self.seconds > MOST_SECONDS:
            return f"took {self.seconds:.1f} s ({self.message[:200]})"
        if self.peak > MOST_MEMORY:
            return f"took {self.peak / 2**30:.2f} GiB ({self.message[:200]})"
        if self.outcome == "refused" and not 0 < len(self.message) <= 2100:
            return f"a message of {len(self.message)} characters: {self.message[:300]}"
        return ""


class Worker:
    """The other end of a process that opens files; it is started again when it has hung or died."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.process = folder, None
        self.asked = 0

    def ask(self, action: str, *, wait: float = WALL, **arguments: Any) -> Answer:
        """Have something done, and wait for its end, or for as long as nothing honest takes."""
        if self.process is None:
            self._start()
        self.asked += 1
        self.process.stdin.write(json.dumps({"action": action, "arguments": arguments}) + "\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], wait)
        line = self.process.stdout.readline() if ready else None
        if line:
            return Answer(**json.loads(line))
        self.close()
        errors = (self.folder / "errors.txt").read_text(errors="replace")[-3000:]
        return Answer("died" if ready else "hang", errors)

    def _start(self) -> None:
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        own = {"PYTHONPATH": path, "GROKSCOPE_MEMORY": str(BUDGET), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
        with (self.folder / "errors.txt").open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **own},
                text=True,
            )

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
        self.process = None


def opened(path: str, options: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint with its accuracies, as every command opens and measures it."""
    import torch

    from interp.checkpoints.options import OpenOptions
    from interp.subject import open_subject

    subject = open_subject(path, OpenOptions(**options))
    with torch.no_grad():
        task, model = subject.task, subject.model
        return {
            "accuracy": subject.accuracy.to_dict(),
            "model": model.to_dict() if hasattr(model, "to_dict") else {},
            "operation": getattr(task, "operation", None),
            "p": getattr(task, "p", None),
            "examples": len(subject.data),
            "history": len(subject.history),
            "dialect": subject.source.dialect,
            "notes": list(subject.source.notes),
        }


def scored(path: str) -> dict[str, Any]:
    """The row that a batch of scores, which has a fast path, stores of a checkpoint."""
    from interp.jobs.worker import measure_checkpoint

    row = measure_checkpoint(path).row
    return {"status": row["status"], "error_type": row.get("error_type"), "error": row.get("error")}


def job(path: str) -> dict[str, Any]:
    """The items of a job file."""
    from interp.jobs.spec import read_job

    return {"items": len(read_job(path).items())}


def grid(path: str) -> dict[str, Any]:
    """The runs of a file of training runs."""
    from interp.lab.grids.grid import read_grid

    grid = read_grid(path)
    grid.items()
    return {"runs": len(grid.runs)}


def command(words: list[str]) -> dict[str, Any]:
    """A command as it is typed; its exit code and all that it prints."""
    from contextlib import redirect_stderr, redirect_stdout
    from io import StringIO

    from interp.cli import main
    from interp.errors import GrokscopeError

    sys.argv = ["grokscope", *words]
    code, printed, errors = 0, StringIO(), StringIO()
    try:
        with redirect_stdout(printed), redirect_stderr(errors):
            main()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    text = errors.getvalue()
    if code == 2 and "Traceback" not in text:
        raise GrokscopeError(text.strip())
    if code not in (0, 1, 3) or "Traceback" in text:
        raise RuntimeError(f"exit code {code}: {text}")
    return {"code": code, "output": printed.getvalue()[-3000:], "errors": text[-3000:]}


def misbehave(how: str) -> dict[str, Any]:
    """Break a rule, so that it can be seen that this is noticed."""
    from time import sleep

    if how == "hang":
        sleep(10**6)
    if how == "die":
        os._exit(1)
    if how == "memory":
        return {"taken": len(bytearray(MOST_MEMORY))}
    raise KeyError(how)


ACTIONS: dict[str, Callable[..., dict[str, Any]]] = {
    "open": opened, "score": scored, "job": job, "grid": grid, "command": command, "misbehave": misbehave,
}  # fmt: skip


def _answer(action: str, arguments: dict[str, Any]) -> dict[str, Any]:
    import traceback
    import warnings
    from time import process_time

    from interp.errors import GrokscopeError

    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
    start, value, message = process_time(), None, ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            value, outcome = ACTIONS[action](**arguments), "ok"
    except GrokscopeError as error:
        outcome, message = "refused", str(error)
    except BaseException as error:
        outcome, message = "crash", "".join(traceback.format_exception(error))[-4000:]
    seconds = process_time() - start
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    return {"outcome": outcome, "message": message, "value": value, "seconds": seconds, "peak": peak}


def _serve(channel: IO[str]) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (RUNAWAY, RUNAWAY))
    for line in sys.stdin:
        request = json.loads(line)
        channel.write(json.dumps(_answer(request["action"], request["arguments"]), default=str) + "\n")
        channel.flush()


if __name__ == "__main__":
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what anything prints is no answer
    _serve(channel)

"""Whole commands in new processes, from start to exit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp

from main_job import TASK, mostly_periodic
from timing import Contest, Line, Peer, Work, at_most

from interp.checkpoints import save_checkpoint

FOLDER = Path(mkdtemp(prefix="grokscope-commands-"))


def command(*words: str | Path, expected: int = 0) -> Work:
    """A run of ``grokscope``; it must end with the exit code that is expected."""
    return started("-m", "interp.cli", *map(str, words), expected=expected)


def started(*words: str, expected: int = 0) -> Work:
    """A run of Python with these arguments."""

    def run() -> None:
        done = subprocess.run([sys.executable, *words], capture_output=True, cwd=FOLDER, check=False)
        if done.returncode != expected:
            raise RuntimeError(
                f"exit code {done.returncode}, expected {expected}: {done.stderr.decode()[-500:]}"
            )

    return run


IMPORTS: Sequence[str] = ("-c", "import torch, transformer_lens")


def audited() -> Contest:
    """A small file as `grokscope train` writes it."""
    file = save_checkpoint(FOLDER / "step-00000000.safetensors", mostly_periodic(), TASK)
    peers = {"import of torch and TransformerLens": Peer(lambda: started(*IMPORTS))}
    return Contest(command("audit", file), peers, seconds=3.5, started=True)


def helped() -> Contest:
    return Contest(
        command("audit", "--help"),
        {"an empty Python script": Peer(lambda: started("-c", ""))},
        seconds=1,
        started=True,
    )


def refused() -> Contest:
    """A file that holds no checkpoint, whose message needs it to be looked at."""
    file = FOLDER / "notes.safetensors"
    file.write_bytes(b"no weights")
    return Contest(command("audit", file, expected=2), {}, seconds=3.5, started=True)


def mistyped() -> Contest:
    """An option that does not exist in a value that is checked before anything is loaded."""
    work = command("audit", FOLDER / "none.safetensors", expected=2)
    return Contest(work, {"the help": Peer(lambda: command("--help"), at_most(3))}, seconds=1, started=True)


LINES = {
    "command-audit": Line("`grokscope audit FILE` in a new process", audited),
    "command-help": Line("`grokscope audit --help`", helped),
    "command-no-checkpoint": Line("`grokscope audit` of a file that is none", refused),
    "command-error": Line("`grokscope audit` of a file that is not there", mistyped),
}

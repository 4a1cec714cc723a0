"""The end of a run with an error: one line, and an exit code that is never 1, which says that --fail-if holds."""

from __future__ import annotations

import errno
import os
import traceback
from pathlib import Path

from rich.markup import escape

from interp.cli.exit_codes import CRASH, INPUT
from interp.errors import GrokscopeError, shortened
from interp.terminal import Terminal

SHOW = "GROKSCOPE_TRACEBACK"
"""The environment variable that has the traceback of a crash printed."""
PACKAGE = Path(__file__).parents[1]
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def report_failure(error: Exception) -> int:
    """Print what ended a run on standard error.

    Returns:
        The exit code that says so.
    """
    code, message = _described(error)
    if code == CRASH and os.environ.get(SHOW):
        traceback.print_exception(error)
    Terminal(stderr=True).print(
        f"[red]error:[/red] {escape(shortened(message))}", highlight=False, soft_wrap=True
    )
    return code


def _described(error: Exception) -> tuple[int, str]:
    if isinstance(error, GrokscopeError):
        return INPUT, str(error)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _is_of_memory(str(error))):
        return (
            INPUT,
            f"there is not enough memory for this ({_first_line(error)}); take a smaller network or task",
        )
    if isinstance(error, OSError) and error.errno in FULL and error.filename is None:
        return INPUT, f"cannot write to standard output: {error.strerror}"
    if isinstance(error, OSError) and error.filename is not None:
        return INPUT, f"cannot use {str(error.filename)!r}: {error.strerror}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(PACKAGE)] or frames
    place = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "an unknown place"
    return CRASH, (
        f"Grokscope itself failed at {place} with {type(error).__name__}: {_first_line(error)}. Please report this, "
        f"with what {SHOW}=1 shows"
    )


def _is_of_memory(text: str) -> bool:
    return "alloc" in text.lower() and "memory" in text.lower()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:300] or type(error).__name__

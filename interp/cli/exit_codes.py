"""Exit codes of all commands; the help and the guide show them from here."""

from __future__ import annotations

from interp.terminal import PIPE_CLOSED

DONE, HOLDS, INPUT, SOME_FAILED, CRASH, INTERRUPTED = 0, 1, 2, 3, 70, 130
EXIT_CODES = {
    DONE: "done",
    HOLDS: "done, and the answer is no: --fail-if holds, a file is not valid, --expect fails, doctor finds a fault",
    INPUT: "something is wrong with the input: an option, a file, or memory that does not suffice",
    SOME_FAILED: "done, but some checkpoints of a batch, or runs of a sweep, failed",
    CRASH: "a mistake of Grokscope's own (EX_SOFTWARE of sysexits.h); GROKSCOPE_TRACEBACK=1 shows where",
    INTERRUPTED: "ended by Ctrl-C",
    PIPE_CLOSED: "the reader of a pipe wanted no more",
}
"""Meaning of each, by its number. No other code is used; 1 is never an error."""

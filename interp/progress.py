"""Progress on a terminal as a bar; in a pipe as a few plain lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import Protocol, runtime_checkable

from rich.console import Console
from rich.control import Control
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.segment import ControlType
from rich.text import Text

from interp.terminal import Terminal

PLAIN_LINES = 10
PATIENCE = 2.0
"""Seconds of work before progress is shown, where the work is short as a rule."""


@runtime_checkable
class Report(Protocol):
    """Tells how far a job has come: steps done, and what to show beside them."""

    def __call__(self, done: int, note: str = "") -> None: ...


def silent(done: int, note: str = "") -> None:
    """Report nothing."""


def shifted(report: Report, before: int, title: str = "") -> Report:
    """A report of progress for a part of the work, which so many steps precede."""
    return lambda done, note="": report(before + done, f"{title}  {note}" if title else note)


@contextmanager
def progress(
    title: str, total: int, console: Console | None = None, *, after: float = 0.0
) -> Iterator[Report]:
    """A progress report on standard error: a bar with time left on a terminal, else about ten lines.

    Args:
        title: What is done.
        total: How many steps there are.
        console: Where to report.
        after: Seconds of work before anything is shown, so that short work shows nothing.

    Example:
        >>> from io import StringIO
        >>> with progress("training", 3, Console(file=StringIO())) as report:
        ...     report(1, "test .5")
    """
    console = console or Terminal(stderr=True)
    with ExitStack() as stack:
        if after:
            yield _patient(stack, title, total, console, after)
        elif not console.is_terminal:
            yield _plain(title, total, console)
        else:
            title_column = TextColumn("{task.description}", markup=False)
            note_column = TextColumn("{task.fields[note]}", markup=False)
            columns = title_column, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), note_column
            bar = stack.enter_context(Progress(*columns, console=console))
            task = bar.add_task(title, total=total, note="")
            yield lambda done, note="": bar.update(task, completed=done, note=note)


def _patient(stack: ExitStack, title: str, total: int, console: Console, after: float) -> Report:
    """A report that begins to show once the work has taken `after` seconds."""
    start, shown = monotonic(), None

    def report(done: int, note: str = "") -> None:
        nonlocal shown
        if shown is None and monotonic() - start > after:
            shown = stack.enter_context(progress(title, total, console))
        if shown is not None:
            shown(done, note)

    return report


def _plain(title: str, total: int, console: Console) -> Report:
    shown = -1

    def report(done: int, note: str = "") -> None:
        nonlocal shown
        part = done * PLAIN_LINES // max(total, 1)
        if part > shown:
            shown = part
            console.print(
                Text(f"{title} {done}/{total} {note}".rstrip()), soft_wrap=True
            )  # brackets are no markup

    return report


@contextmanager
def busy(doing: str) -> Iterator[None]:
    """Say on standard error what takes seconds, until it is done or a bar takes the line; nothing in a pipe."""
    console = Terminal(stderr=True)
    if not console.is_terminal:
        yield
        return
    console.print(f"{doing} …", end="\r")
    try:
        yield
    finally:
        console.control(Control((ControlType.ERASE_IN_LINE, 2)))

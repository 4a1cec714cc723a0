"""Progress of long work: one line with the phase and the time left, on a terminal or in a notebook."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from threading import RLock, Timer
from time import monotonic
from typing import Any, ParamSpec, Protocol, TypeVar, runtime_checkable

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from interp.terminal import Terminal

PATIENCE = 3.0
"""Seconds of work before progress is shown."""
PLAIN_LINES = 10
BAR = 16
PER_SECOND = 5

P = ParamSpec("P")
R = TypeVar("R")


@runtime_checkable
class Report(Protocol):
    """Tells how far a job has come: steps done, and what to show beside them."""

    def __call__(self, done: int, note: str = "") -> None: ...


def silent(done: int, note: str = "") -> None:
    """Report nothing."""


def shifted(report: Report, before: int, title: str = "") -> Report:
    """A report of progress for a part of the work, which so many steps precede."""
    return lambda done, note="": report(before + done, f"{title}  {note}" if title else note)


@dataclass(eq=False)
class Phase:
    """A part of the work.

    Attributes:
        title: Of the phase.
        total: Number of steps, 0 if not known beforehand.
        done: Steps done.
        note: Shown beside them.
        started: When it began, in seconds of the monotonic clock.
    """

    title: str
    total: int
    done: int = 0
    note: str = ""
    started: float = field(default_factory=monotonic)

    def left(self) -> str:
        """The time left, if the other steps take as long as those done; empty before the first of them.

        Example:
            >>> Phase("training", 300, done=100, started=monotonic() - 45).left()
            '1:30 left'
        """
        if not 0 < self.done < self.total:
            return ""
        seconds = (monotonic() - self.started) * (self.total - self.done) / self.done
        return f"{clock(seconds)} left"


def clock(seconds: float) -> str:
    """A time in minutes and seconds, from an hour on in hours, minutes and seconds.

    Example:
        >>> clock(7), clock(3661)
        ('0:07', '1:01:01')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def progress(title: str, total: int = 0, console: Console | None = None) -> Iterator[Report]:
    """Show a phase of long work on standard error until the block ends.

    Nothing is shown before the outermost phase has taken `PATIENCE` seconds. Of phases within each other the outermost
    one with a known number of steps is shown, as it knows the time left.

    Args:
        title: Of the phase, such as ``"training"``.
        total: Number of steps; 0 if it is not known, so that no time left is shown.
        console: Where to show the outermost phase.

    Example:
        >>> with progress("training", 3) as report:
        ...     report(1, "test .5")
    """
    phase = Phase(title, total)
    _line.enter(phase, console)
    try:
        yield lambda done, note="": _line.report(phase, done, note)
    finally:
        _line.leave(phase)


@contextmanager
def show_progress(shown: bool | None) -> Iterator[None]:
    """Decide whether work within the block shows its progress.

    Args:
        shown: True: also where standard error is no terminal, as about ten lines a phase. False: never. None: as the
            block around this one has it; without one on a terminal and in a notebook.

    Example:
        >>> import interp
        >>> with interp.show_progress(False):
        ...     report = interp.audit(interp.analytic_mlp("add", p=13), interp.ModularTask("add", p=13))
    """
    before = _line.shown
    _line.shown = before if shown is None else shown
    try:
        yield
    finally:
        _line.shown = before


def hide_progress() -> None:
    """Show no progress from now on, in a process whose parent shows its own."""
    _line.shown = False


def with_progress(title: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator: a function is a phase, and its keyword `show_progress` decides as the context of that name does."""

    def wrapped(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            shown: Any = kwargs.get("show_progress")
            with show_progress(shown), progress(title):
                return function(*args, **kwargs)

        return run

    return wrapped


class _Line:
    """The one line of this process, and the phases that are under way; threads share both."""

    def __init__(self) -> None:
        self.shown: bool | None = None
        self.phases: list[Phase] = []
        self.lock = RLock()
        self.timer: Timer | None = None
        self.output: _Bar | _Lines | _Cell | None = None

    def enter(self, phase: Phase, console: Console | None) -> None:
        with self.lock:
            self.phases.append(phase)
            if len(self.phases) == 1 and self.shown is not False:
                console = console or Terminal(stderr=True)
                if self.shown or console.is_terminal or console.is_jupyter:
                    self.start_after(PATIENCE, phase, console)
            self.update()

    def start_after(self, seconds: float, outermost: Phase, console: Console) -> None:
        """Begin to show once the work has taken so long, even if it reports nothing until then."""
        if not seconds:
            self.start(outermost, console)
            return
        self.timer = Timer(seconds, self.start, (outermost, console))
        self.timer.daemon = True
        self.timer.start()

    def start(self, outermost: Phase, console: Console) -> None:
        """Begin to show, unless the work has ended in the meantime."""
        with self.lock:
            if self.phases and self.phases[0] is outermost and self.output is None:
                self.output = _output(console, self.current)
                self.output.update(self.current())

    def current(self) -> Phase:
        """The phase to show."""
        phases = self.phases[:]
        known = (phase for phase in phases if phase.total)
        return next(known, phases[-1] if phases else Phase("", 0))

    def report(self, phase: Phase, done: int, note: str) -> None:
        phase.done, phase.note = done, note
        self.update()

    def update(self) -> None:
        if self.output is not None and self.phases:
            self.output.update(self.current())

    def leave(self, phase: Phase) -> None:
        with self.lock:
            self.phases.remove(phase)
            if self.phases:
                return
            timer, self.timer, output, self.output = self.timer, None, self.output, None
        if timer is not None:
            timer.cancel()
        if output is not None:
            output.end()


class _Bar:
    """A line of a terminal that is drawn again several times a second, and is gone at the end."""

    def __init__(self, console: Console, current: Callable[[], Phase]) -> None:
        self.current, self.spinner = current, Spinner("dots")
        how: dict[str, Any] = {"console": console, "transient": True, "refresh_per_second": PER_SECOND}
        self.live = Live(get_renderable=self.render, **how)
        self.live.start(refresh=True)

    def render(self) -> Table:
        phase = self.current()
        row = Table.grid(padding=(0, 1, 0, 0))
        shown: Any = ProgressBar(phase.total, phase.done, width=BAR) if phase.total else self.spinner
        row.add_row(shown, Text(described(phase), no_wrap=True, overflow="ellipsis"))
        return row

    def update(self, phase: Phase) -> None:
        """Nothing: it is drawn again anyway."""

    def end(self) -> None:
        self.live.stop()


class _Lines:
    """About ten plain lines for each phase with steps, one for each other."""

    def __init__(self, console: Console) -> None:
        self.console, self.phase, self.part = console, Phase("", 0), -1

    def update(self, phase: Phase) -> None:
        part = phase.done * PLAIN_LINES // phase.total if phase.total else 0
        if phase is self.phase and part <= self.part:
            return
        self.phase, self.part = phase, part
        self.console.print(Text(described(phase)), soft_wrap=True)  # brackets are no markup

    def end(self) -> None:
        """Nothing: lines stay."""


class _Cell:
    """A line below a notebook's cell, which is empty at the end."""

    def __init__(self) -> None:
        display: Any = sys.modules["IPython"].display.display
        self.shown, self.handle = 0.0, display({"text/plain": ""}, raw=True, display_id=True)

    def update(self, phase: Phase) -> None:
        if monotonic() - self.shown > 1 / PER_SECOND:
            self.shown = monotonic()
            self.handle.update({"text/plain": described(phase)}, raw=True)

    def end(self) -> None:
        self.handle.update({"text/plain": ""}, raw=True)


def _output(console: Console, current: Callable[[], Phase]) -> _Bar | _Lines | _Cell:
    """The place that shows a phase."""
    if console.is_jupyter:
        return _Cell()
    animated = console.is_terminal and not console.is_dumb_terminal
    return _Bar(console, current) if animated else _Lines(console)


def described(phase: Phase) -> str:
    """A phase, how far it is, and the time left.

    Example:
        >>> described(Phase("training", 3, done=3, note="test .5"))
        'training 3/3 test .5'
        >>> described(Phase("opening", 0))
        'opening …'
    """
    if not phase.total:
        return f"{phase.title} …" if phase.title else ""
    parts = (f"{phase.title} {phase.done:,}/{phase.total:,}", phase.left(), phase.note)
    return " ".join(part for part in parts if part)


_line = _Line()

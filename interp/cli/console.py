"""What several commands print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.control import Control
from rich.markup import escape
from rich.segment import ControlType

if TYPE_CHECKING:
    from interp.audit import AuditReport


def say(text: str, *, error: bool = False) -> None:
    """Print a line as it is: what comes from files or users is never taken for markup."""
    Console(stderr=error).print(escape(text), highlight=False, soft_wrap=True)


def show(report: AuditReport, *paths: Path | None) -> None:
    """Print an audit, and write it to the paths that were given."""
    from interp.report import print_report

    print_report(report, Console())
    for path in paths:
        if path is not None:
            say(f"wrote {report.save(path)}")


def examples_shown(lines: Iterable[str]) -> str:
    """What a command's help ends with."""
    return "[bold]Examples[/bold]\n\n" + "\n\n".join(f"  {escape(line)}" for line in lines)


@contextmanager
def busy(doing: str) -> Iterator[None]:
    """Say on standard error what takes seconds, until it is done or a bar takes the line; nothing in a pipe."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    console.print(f"{doing} …", end="\r")
    try:
        yield
    finally:
        console.control(Control((ControlType.ERASE_IN_LINE, 2)))

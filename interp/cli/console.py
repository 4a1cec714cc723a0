"""Lines and tables that several commands print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.control import Control
from rich.markup import escape
from rich.segment import ControlType
from rich.table import Table

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


def print_table(
    title: str,
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    left: Sequence[int] = (0,),
    caption: str = "",
    boxed: bool = False,
) -> None:
    """Print a table; the texts are never taken for markup.

    Args:
        title: Above it.
        header: A name for each column; none is shown if all are empty.
        rows: A text for each column.
        left: Places of the columns that are not of numbers.
        caption: Below it.
        boxed: Draw lines around it and between its columns.
    """
    plain: dict[str, Any] = {"box": box.SIMPLE_HEAD, "pad_edge": False, "title_justify": "left"}
    shown = {} if boxed else plain
    table = Table(title=escape(title), caption=escape(caption), show_header=any(header), **shown)
    for place, name in enumerate(header):
        words = place in left
        table.add_column(
            escape(name), justify="left" if words else "right", overflow="fold", no_wrap=not words
        )
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)


def examples_shown(lines: Iterable[str]) -> str:
    """The end of a command's help."""
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

"""Lines and tables that several commands print."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from interp.cli.places import put
from interp.terminal import Terminal, broken, printable

if TYPE_CHECKING:
    from interp.audit import AuditReport
    from interp.language.records import LanguageReport


WIDEST = 1000
CLOSER = (0, 1, 0, 0), (0, 0, 0, 0)
"""Space around cells of a table without texts to break, if the ordinary one takes it beyond the terminal's width."""
WORD = 16
"""Letters of a text that is never broken, at most."""


@dataclass
class Shown:
    """Parts of the output that are wanted: notes on standard error, and the result as text."""

    notes: bool = True
    text: bool = True


_shown = Shown()


@contextmanager
def showing(*, notes: bool, text: bool) -> Iterator[None]:
    """Print notes, or the result as text, within the block only if they are wanted."""
    global _shown
    before, _shown = _shown, Shown(notes, text)
    try:
        yield
    finally:
        _shown = before


def standard() -> Terminal:
    """Standard output for a result as text, or nowhere, where a report goes there instead."""
    return Terminal(quiet=not _shown.text)


def say(*lines: str, error: bool = False, whole: bool = False) -> None:
    """Print sentences of a result, or of an error: what comes from files or users is never taken for markup.

    Lines are broken between words at the terminal's width, or at 80 columns; a longer word, such as a path, is kept.
    Whole lines are not broken: commands to copy.
    """
    console = Terminal(stderr=True) if error else standard()
    for line in lines:
        for part in [printable(line)] if whole else broken(printable(line), console.width):
            console.print(Text(part), soft_wrap=True)


def note(*lines: str, whole: bool = False) -> None:
    """Print on standard error what is no result, unless --quiet is given: files written, how to go on."""
    if _shown.notes:
        say(*lines, error=True, whole=whole)


def write(save: Callable[[Path], Path], *paths: Path | None) -> None:
    """Write a result to the paths that were given, and note it."""
    for path in paths:
        if path is not None and put(save, path):
            note(f"wrote {path}")


def write_numbers(result: Any, path: Path | None, schema: str) -> None:
    """Write a result's numbers as JSON of a schema of `interp.report.schemas`, if a path was given."""
    from interp.files import write_json
    from interp.output import framed, plain

    write(lambda place: write_json(place, framed(schema, plain(result))), path)


def show(report: AuditReport | LanguageReport, *paths: Path | None) -> None:
    """Write an audit to the paths that were given, and print it; a reader that wants no more of it costs no file."""
    from interp.report import print_report

    write(report.save, *paths)
    print_report(report, standard())


def print_table(
    title: str,
    header: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    *,
    left: Sequence[int] = (0,),
    caption: str = "",
    boxed: bool = False,
) -> None:
    """Print a table; its plain texts are never taken for markup.

    Args:
        header: None is shown if all are empty.
        left: Places of the columns that are not of numbers.
        boxed: Draw lines around it and between its columns.
    """
    plain: dict[str, Any] = {"box": box.SIMPLE_HEAD, "pad_edge": False, "title_justify": "left"}
    shown = {} if boxed else plain
    table = Table(title=escape(title), caption=escape(caption), show_header=any(header), **shown)
    shown_rows = [tuple(row) for row in rows]
    whole = [
        place not in left or _is_word([name, *(row[place] for row in shown_rows)])
        for place, name in enumerate(header)
    ]
    for place, name in enumerate(header):
        justify: Any = "left" if place in left else "right"
        table.add_column(escape(name), justify=justify, overflow="fold", no_wrap=whole[place])
    for row in shown_rows:
        table.add_row(*(escape(text) if isinstance(text, str) else text for text in row))
    console = standard()
    for padding in CLOSER if all(whole) and not boxed else ():
        if console.measure(table, options=console.options.update_width(WIDEST)).maximum <= console.width:
            break
        table.padding = padding
    console.print(table)


def _is_word(cells: Iterable[str | Text]) -> bool:
    """True for texts that have no place to break: numbers, labels; paths may be broken anywhere."""
    return all(len(text) <= WORD and " " not in text for text in map(str, cells))


def examples_shown(lines: Iterable[str]) -> str:
    """The end of a command's help."""
    return "[bold]Examples[/bold]\n\n" + "\n\n".join(f"  {escape(line)}" for line in lines)

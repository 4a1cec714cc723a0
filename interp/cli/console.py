"""Lines and tables that several commands print."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from interp.terminal import Terminal

if TYPE_CHECKING:
    from interp.audit import AuditReport
    from interp.language.records import LanguageReport


def say(*lines: str, error: bool = False) -> None:
    """Print lines as they are: what comes from files or users is never taken for markup."""
    for line in lines:
        Terminal(stderr=error).print(escape(line), highlight=False, soft_wrap=True)


def write(save: Callable[[Path], Path], *paths: Path | None, error: bool = False) -> None:
    """Write a result to the paths that were given, and say so, on standard error if that is asked for."""
    for path in paths:
        if path is not None:
            say(f"wrote {save(path)}", error=error)


def write_numbers(result: Any, path: Path | None, schema: str) -> None:
    """Write a result's numbers as JSON of a schema of `interp.report.schemas`, if a path was given."""
    from interp.files import write_json
    from interp.output import framed

    write(lambda place: write_json(place, framed(schema, result.to_dict())), path)


def show(report: AuditReport | LanguageReport, *paths: Path | None, markdown: bool = False) -> None:
    """Print an audit, as Markdown and nothing else if that is asked for, and write it to the paths that were given."""
    from interp.report import print_report, to_markdown

    if markdown:
        typer.echo(to_markdown(report), nl=False)
    else:
        print_report(report, Terminal())
    write(report.save, *paths, error=markdown)


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
    for place, name in enumerate(header):
        words = place in left
        table.add_column(
            escape(name), justify="left" if words else "right", overflow="fold", no_wrap=not words
        )
    for row in rows:
        table.add_row(*(escape(text) if isinstance(text, str) else text for text in row))
    Terminal().print(table)


def examples_shown(lines: Iterable[str]) -> str:
    """The end of a command's help."""
    return "[bold]Examples[/bold]\n\n" + "\n\n".join(f"  {escape(line)}" for line in lines)

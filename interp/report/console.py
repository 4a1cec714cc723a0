"""An audit report in the terminal, 80 columns wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text as RichText

from interp.markup import percentage
from interp.measuring.band import INTERVAL
from interp.report.documents import document
from interp.report.parts import CONSOLE, Bullets, Table, Text
from interp.terminal import printable

if TYPE_CHECKING:
    from interp.measuring.removals import Removal
    from interp.report.documents import AnyReport


def print_report(report: AnyReport, console: Console) -> None:
    """Print verdict, sections and warnings, nothing of it wider than the console, or taken for markup.

    Example:
        >>> from interp import audit
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> report = audit(analytic_mlp("add", p=31), ModularTask("add", p=31), n_random=2)
        >>> print_report(report, Console(width=80))  # doctest: +ELLIPSIS
        a model in memory...
    """
    shown = document(report)
    _say(console, f"{shown.name} ({shown.origin})", "bold")
    _say(console, shown.description, "dim")
    _say(console, "")
    for i, sentence in enumerate(shown.verdict):
        _say(console, sentence, "" if i else "bold")
    after_table = False
    for section in shown.sections():
        for part in section.parts_in(CONSOLE):
            if not after_table or isinstance(part, Bullets):
                _say(console, "")
            after_table = isinstance(part, Table)
            match part:
                case Text():
                    _say(console, part.sentence.removesuffix("."))
                case Bullets():
                    _say(console, section.title, "italic")
                    for sentence in part.sentences:
                        _say(console, f"- {sentence}")
                case Table():
                    console.print(_table(part))
    for warning in shown.warnings:
        _say(console, f"Warning: {warning}", "yellow")


def print_removal(removal: Removal, title: str, console: Console) -> None:
    """Print every split's accuracy before and after a removal, beside random sets of the same size."""
    header = ("split", "before", "after", f"{removal.n_draws} random sets, {INTERVAL}")
    rows = [(split, before, after, interval) for split, before, after, _, interval, _ in removal.rows()]
    console.print(_table(Table("", header, rows, f"{title}: {removal.removed} neurons")))
    if removal.removed and removal.ranks is not None:
        _say(console, removal.ranks.sentence())
    random = removal.random["test"]
    if removal.removed and removal.hurts("test") and random is not None:
        after, mean = percentage(removal.after.test), percentage(random.mean)
        _say(
            console,
            f"Warning: held-out accuracy is {after} after it, below that after random sets of the same size "
            f"({mean}): the rule needs these neurons.",
            "yellow",
        )


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(RichText(printable(text), style=style, overflow="fold"), soft_wrap=False)


def _table(part: Table) -> RichTable:
    header, rows = part.brief or (part.header, part.rows)
    table = RichTable(title=part.title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(header[0])
    for name in header[1:]:
        table.add_column(name, justify="right", max_width=36 if len(header) == 2 else 20)
    for row in rows:
        table.add_row(*(RichText(printable(cell)) for cell in row))
    return table

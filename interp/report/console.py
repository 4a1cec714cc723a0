"""An audit report in the terminal, 80 columns wide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from interp.markup import percentage
from interp.report.computing import circuit_rows, stage_sentences, trajectory_header, trajectory_rows
from interp.report.markdown import ACCURACY_HEADER, accuracy_rows, label_rows
from interp.report.wording import frequency_sentence, model_sentence, task_sentence

if TYPE_CHECKING:
    from interp.measuring.controls import Removal
    from interp.results import AuditReport


CHECKPOINTS = 8


def print_report(report: AuditReport, console: Console) -> None:
    """Print the verdict, how the file was read, accuracies, neurons per label, circuit, trajectory and warnings.

    Nothing is wider than the console, colours appear on a terminal only, and names from files are never taken
    for markup.

    Example:
        >>> from interp.audit import audit
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> report = audit(analytic_mlp("add", p=31), ModularTask("add", p=31), n_random=2)
        >>> print_report(report, Console(width=80))  # doctest: +ELLIPSIS
        a model in memory...
    """
    step = "" if report.step is None else f", step {report.step}"
    _say(console, f"{report.checkpoint} ({report.dialect}{step})", "bold")
    _say(console, f"{task_sentence(report)}; {model_sentence(report)}", "dim")
    _say(console, "")
    for i, sentence in enumerate(report.verdict):
        _say(console, sentence, "" if i else "bold")
    _say(console, "")
    if report.notes:
        _list(console, "How it was read", report.notes)
    console.print(_table("Accuracy", ACCURACY_HEADER, accuracy_rows(report)))
    console.print(_table("Neurons", ("label", "neurons", "share"), label_rows(report)))
    _say(console, f"Key frequencies: {frequency_sentence(report)}")
    if report.circuit is not None:
        _say(console, "")
        values = (row[:2] for row in circuit_rows(report))
        console.print(_table("How it computes", ("what", "value"), values, width=36))
    if report.trajectory is not None:
        _say(console, "")
        _list(console, "Over training", stage_sentences(report))
        rows = trajectory_rows(report, most=CHECKPOINTS, console=True)
        console.print(_table("Checkpoints", trajectory_header(report, console=True), rows))
    for warning in report.warnings:
        _say(console, f"Warning: {warning}", "yellow")


def print_removal(found: Removal, title: str, console: Console) -> None:
    """Print every split's accuracy before and after a removal, beside random sets of the same size."""

    def rows() -> Iterable[Sequence[str]]:
        for split in found.before:
            random = found.random[split]
            interval = "–" if random is None else f"{percentage(random.low)} to {percentage(random.high)}"
            yield (
                split.replace("_", " "),
                percentage(found.before[split]),
                percentage(found.after[split]),
                interval,
            )

    header = ("split", "before", "after", f"{found.n_draws} random sets, 95 %")
    console.print(_table(f"{title}: {found.removed} neurons", header, rows()))


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style=style, overflow="fold"), soft_wrap=False)


def _list(console: Console, title: str, sentences: Iterable[str]) -> None:
    _say(console, title, "italic")
    for sentence in sentences:
        _say(console, f"- {sentence}")
    _say(console, "")


def _table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]], width: int = 18) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(header[0])
    for name in header[1:]:
        table.add_column(name, justify="right", max_width=width)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table

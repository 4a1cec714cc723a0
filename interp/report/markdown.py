"""An audit report as Markdown, and the rows that every form of the report shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from interp.markup import percentage
from interp.measuring.controls import REMOVAL_HEADER
from interp.report.computing import (
    CIRCUIT_HEADER,
    circuit_rows,
    stage_sentences,
    trajectory_header,
    trajectory_rows,
)
from interp.report.glossary import WORDS
from interp.report.provenance import provenance
from interp.report.wording import frequency_sentence, words

if TYPE_CHECKING:
    from interp.measuring.controls import Removal
    from interp.results import AuditReport

STRONGEST = 24
Row = tuple[str, ...]

ACCURACY_HEADER: Row = ("examples", "before", "without memorizing", "without generalizing")


def accuracy_rows(report: AuditReport) -> Iterator[Row]:
    """Accuracy per split: before, without memorizing, without generalizing neurons."""
    states = (report.accuracy, report.removals["memorizing"].after, report.removals["generalizing"].after)
    for split in report.accuracy:
        yield words(split), *(percentage(state[split]) for state in states)


def removals(report: AuditReport) -> tuple[tuple[str, Removal], ...]:
    """The removals that took anything out, by the label of what they took."""
    both = ("memorizing", report.removals["memorizing"]), ("generalizing", report.removals["generalizing"])
    return tuple((label, removal) for label, removal in both if removal.removed)


def label_rows(report: AuditReport) -> Iterator[Row]:
    """How many neurons have each label, and their share."""
    counts = dict(report.table.counts())
    total = counts.pop("total")
    for label, count in counts.items():
        yield label, str(count), percentage(count / total if total else None)


def neuron_header(report: AuditReport) -> Row:
    """Titles of the columns of `neuron_rows`."""
    return report.table.strongest_header()


def neuron_rows(report: AuditReport, limit: int = STRONGEST) -> Iterator[Row]:
    """The strongest neurons, one row each, in the order of `neuron_header`."""
    return report.table.strongest(limit)


def to_markdown(report: AuditReport) -> str:
    """The report as a Markdown document that ends with a newline; values that are not known show as a dash.

    Example:
        >>> from interp.audit import audit
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> text = to_markdown(audit(analytic_mlp("add", p=31), ModularTask("add", p=31), n_random=2))
        >>> text.splitlines()[0]
        '# Grokscope report'
    """
    return "\n".join(_lines(report)).rstrip("\n") + "\n"


def _lines(report: AuditReport) -> Iterator[str]:
    yield from ("# Grokscope report", "", f"Checkpoint: {_cell(report.checkpoint)}", "", "## Verdict", "")
    yield f"**Phase: {report.phase.name or 'cannot be told'}.**"
    yield ""
    yield from (f"- {_cell(sentence)}" for sentence in report.verdict)
    if report.warnings:
        yield from ("", "## Warnings", "")
        yield from (f"- {_cell(warning)}" for warning in report.warnings)
    if report.notes:
        yield from ("", "## How it was read", "", f"Dialect: {_cell(report.dialect)}.", "")
        yield from (f"- {_cell(note)}" for note in report.notes)
    yield from ("", "## Accuracy", "", *_table(ACCURACY_HEADER, accuracy_rows(report)))
    yield from ("", "## Neurons", "", *_table(("label", "neurons", "share"), label_rows(report)))
    yield from ("", f"Key frequencies: {frequency_sentence(report)}.", "")
    if report.circuit is not None:
        yield from ("## How it computes", "", *_table(CIRCUIT_HEADER, circuit_rows(report)), "")
    if report.trajectory is not None:
        yield from ("## Over training", "")
        yield from (f"- {_cell(sentence)}" for sentence in stage_sentences(report))
        yield from ("", *_table(trajectory_header(report), trajectory_rows(report)), "")
    yield from ("## The strongest neurons", "")
    yield from ("Effects are the mean margin lost without the neuron, in logit units.", "")
    yield from _table(neuron_header(report), neuron_rows(report))
    for label, removal in removals(report):
        yield from ("", f"## Without the {removal.removed} {label} neurons", "")
        yield f"Control: {removal.n_draws} random sets of the same size; 95 % of them lie in the interval."
        yield from ("", *_table(REMOVAL_HEADER, removal.rows()))
    yield from ("", "## Provenance", "", *_table(("what", "value"), provenance(report)))
    yield from ("", "## Words", "")
    yield from (f"- **{_cell(word)}**: {_cell(meaning)}" for word, meaning in WORDS.items())


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (header, ["---"] * len(header), *rows):
        yield f"| {' | '.join(map(_cell, row))} |"


def _cell(text: str) -> str:
    """Text that no reader takes for Markdown or HTML, on one line."""
    for character in "\\`*<>|[]":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.splitlines())

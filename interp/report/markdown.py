"""An audit report as Markdown, and the rows that every form of the report shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.report.computing import (
    CIRCUIT_HEADER,
    circuit_rows,
    stage_sentences,
    stored_sentence,
    trajectory_header,
    trajectory_rows,
)
from interp.report.wording import UNKNOWN, frequency_sentence, model_sentence, number, task_sentence, words
from interp.verdict import percent

if TYPE_CHECKING:
    from interp.findings import AuditReport
    from interp.sweeps import Removal

STRONGEST = 24
Row = tuple[str, ...]

EFFECTS: Row = ("held-out effect", "corrupted effect")
PERIODICITY = {"activation_share": "share at one frequency"}
ACCURACY_HEADER: Row = ("examples", "before", "without memorizing", "without generalizing")
REMOVAL_HEADER: Row = ("examples", "before", "after", "random sets: mean", "95 % interval", "outside it")


def accuracy_rows(report: AuditReport) -> Iterator[Row]:
    """Accuracy per split: before, without memorizing, without generalizing neurons."""
    states = (report.accuracy, report.without_memorizing.after, report.without_generalizing.after)
    for split in report.accuracy:
        yield words(split), *(percent(state[split]) for state in states)


def removals(report: AuditReport) -> tuple[tuple[str, Removal], ...]:
    """The removals that took anything out, by the label of what they took."""
    both = ("memorizing", report.without_memorizing), ("generalizing", report.without_generalizing)
    return tuple((label, removal) for label, removal in both if removal.removed)


def removal_rows(removal: Removal) -> Iterator[Row]:
    """Accuracy per split before and after a removal, with the random sets of the same size."""
    for split in removal.before:
        band, differs = removal.random[split], removal.differs(split)
        mean, interval = UNKNOWN, UNKNOWN
        if band is not None:
            mean, interval = percent(band["mean"]), f"{percent(band['low'])} to {percent(band['high'])}"
        outside = UNKNOWN if differs is None else "yes" if differs else "no"
        before, after = percent(removal.before[split]), percent(removal.after[split])
        yield words(split), before, after, mean, interval, outside


def label_rows(report: AuditReport) -> Iterator[Row]:
    """How many neurons have each label, and their share."""
    counts = dict(report.table.counts())
    total = counts.pop("total")
    for label, count in counts.items():
        yield label, str(count), percent(count / total if total else None)


def measure_of(report: AuditReport) -> str:
    """The column of a neuron's periodicity that the report shows."""
    column = str(report.table.meta.get("order", "ipr"))
    return column if column in PERIODICITY and column in report.table else "ipr"


def neuron_header(report: AuditReport) -> Row:
    """Titles of the columns of `neuron_rows`."""
    return "neuron", "label", PERIODICITY.get(measure_of(report), "IPR"), "frequency", *EFFECTS, "evidence"


def neuron_rows(report: AuditReport, limit: int = STRONGEST) -> Iterator[Row]:
    """The strongest neurons, one row each, in the order of `neuron_header`."""
    table, measure = report.table, measure_of(report)
    strength = np.nan_to_num(np.asarray(table["strength"], float), nan=-np.inf)
    for row in np.argsort(-strength, kind="stable")[:limit]:
        values = {name: table[name][row] for name in table}
        yield (
            str(values["neuron"]),
            str(values["label"]),
            number(values[measure]),
            number(values["frequency"] or None, 6),  # 0 is no frequency
            number(values.get("effect_test")),
            number(values.get("effect_corrupted_as_labelled")),
            str(values["evidence"]),
        )


def versions() -> dict[str, str]:
    """Versions of the packages that the numbers depend on; a dash for one that is not installed."""
    found = {}
    for package in ("grokscope", "torch", "numpy"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = UNKNOWN
    return found


def provenance(report: AuditReport) -> Iterator[Row]:
    """Where the report comes from and by which conventions: name and value."""
    meta = report.table.meta
    yield "checkpoint", report.checkpoint
    yield "dialect", report.dialect
    yield "step", UNKNOWN if report.step is None else str(report.step)
    yield "task", task_sentence(report)
    yield "network", model_sentence(report)
    yield "accuracy that the file records", stored_sentence(report)
    yield "neurons at", report.table.site_name
    yield "group ordering", str(meta.get("ordering") or "none known (natural order)")
    yield "Fourier convention", _settings(meta.get("convention"))
    yield "criteria of the labels", _settings(meta.get("criteria"))
    yield "null distribution", _settings(meta.get("null"))
    yield "random draws per control", str(report.without_memorizing.n_draws)
    yield "versions", _settings(versions())


def _settings(settings: Any) -> str:
    return ", ".join(f"{key} {_shown(value)}" for key, value in dict(settings or {}).items()) or UNKNOWN


def _shown(value: Any) -> str:
    if value is None or value == []:
        return UNKNOWN
    return number(value, 4) if isinstance(value, float) else str(value)


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
        yield from ("", *_table(REMOVAL_HEADER, removal_rows(removal)))
    yield from ("", "## Provenance", "", *_table(("what", "value"), provenance(report)))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (header, ["---"] * len(header), *rows):
        yield f"| {' | '.join(map(_cell, row))} |"


def _cell(text: str) -> str:
    """Text that no reader takes for Markdown or HTML, on one line."""
    for character in "\\`*<>|[]":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.splitlines())

"""An audit report as Markdown, and the rows that every form of the report shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.verdict import percent

if TYPE_CHECKING:
    from interp.audit import AuditReport
    from interp.sweeps import Removal

STRONGEST = 24
UNKNOWN = "–"
Row = tuple[str, ...]

EFFECTS: Row = ("held-out effect", "corrupted effect")
NEURON_HEADER: Row = ("neuron", "label", "IPR", "frequency", *EFFECTS, "evidence")
ACCURACY_HEADER: Row = ("examples", "before", "without memorizing", "without generalizing")
REMOVAL_HEADER: Row = ("examples", "before", "after", "random sets: mean", "95 % interval", "outside it")


def words(split: str) -> str:
    """The name of a split for people."""
    return split.replace("_", " ")


def number(value: float | np.number | None, digits: int = 3) -> str:
    """A number to so many significant digits, or a dash where it is None, NaN or infinite."""
    return UNKNOWN if value is None or not np.isfinite(value) else f"{value:.{digits}g}"


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


def neuron_rows(report: AuditReport, limit: int = STRONGEST) -> Iterator[Row]:
    """The strongest neurons, one row each, in the order of `NEURON_HEADER`."""
    table = report.table
    strength = np.nan_to_num(np.asarray(table["strength"], float), nan=-np.inf)
    for row in np.argsort(-strength, kind="stable")[:limit]:
        values = {name: table[name][row] for name in table}
        yield (
            str(values["neuron"]),
            str(values["label"]),
            number(values["ipr"]),
            number(values["frequency"], 6),
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


def task_sentence(report: AuditReport) -> str:
    """The task in words."""
    task = report.task
    modulus = "" if task.get("p") is None else f" modulo {task['p']}"
    trained, corrupted = percent(task.get("train_fraction")), percent(task.get("corrupt_fraction"))
    name = task.get("operation") or "a custom task"
    return f"{name}{modulus}, {trained} of all pairs trained on, {corrupted} of them corrupted"


def model_sentence(report: AuditReport) -> str:
    """The network in words."""
    model = report.model
    activation = "" if model.get("activation") is None else f", {model['activation']} activation"
    return f"{model.get('kind') or 'network'} with {model.get('width')} neurons{activation}"


def frequency_sentence(report: AuditReport) -> str:
    """The key frequencies in words, runs of three or more as ``first to last``."""
    runs: list[list[int]] = []
    for frequency in report.key_frequencies:
        if runs and frequency == runs[-1][-1] + 1:
            runs[-1].append(frequency)
        else:
            runs.append([frequency])
    shown = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return ", ".join(shown) or "none"


def provenance(report: AuditReport) -> Iterator[Row]:
    """Where the report comes from and by which conventions: name and value."""
    meta = report.table.meta
    yield "checkpoint", report.checkpoint
    yield "dialect", report.dialect
    yield "step", UNKNOWN if report.step is None else str(report.step)
    yield "task", task_sentence(report)
    yield "network", model_sentence(report)
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
    yield from ("", "## Accuracy", "", *_table(ACCURACY_HEADER, accuracy_rows(report)))
    yield from ("", "## Neurons", "", *_table(("label", "neurons", "share"), label_rows(report)))
    yield from ("", f"Key frequencies: {frequency_sentence(report)}.", "")
    yield from ("## The strongest neurons", "")
    yield from ("Effects are the mean margin lost without the neuron, in logit units.", "")
    yield from _table(NEURON_HEADER, neuron_rows(report))
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

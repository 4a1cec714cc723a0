"""An audit report as one HTML page that needs no network: library, figures and style are inside."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from interp import plots
from interp.measuring.controls import REMOVAL_HEADER
from interp.plots.neurons import periodicity_column
from interp.report import captions
from interp.report.computing import (
    CIRCUIT_HEADER,
    circuit_rows,
    stage_sentences,
    trajectory_header,
    trajectory_rows,
)
from interp.report.glossary import WORDS
from interp.report.markdown import (
    ACCURACY_HEADER,
    STRONGEST,
    accuracy_rows,
    neuron_header,
    neuron_rows,
    removals,
)
from interp.report.neurons import neurons_html
from interp.report.page import bullets, data_table, figure_block, page, prose
from interp.report.provenance import provenance
from interp.report.wording import frequency_sentence, model_sentence, task_sentence

if TYPE_CHECKING:
    from interp.analysis.circuit import Circuit
    from interp.analysis.trajectory import Trajectory
    from interp.results import AuditReport

CURVE_POINTS = 101


def to_html(report: AuditReport) -> str:
    """The report as one HTML page of 5 to 8 MB, most of it Plotly's library.

    It fetches nothing, is legible from 390 pixels up, follows the reader's light or dark setting, and prints.
    Every figure has a caption in plain words; the main numbers are in tables too.

    Example:
        >>> from interp.audit import audit
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> page = to_html(audit(analytic_mlp("add", p=31), ModularTask("add", p=31), n_random=2))
        >>> page[:15], "Accuracy before and after" in page
        ('<!DOCTYPE html>', True)
    """
    step = "" if report.step is None else f", step {report.step}"
    header = (
        f'<p class="path"><code>{escape(report.checkpoint)}</code> ({escape(report.dialect)}{step})</p>\n'
        f"<p>{escape(task_sentence(report))}; {escape(model_sentence(report))}</p>"
    )
    return page("Grokscope report", report.checkpoint, header, _sections(report))


def _sections(report: AuditReport) -> Iterator[tuple[str, str, str]]:
    """Id, title and content of each section, in reading order."""
    yield "verdict", "Verdict", _verdict(report)
    if report.notes:
        read = f"<p>Dialect: {escape(report.dialect)}.</p>\n{bullets(report.notes)}"
        yield "reading", "How it was read", read
    yield "accuracy", "Accuracy before and after", _accuracy(report)
    yield "ipr", "How periodic the neurons are", _periodicity(report)
    yield "effect", "Periodicity against causal effect", _effect(report)
    yield "ablation", "Taking neurons out one after another", _ablation(report)
    yield "weights", "Single neurons", neurons_html(report.portraits)
    if report.circuit is not None:
        yield "computing", "How it computes", _computing(report, report.circuit)
    if len(report.history) > 1:
        figure = plots.training_curve(report.history)
        content = figure_block(
            "training", "Accuracy and loss over training", figure, captions.TRAINING_CAPTION
        )
        yield "training", "Training", content
    if report.trajectory is not None:
        yield "trajectory", "Over training", _trajectory(report, report.trajectory)
    shown = min(STRONGEST, len(report.table))
    caption = f"The {shown} strongest of {len(report.table)} neurons"
    yield "neurons", "The strongest neurons", data_table(caption, neuron_header(report), neuron_rows(report))
    content = data_table("Where these numbers come from", ("what", "value"), provenance(report))
    yield "provenance", "Provenance", content
    words = "".join(
        f"<div><dt>{prose(word)}</dt><dd>{prose(meaning)}</dd></div>" for word, meaning in WORDS.items()
    )
    yield "words", "Words", f'<dl class="words">{words}</dl>'


def _periodicity(report: AuditReport) -> str:
    column = periodicity_column(report.table)
    if column is None:
        return f"<p>{prose(captions.NO_PERIODICITY)}</p>"
    figure, ipr = plots.ipr_histogram(report.table, report.null_ipr), column == "ipr"
    caption = captions.IPR_CAPTION if ipr else captions.SHARE_CAPTION
    return figure_block("ipr", f"Histogram of {'IPR' if ipr else 'periodicity'} by label", figure, caption)


def _effect(report: AuditReport) -> str:
    if periodicity_column(report.table) is None:
        return f"<p>{prose(captions.NO_PERIODICITY)}</p>"
    measured = {"effect_test", "effect_corrupted_as_labelled"} <= set(report.table)
    caption = captions.EFFECT_CAPTION if measured else captions.RULE_EFFECT_CAPTION
    return figure_block(
        "effect", "Periodicity against causal effect", plots.neuron_scatter(report.table), caption
    )


def _computing(report: AuditReport, found: Circuit) -> str:
    table = report.table
    clusters = plots.frequency_clusters(found.neuron_frequencies, found.logit_frequencies, total=len(table))
    parts = [
        f"<p>{prose(captions.CIRCUIT_CAPTION)}</p>",
        data_table("Measures of the circuit", CIRCUIT_HEADER, circuit_rows(report)),
        figure_block("clusters", "Neurons by frequency", clusters, captions.CLUSTER_CAPTION),
    ]
    if {"activation_share", "activation_harmonics"} <= set(table):
        label = "A neuron's frequency against its harmonics"
        parts.append(figure_block("harmonics", label, plots.harmonics(table), captions.HARMONIC_CAPTION))
    return "\n".join(parts)


def _trajectory(report: AuditReport, found: Trajectory) -> str:
    figure = plots.trajectory_curves(found.records, [stage.to_dict() for stage in found.stages])
    caption = f"The {len(found.records)} checkpoints"
    table = data_table(caption, trajectory_header(report), trajectory_rows(report))
    return "\n".join(
        (
            bullets(stage_sentences(report)),
            figure_block("trajectory", "How the network developed", figure, captions.TRAJECTORY_CAPTION),
            f"<details><summary>{escape(caption)}</summary>{table}</details>",
        )
    )


def _verdict(report: AuditReport) -> str:
    chips = "".join(
        f'<li class="{label}"><strong>{count}</strong> {label}</li>'
        for label, count in report.table.counts().items()
        if label != "total"
    )
    parts = [
        f'<p class="phase">{escape((report.phase.name or "phase cannot be told").capitalize())}</p>',
        f'<ul class="chips" aria-label="Neurons by label">{chips}</ul>',
        bullets(report.verdict),
        f"<p>Key frequencies: {escape(frequency_sentence(report))}.</p>",
    ]
    if report.warnings:
        listed = f"<h3>Warnings</h3>{bullets(report.warnings)}"
        parts.append(f'<div class="warnings" role="note" aria-label="Warnings">{listed}</div>')
    return "\n".join(parts)


def _accuracy(report: AuditReport) -> str:
    without = ("memorizing", report.removals["memorizing"]), ("generalizing", report.removals["generalizing"])
    after = {f"without {label}": removal.after for label, removal in without}
    bars = plots.accuracy_bars(report.accuracy, after)
    parts = [
        figure_block(
            "accuracy", "Accuracy per kind of example, before and after", bars, captions.ACCURACY_CAPTION
        ),
        data_table("Accuracy before and after", ACCURACY_HEADER, accuracy_rows(report)),
    ]
    for label, removal in removals(report):
        caption = (
            f"Without the {removal.removed} {label} neurons, against {removal.n_draws} random sets as large"
        )
        table = data_table(caption, REMOVAL_HEADER, removal.rows())
        parts.append(f"<details><summary>{escape(caption)}</summary>{table}</details>")
    return "\n".join(parts)


def _ablation(report: AuditReport) -> str:
    parts = []
    for i, sweep in enumerate(report.curves):
        caption = captions.ABLATION_CAPTION.format(order=sweep.order, draws=sweep.n_random)
        figure = plots.ablation_curve(sweep.thinned(CURVE_POINTS))
        name = sweep.order[:1].upper() + sweep.order[1:]
        parts.append(f"<h3>{escape(name)}</h3>")
        parts.append(figure_block(f"ablation-{i}", f"Ablation curve, {sweep.order}", figure, caption))
    return "\n".join(parts)

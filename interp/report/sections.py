"""The sections of an audit report, described once; every form of the report is made from them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from interp import plots
from interp.analysis.coset_indicators import HEADER as COSETS_HEADER
from interp.data.splits import SPLITS
from interp.markup import UNKNOWN, number, percentage
from interp.measuring.band import INTERVAL
from interp.measuring.base_rate import RECALL_HEADER, BaseRate
from interp.measuring.evaluation import SplitValues
from interp.measuring.removals import REMOVAL_HEADER
from interp.measuring.traces import RANKS_HEADER
from interp.plots.neurons import periodicity_column
from interp.report import captions, component_captions
from interp.report.component_captions import caption
from interp.report.neurons import neurons_html
from interp.report.parts import (
    CONSOLE,
    FORMS,
    HTML,
    MARKDOWN,
    Bullets,
    Chart,
    Definitions,
    Markup,
    Part,
    Section,
    Table,
    Text,
)
from interp.report.tables import (
    CIRCUIT_HEADER,
    circuit_rows,
    component_table,
    provenance,
    stage_sentences,
    trajectory_table,
)
from interp.report.wording import components_sentence, glossary, in_words
from probes.labels import REMOVED

if TYPE_CHECKING:
    from interp.analysis.coset_indicators import CosetIndicators
    from interp.measuring.memory_set import MemorySet
    from interp.results import AuditReport

STRONGEST = 24
CURVE_POINTS = 101
NOT_TESTABLE = "not testable"
NO_CIRCUIT = (
    "Not measured, as the operation is no group's as it stands, or not all pairs are among the examples."
)
COSETS_BRIEF = (0, 2, 3, 5, 6)
"""Columns of cosets that a terminal shows."""


def sections(report: AuditReport) -> Iterator[Section]:
    """All sections but the verdict, in reading order; those that nothing is known of are left out."""
    if report.notes:
        dialect = Text(f"Dialect: {report.dialect}.")
        yield Section("reading", "How it was read", [dialect, Bullets(report.notes)], forms=FORMS)
    yield Section("accuracy", "Accuracy before and after", _accuracy(report), "Accuracy", FORMS)
    recall: list[Part] = [Text(_base_rate(report.base_rate)), _recall(report.base_rate)]
    yield Section("recall", "Right answers by class", recall, within="accuracy")
    parts = Text(parts_sentence(report), (MARKDOWN, CONSOLE))
    yield Section("labels", "Neurons", [_counts(report), parts], forms=(MARKDOWN, CONSOLE))
    yield Section("ipr", "How periodic the neurons are", [_periodicity(report)])
    yield Section("effect", "Periodicity against causal effect", [_effect(report)])
    yield Section("ablation", "Taking neurons out one after another", _ablation(report))
    yield Section("weights", "Single neurons", [Markup(partial(neurons_html, report.portraits))])
    if report.circuit is not None:
        yield Section("computing", "How it computes", _circuit(report), forms=FORMS)
    elif report.table.parts.known:
        yield Section("computing", "How it computes", [Text(NO_CIRCUIT)], forms=FORMS)
    if report.cosets is not None:
        yield Section("cosets", "Cosets of subgroups", _cosets(report.cosets), forms=FORMS)
    if len(report.history) > 1:
        draw, label = partial(plots.training_curve, report.history), "Accuracy and loss over training"
        yield Section("training", "Training", [Chart("training", label, draw, captions.TRAINING)])
    if report.trajectory is not None:
        yield Section("trajectory", "Over training", _trajectory(report), forms=FORMS)
    yield Section("neurons", "The strongest neurons", _strongest(report))
    for label in REMOVED:
        yield from _removal(report, label)
    if report.memory_set is not None:
        yield _memory_set(report.memory_set)
    if report.relearning is not None:
        learnt, curves = Text(report.relearning.sentence(), FORMS), report.relearning.plot
        chart = Chart(
            "relearning", "Labels answered while they are learnt again", curves, captions.RELEARNING
        )
        yield Section("relearning", "Are the memories gone?", [learnt, chart], forms=FORMS)
    sources = Table("Where these numbers come from", ("what", "value"), provenance(report))
    yield Section("provenance", "Provenance", [sources])
    yield Section("words", "Words", [Definitions(glossary(report.table.parts))])


def parts_sentence(report: AuditReport) -> str:
    """The key frequencies of the neurons in words, or the components of the group with their numbers of neurons."""
    if report.key_frequencies is not None:
        return f"Key frequencies: {in_words(report.key_frequencies)}."
    return components_sentence(report.table.meta["null"]["group"]["name"], report.components or ())


def accuracy_table(report: AuditReport) -> Table:
    """Accuracy per split of the whole network, and without the neurons of each of `REMOVED`."""
    states = {"before": report.accuracy, **_removed(report)}
    rows = [
        (SPLITS[split].title, *(percentage(state[split]) for state in states.values()))
        for split in report.accuracy
    ]
    header = ("examples", *states)
    most = 2 + len(REMOVED)  # columns of a terminal
    narrow = header[:most], [row[:most] for row in rows]
    return Table("Accuracy before and after", header, rows, "Accuracy", narrow)


def _accuracy(report: AuditReport) -> list[Part]:
    draw = partial(plots.accuracy_bars, report.accuracy, _removed(report))
    label = "Accuracy per kind of example, before and after"
    return [
        Chart("accuracy", label, draw, captions.ACCURACY),
        accuracy_table(report),
    ]


def _base_rate(rate: BaseRate) -> str:
    low, high = (percentage(end) for end in rate.interval)
    which = "held-out examples that did not leak" if rate.split == "test" else "examples"
    return (
        f"Of {rate.examples} {which}, {percentage(rate.accuracy)} are right (exact {INTERVAL} interval {low} to "
        f"{high}); the commonest class, {rate.commonest}, is {percentage(rate.base_rate)} of them (base rate; p = "
        f"{number(rate.p_value)}). Balanced accuracy, the mean recall of the classes: "
        f"{percentage(rate.balanced_accuracy)}."
    )


def _recall(rate: BaseRate) -> Table:
    rows = list(rate.rows())
    which = (
        f"the {len(rows)} lowest of {len(rate.recall)} classes"
        if len(rows) < len(rate.recall)
        else "by class"
    )
    return Table(f"Recall, {which}", RECALL_HEADER, rows, folded=True)


def _removed(report: AuditReport) -> dict[str, SplitValues]:
    removed = {f"without {label}": report.removals[label].after for label in REMOVED}
    if report.memory_set is not None:
        after = report.memory_set.crossfit.after
        removed["without memory set"] = SplitValues(**{split: after.get(split) for split in SPLITS})
    return removed


def _counts(report: AuditReport) -> Table:
    counts = report.table.counts()
    total = counts.pop("total")
    rows = [
        (label, NOT_TESTABLE, UNKNOWN)
        if n is None
        else (label, str(n), percentage(n / total if total else None))
        for label, n in counts.items()
    ]
    return Table("Neurons by label", ("label", "neurons", "share"), rows, "Neurons")


def _periodicity(report: AuditReport) -> Part:
    column = periodicity_column(report.table)
    if column is None:
        return Text(captions.NO_PERIODICITY, (HTML,))
    name, text = ("IPR", "IPR") if column == "ipr" else ("periodicity", "SHARE")
    draw = partial(plots.ipr_histogram, report.table, report.null_ipr)
    return Chart("ipr", f"Histogram of {name} by label", draw, caption(text, report.table.parts))


def _effect(report: AuditReport) -> Part:
    if periodicity_column(report.table) is None:
        return Text(captions.NO_PERIODICITY, (HTML,))
    measured = {"effect_test", "effect_corrupted_as_labelled"} <= set(report.table)
    draw = partial(plots.neuron_scatter, report.table)
    return Chart(
        "effect",
        "Periodicity against causal effect",
        draw,
        captions.EFFECT if measured else captions.RULE_EFFECT,
    )


def _ablation(report: AuditReport) -> list[Part]:
    return [
        Chart(
            f"ablation-{i}",
            f"Ablation curve, {curve.order}",
            partial(plots.ablation_curve, curve.thinned(CURVE_POINTS)),
            captions.ABLATION.format(order=curve.order, draws=curve.n_random, interval=INTERVAL),
            heading=curve.order[:1].upper() + curve.order[1:],
        )
        for i, curve in enumerate(report.curves)
    ]


def _circuit(report: AuditReport) -> list[Part]:
    circuit, table, rows = report.circuit, report.table, list(circuit_rows(report))
    assert circuit is not None
    frequencies = circuit.neuron_frequencies, circuit.logit_frequencies
    kind = table.parts
    clusters = partial(plots.frequency_clusters, *frequencies, total=len(table), parts=kind)
    brief = CIRCUIT_HEADER[:2], [row[:2] for row in rows]
    parts: list[Part] = [
        Text(caption("CIRCUIT", kind), (HTML,)),
        Table("Measures of the circuit", CIRCUIT_HEADER, rows, "How it computes", brief),
        Chart("clusters", f"Neurons by {kind.noun}", clusters, caption("CLUSTERS", kind)),
    ]
    if (shares := component_table(report)) is not None:
        parts.append(shares)
    if not kind.known and {"activation_share", "activation_harmonics"} <= set(table):
        label, draw = "A neuron's frequency against its harmonics", partial(plots.harmonics, table)
        parts.append(Chart("harmonics", label, draw, captions.HARMONICS))
    return parts


def _cosets(cosets: CosetIndicators) -> list[Part]:
    sentence = Text(cosets.sentence(), FORMS)
    if cosets.not_testable is not None:
        return [sentence]
    chart = Chart("cosets", "Neurons that are constant on cosets", cosets.plot, component_captions.COSETS)
    if not cosets.adds.any():
        return [sentence, chart]
    rows = list(islice(cosets.rows(), min(STRONGEST, int(cosets.adds.sum()))))
    few = [tuple(row[i] for i in COSETS_BRIEF) for row in (COSETS_HEADER, *rows[:8])]
    title = f"{len(rows)} of {len(cosets.neuron)} neurons that are constant on cosets beyond their component"
    return [
        sentence,
        chart,
        Table(title, COSETS_HEADER, rows, "Cosets of subgroups", (few[0], few[1:]), folded=True),
    ]


def _trajectory(report: AuditReport) -> list[Part]:
    trajectory = report.trajectory
    assert trajectory is not None
    chart = Chart(
        "trajectory", "How the network developed", trajectory.plot, caption("TRAJECTORY", report.table.parts)
    )
    return [Bullets(stage_sentences(report)), chart, trajectory_table(report)]


def _strongest(report: AuditReport) -> list[Part]:
    unit = Text("Effects are the mean margin lost without the neuron, in logit units.", (MARKDOWN,))
    title = f"The {min(STRONGEST, len(report.table))} strongest of {len(report.table)} neurons"
    return [unit, Table(title, report.table.strongest_header(), list(report.table.strongest(STRONGEST)))]


def _removal(report: AuditReport, label: str) -> Iterator[Section]:
    removal = report.removals[label]
    if not removal.removed:
        return
    title = f"Without the {removal.removed} {label} neurons"
    control = (
        f"Control: {removal.n_draws} random sets of the same size; {INTERVAL} of them lie in the interval."
    )
    caption = f"{title}, against {removal.n_draws} random sets as large"
    table = Table(caption, REMOVAL_HEADER, list(removal.rows()), folded=True)
    yield Section(f"without-{label}", title, [Text(control, (MARKDOWN,)), table], within="accuracy")
    if (checked := report.crossfits.get(label)) is not None:
        kept = "not known" if checked.effect_kept is None else percentage(checked.effect_kept)
        title = f"Without {checked.size:.0f} {label} neurons, on examples that did not label them"
        caption = f"{title} (effect kept: {kept})"
        table = Table(caption, REMOVAL_HEADER, list(checked.rows()), folded=True)
        yield Section(f"crossfit-{label}", title, [table], within="accuracy")
    if removal.ranks is not None:
        title = f"Ranks of wrong labels without the {removal.removed} {label} neurons"
        ranks = Table(title, RANKS_HEADER, list(removal.ranks.rows()), folded=True)
        yield Section(f"ranks-{label}", title, [ranks], within="accuracy")


def _memory_set(memory_set: MemorySet) -> Section:
    result = memory_set.crossfit
    title = f"Without a memory set of {result.size:.0f} neurons"
    caption = f"{title}, on examples that it was not chosen by, against {result.n_draws} random sets as large"
    table = Table(caption, REMOVAL_HEADER, list(result.rows()), folded=True)
    method = captions.MEMORY_SET.format(
        order=memory_set.order, n=memory_set.n_orders, p=number(memory_set.p_value)
    )
    return Section("memory-set", title, [Text(method, FORMS), table], within="accuracy")

"""Tables of a report: measures of the circuit, checkpoints with stages of learning, and provenance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from math import log
from typing import TYPE_CHECKING, Any

from interp.analysis.series_columns import SERIES_COLUMNS
from interp.markup import UNKNOWN, number, percentage
from interp.output import versions
from interp.report.parts import Row, Table
from interp.report.wording import group_sentence, in_words, model_sentence, parts_in_words, task_sentence

if TYPE_CHECKING:
    from interp.analysis.circuit import Circuit
    from interp.results import AuditReport

CIRCUIT_HEADER: Row = ("what", "value", "what it means")
COMPONENT_HEADER: Row = (
    "component",
    "size",
    "share of the logits",
    "q-value",
    "loss with it alone",
    "loss without it",
)
ALGORITHMS = {
    "clock": "multiplies waves of both operands, as one adds angles on a clock",
    "pizza": "adds waves of both operands first, then takes absolute values",
}
count = partial(number, digits=15)
SERIES: dict[str, tuple[tuple[str, ...], Callable[[Any], str]]] = {
    "step": (("step",), count),
    "train": (("accuracy", "train"), percentage),
    "test": (("accuracy", "test"), percentage),
    "corrupted": (("accuracy", "corrupted_as_labelled"), percentage),
    "all": (("accuracy", "all"), percentage),
    "periodicity": (("mean_score",), number),
    "generalizing": (("counts", "generalizing"), count),
    "memorizing": (("counts", "memorizing"), count),
    "restricted loss": (("restricted_loss",), number),
    "excluded loss": (("excluded_loss",), number),
    "logits explained": (("logit_variance_explained",), percentage),
    **{column.title: ((name,), number) for name, column in SERIES_COLUMNS.items()},
}
"""Columns of the table by title: where a record holds the value, and how it is shown."""
WIDE = (
    "restricted loss",
    "excluded loss",
    "logits explained",
    *(column.title for column in SERIES_COLUMNS.values()),
)
MOST, MOST_BRIEF = 40, 8


def circuit_rows(report: AuditReport) -> Iterator[Row]:
    """Measures of the circuit, in the order of `CIRCUIT_HEADER`; nothing if there is none."""
    circuit, p = report.circuit, report.task.get("p")
    if circuit is None:
        return
    if circuit.components is not None:
        yield from _of_components(circuit, report)
        return
    inputs = UNKNOWN if circuit.embedding_frequencies is None else in_words(circuit.embedding_frequencies)
    explained, total = percentage(circuit.logit_variance_explained), len(report.table)
    alone, harmonics = f"{circuit.clustered} of {total}", f"{circuit.clustered_with_harmonics} of {total}"
    chance = "" if p is None else f"; guessing gives {log(p):.2f}"
    trained = "training pairs" if report.task.get("split_known") else "all pairs"
    restricted, excluded = number(circuit.restricted_loss), number(circuit.excluded_loss)
    symmetricity, irrelevance = number(circuit.gradient_symmetricity), number(circuit.distance_irrelevance)
    yield "algorithm", *_algorithm(circuit)
    yield from (
        ("key frequencies of the logits", in_words(circuit.logit_frequencies),
         "waves in the answers; noise has some too"),
        ("logits explained by them", explained, "near 100 %: all answers are computed by these waves"),
        ("key frequencies of the inputs", inputs, "of the embedding or the first layer's weights"),
        ("neurons at one frequency", alone, "at least 85 % of the variance of their activations is there"),
        ("neurons with its harmonics", harmonics, "the same if multiples of the frequency count, as a ReLU makes them"),
        ("restricted loss", restricted, f"on all pairs with these waves only{chance}"),
        ("excluded loss", excluded, f"on {trained} without these waves; low: answered by other means"),
        ("Gini coefficient of the inputs", number(circuit.embedding_gini), "0: all frequencies alike, 1: only one"),
        ("Gini coefficient of the logits", number(circuit.logit_gini), "the same of the answers"),
        ("gradient symmetricity", symmetricity, "above 0.95 speaks for Pizza, below 0.8 for Clock"),
        ("distance irrelevance", irrelevance, "below 0.4 speaks for Pizza, above 0.6 for Clock"),
    )  # fmt: skip


def _of_components(circuit: Circuit, report: AuditReport) -> Iterator[Row]:
    parts, p = report.table.parts, report.task.get("p")
    logits = parts_in_words(circuit.logit_frequencies, parts)
    inputs = circuit.embedding_frequencies
    chance = "" if p is None else f"; guessing gives {log(p):.2f}"
    trained = "training pairs" if report.task.get("split_known") else "all pairs"
    if circuit.excluded_pairs is not None:
        trained = f"{circuit.excluded_pairs:,} {trained.removeprefix('all ')}"
    yield from (
        ("key components of the logits", logits, "components in the answers; noise has some too"),
        ("logits explained by them", percentage(circuit.logit_variance_explained),
         "near 100 %: all answers are sums of these components' characters of a b c⁻¹"),
        ("key components of the inputs", UNKNOWN if inputs is None else parts_in_words(inputs, parts),
         "of the embedding or the first layer's weights"),
        ("neurons in one component", f"{circuit.clustered} of {len(report.table)}",
         "at least 85 % of the variance of their activations over all pairs is there"),
        ("restricted loss", number(circuit.restricted_loss), f"on all pairs with these components only{chance}"),
        ("excluded loss", number(circuit.excluded_loss),
         f"on {trained} without these components; low: answered by other means"),
        ("Gini coefficient of the inputs", number(circuit.embedding_gini), "0: all components alike, 1: only one"),
        ("Gini coefficient of the logits", number(circuit.logit_gini), "the same of the answers"),
    )  # fmt: skip


def component_table(report: AuditReport) -> Table | None:
    """Measures of the logits by component, largest share first; None where they are of frequencies."""
    circuit = report.circuit
    if circuit is None or circuit.components is None:
        return None
    rows = [
        (
            report.table.parts.brief(part.number),
            str(part.size),
            percentage(part.share),
            number(part.q_value),
            number(part.restricted_loss),
            number(part.excluded_loss),
        )
        for part in sorted(circuit.components, key=lambda part: -part.share)[:MOST]
    ]
    some = f", the {MOST} largest" if len(circuit.components) > MOST else ""
    title = "Components of the logits"
    return Table(f"{title}{some}", COMPONENT_HEADER, rows, title, folded=True)


def _algorithm(circuit: Circuit) -> tuple[str, str]:
    if circuit.algorithm is not None:
        return circuit.algorithm.capitalize(), ALGORITHMS[circuit.algorithm]
    reason = "the last two rows disagree"
    if circuit.gradient_symmetricity is None:
        reason = "without token embeddings there is no gradient symmetricity"
    elif not circuit.learnt:
        reason = "less than half of the pairs are answered by the rule"
    return "Clock or Pizza: not decided", reason


def trajectory_table(report: AuditReport) -> Table:
    """One row a checkpoint, at most `MOST`, with those columns that anything is known of."""
    records = report.trajectory.records if report.trajectory else ()
    titles = [title for title in SERIES if any(_value(record, title) is not None for record in records)]
    if "test" in titles:
        titles.remove("all")
    brief = [title for title in titles if title not in WIDE]
    few = tuple(brief), list(trajectory_rows(records, brief, MOST_BRIEF))
    rows = list(trajectory_rows(records, titles, MOST))
    return Table(f"The {len(records)} checkpoints", tuple(titles), rows, "Checkpoints", few, folded=True)


def trajectory_rows(records: Sequence[Mapping[str, Any]], titles: Sequence[str], most: int) -> Iterator[Row]:
    """At most so many records, evenly spaced with the first and the last among them, as cells under the titles."""
    last = len(records) - 1
    for i in sorted({round(k * last / (most - 1)) for k in range(most)} if last >= most else range(last + 1)):
        yield tuple(SERIES[title][1](_value(records[i], title)) for title in titles)


def _value(record: Mapping[str, Any], title: str) -> Any:
    value: Any = record
    for key in SERIES[title][0]:
        value = None if value is None else value.get(key)
    return value


def stage_sentences(report: AuditReport) -> list[str]:
    """Each stage with the steps between which it ends and the numbers that show it; nothing without a trajectory."""
    if report.trajectory is None:
        return []
    records, stages = report.trajectory.records, report.trajectory.stages
    if not stages:
        return ["No stage of learning is seen between the first and the last checkpoint."]
    sentences = [
        f"{stage.name.capitalize()}, {_interval(stage.end.before, stage.end.after)}: {stage.reason}"
        for stage in stages
    ]
    if any(record["test_without_leakage"] != record["accuracy"]["test"] for record in records):
        sentences.append(
            "Held-out examples that are in effect trained on too are not counted in these stages."
        )
    return sentences


def _interval(before: int | None, after: int | None) -> str:
    if after is None:
        return f"not over at step {before}"
    return f"over by step {after}" if before is None else f"over between step {before} and {after}"


def provenance(report: AuditReport) -> list[tuple[str, str]]:
    """Where the report comes from and by which conventions: name and value."""
    meta = report.table.meta
    null = dict(meta.get("null") or {})
    group, components = null.pop("group", None), null.pop("components", ())
    ordering = str(meta.get("ordering") or "none known (natural order)")
    if group is not None:
        along = f", turns counted along element {', '.join(map(str, group['generators']))}"
        ordering = f"none: {len(components)} components{along if group['generators'] else ''}"
    return [
        ("checkpoint", report.checkpoint),
        ("dialect", report.dialect),
        ("step", UNKNOWN if report.step is None else str(report.step)),
        ("task", task_sentence(report)),
        ("network", model_sentence(report)),
        ("accuracy that the file records", stored_sentence(report)),
        ("neurons at", report.table.site_name),
        *([] if group is None else [("group", group_sentence(group))]),
        ("group ordering", ordering),
        *([] if group else [("Fourier convention", _settings(meta.get("convention")))]),
        ("criteria of the labels", _settings(meta.get("criteria"))),
        ("null distribution", _settings(null)),
        ("random draws per control", str(next(iter(report.removals.values())).n_draws)),
        ("made by", report.command or "a call from Python: interp.audit(…)"),
        ("versions", _settings(versions())),
    ]


def stored_sentence(report: AuditReport) -> str:
    """Accuracies that the file records of itself beside the measured ones; a dash if it records none."""
    shown = [
        f"{split} {percentage(value)} (measured: {percentage(report.accuracy[split])})"
        for split, value in report.stored.items()
    ]
    return ", ".join(shown) or UNKNOWN


def _settings(settings: Any) -> str:
    return ", ".join(f"{key} {_shown(value)}" for key, value in dict(settings or {}).items()) or UNKNOWN


def _shown(value: Any) -> str:
    if value is None or value == []:
        return UNKNOWN
    return number(value, 4) if isinstance(value, float) else str(value)

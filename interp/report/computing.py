"""How a network computes its answers and how it came to, as rows and sentences for every form of the report."""

from __future__ import annotations

from collections.abc import Iterator
from math import log
from typing import TYPE_CHECKING, Any

from interp.markup import UNKNOWN, number, percentage
from interp.report.wording import in_words

if TYPE_CHECKING:
    from interp.analysis.circuit import Circuit
    from interp.results import AuditReport

Row = tuple[str, ...]
CIRCUIT_HEADER: Row = ("what", "value", "what it means")
SERIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "step": ("step", ("step",)),
    "train": ("train", ("accuracy", "train")),
    "test": ("test", ("accuracy", "test")),
    "corrupted as labelled": ("corrupted", ("accuracy", "corrupted_as_labelled")),
    "all": ("all", ("accuracy", "all")),
    "periodicity": ("periodicity", ("mean_score",)),
    "generalizing": ("generalizing", ("counts", "generalizing")),
    "memorizing": ("memorizing", ("counts", "memorizing")),
    "restricted loss": ("restricted loss", ("restricted_loss",)),
    "excluded loss": ("excluded loss", ("excluded_loss",)),
    "explained": ("logits explained", ("logit_variance_explained",)),
}
"""Columns of the table over training: title, and where a record holds the value."""
SHARES = ("train", "test", "corrupted as labelled", "all", "explained")
ON_CONSOLE = (
    "step",
    "train",
    "test",
    "corrupted as labelled",
    "all",
    "periodicity",
    "generalizing",
    "memorizing",
)


def circuit_rows(report: AuditReport) -> Iterator[Row]:
    """What was measured of the circuit, in the order of `CIRCUIT_HEADER`; nothing if there is none."""
    found = report.circuit
    if found is None:
        return
    yield "algorithm", *_algorithm(found)
    yield (
        "key frequencies of the logits",
        in_words(found.logit_frequencies),
        "waves in the answers; noise has some too",
    )
    yield (
        "logits explained by them",
        percentage(found.logit_variance_explained),
        "near 100 %: all answers are computed by these waves",
    )
    inputs = UNKNOWN if found.embedding_frequencies is None else in_words(found.embedding_frequencies)
    yield "key frequencies of the inputs", inputs, "of the embedding or the first layer's weights"
    yield (
        "neurons at one frequency",
        f"{found.clustered} of {len(report.table)}",
        "at least 85 % of the variance of their activations is there",
    )
    yield (
        "neurons with its harmonics",
        f"{found.clustered_with_harmonics} of {len(report.table)}",
        "the same if multiples of the frequency count, as a ReLU makes them",
    )
    p = report.task.get("p")
    chance = "" if p is None else f"; guessing gives {log(p):.2f}"
    yield "restricted loss", number(found.restricted_loss), f"on all pairs with these waves only{chance}"
    trained = "training pairs" if report.task.get("split_known") else "all pairs"
    yield (
        "excluded loss",
        number(found.excluded_loss),
        f"on {trained} without these waves; low: answered by other means",
    )
    yield (
        "Gini coefficient of the inputs",
        number(found.embedding_gini),
        "0: all frequencies alike, 1: only one",
    )
    yield "Gini coefficient of the logits", number(found.logit_gini), "the same of the answers"
    yield (
        "gradient symmetricity",
        number(found.gradient_symmetricity),
        "above 0.95 speaks for Pizza, below 0.8 for Clock",
    )
    yield (
        "distance irrelevance",
        number(found.distance_irrelevance),
        "below 0.4 speaks for Pizza, above 0.6 for Clock",
    )


def _algorithm(found: Circuit) -> tuple[str, str]:
    """Its name, and what that means."""
    meaning = {
        "clock": "multiplies waves of both operands, as one adds angles on a clock",
        "pizza": "adds waves of both operands first, then takes absolute values",
    }
    if found.algorithm is not None:
        return found.algorithm.capitalize(), meaning[found.algorithm]
    missing = found.gradient_symmetricity is None
    why = (
        "without token embeddings there is no gradient symmetricity"
        if missing
        else "less than half of the pairs are answered by the rule"
        if not found.learnt
        else "the last two rows disagree"
    )
    return "Clock or Pizza: not decided", why


def trajectory_header(report: AuditReport, *, console: bool = False) -> Row:
    """Titles of those columns that anything is known of."""
    return tuple(SERIES[name][0] for name in _columns(report, console))


def trajectory_rows(report: AuditReport, *, most: int = 40, console: bool = False) -> Iterator[Row]:
    """One row a checkpoint, at most so many, the first and the last among them; nothing without a trajectory."""
    found = report.trajectory
    records = () if found is None else found.records
    columns, last = _columns(report, console), len(records) - 1
    for i in sorted({round(k * last / (most - 1)) for k in range(most)} if last >= most else range(last + 1)):
        yield tuple(_cell(records[i], name) for name in columns)


def _columns(report: AuditReport, console: bool) -> list[str]:
    found = report.trajectory
    records = () if found is None else found.records
    names = [name for name in SERIES if any(_value(record, name) is not None for record in records)]
    if "test" in names:
        names.remove("all")
    return [name for name in names if name in ON_CONSOLE] if console else names


def _value(record: dict[str, Any], name: str) -> Any:
    value: Any = record
    for key in SERIES[name][1]:
        value = None if value is None else value.get(key)
    return value


def _cell(record: dict[str, Any], name: str) -> str:
    value = _value(record, name)
    if name in SHARES:
        return percentage(value)
    return number(value) if isinstance(value, float) else UNKNOWN if value is None else str(value)


def stage_sentences(report: AuditReport) -> list[str]:
    """Each stage with the steps between which it ends and the numbers that show it; nothing without a trajectory."""
    if report.trajectory is None:
        return []
    if not report.trajectory.stages:
        return ["No stage of learning is seen between the first and the last checkpoint."]
    found = [
        f"{stage.name.capitalize()}, {_interval(stage.end.before, stage.end.after)}: {stage.reason}"
        for stage in report.trajectory.stages
    ]
    if any(
        record["test_without_leakage"] != record["accuracy"]["test"] for record in report.trajectory.records
    ):
        found.append("Held-out examples that are in effect trained on too are not counted in these stages.")
    return found


def _interval(before: int | None, after: int | None) -> str:
    if after is None:
        return f"not over at step {before}"
    return f"over by step {after}" if before is None else f"over between step {before} and {after}"


def stored_sentence(report: AuditReport) -> str:
    """Accuracies that the file records of itself beside the measured ones; a dash if it records none."""
    shown = [
        f"{split} {percentage(value)} (measured: {percentage(report.accuracy[split])})"
        for split, value in report.stored.items()
    ]
    return ", ".join(shown) or UNKNOWN

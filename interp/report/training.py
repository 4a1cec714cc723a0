"""The development of a network over its checkpoints, as a table and in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from interp.markup import number, percentage
from interp.report.parts import Row, Table

if TYPE_CHECKING:
    from interp.results import AuditReport

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
}
"""Columns of the table by title: where a record holds the value, and how it is shown."""
WIDE = ("restricted loss", "excluded loss", "logits explained")
"""Columns that a terminal has no room for."""
MOST, MOST_BRIEF = 40, 8
"""Rows of the table, and of that of a terminal."""


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

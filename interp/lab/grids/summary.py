"""A grid in a few lines: one for each combination of settings, over its seeds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from interp.lab.grids.table import axes_of
from interp.lab.over_seeds import OverSeeds
from interp.plots.canvas import shown

SHOWN = ("train", "test", "corrupted_as_labelled", "corrupted_as_true")


@dataclass(frozen=True)
class Line:
    """The runs that only their seed tells apart.

    Attributes:
        name: The variant and the values of the axes.
        runs: How many there are.
        phases: How many ended in each phase, the commonest first.
        accuracy: By split of `SHOWN`; None for a split without examples.
        expected: How many ended in a phase that the grid expects; None if it expects none.
    """

    name: str
    runs: int
    phases: dict[str, int]
    accuracy: dict[str, OverSeeds | None]
    expected: int | None


def summarise(table: pa.Table) -> list[Line]:
    """One line for each combination of settings of a table of runs, in its order.

    Example:
        >>> row = {"variant": "", "weight_decay": 0.0, "seed": 0, "phase": "memorisation"}
        >>> row |= {"expected": True, **{f"accuracy_{split}": 1.0 for split in SHOWN}}
        >>> line = summarise(pa.Table.from_pylist([row, row | {"seed": 1, "phase": None, "expected": False}]))[0]
        >>> line.phases, line.expected
        ({'memorisation': 1, 'failed': 1}, 1)
    """
    if not len(table):
        return []
    axes, groups = axes_of(table), dict[tuple[Any, ...], list[dict[str, Any]]]()
    for row in table.to_pylist():
        groups.setdefault(tuple(row[axis] for axis in axes), []).append(row)
    return [_line(key, axes, rows) for key, rows in groups.items()]


def _line(key: tuple[Any, ...], axes: list[str], rows: list[dict[str, Any]]) -> Line:
    values = {axis: shown(value) for axis, value in zip(axes, key, strict=True) if value is not None}
    variant = values.pop("variant", "")
    parts = [variant] * bool(variant) + [f"{axis} {value}" for axis, value in values.items()]
    accuracy: dict[str, OverSeeds | None] = {}
    for split in SHOWN:
        known = [row[f"accuracy_{split}"] for row in rows if row[f"accuracy_{split}"] is not None]
        accuracy[split] = OverSeeds.of(known) if known else None
    expected = [bool(row["expected"]) for row in rows if row["expected"] is not None]
    phases = dict(Counter(row["phase"] or "failed" for row in rows).most_common())
    return Line(", ".join(parts) or "all", len(rows), phases, accuracy, sum(expected) if expected else None)

"""Figures of a grid's runs: phases against settings, and what their networks show when they are measured again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from interp import plots
from interp.errors import ConfigError, near_matches
from interp.plots.canvas import shown

WAYS = {"corrupted": "phase", "table": "phase_by_table"}
"""What a phase is decided by, and the column that has it."""
PREFERRED = ("train_fraction", "corrupt_fraction", "weight_decay")


def axes_of(table: pa.Table) -> list[str]:
    """In what runs of a table differ, the seed left out: the axes of the paper's diagrams first, ``variant`` last."""
    names = table.column_names
    axes = [*names[names.index("variant") + 1 : names.index("phase")], "variant"]
    varying = [axis for axis in axes if axis != "seed" and len(table[axis].unique()) > 1]
    return sorted(varying, key=lambda axis: PREFERRED.index(axis) if axis in PREFERRED else len(PREFERRED))


def phase_diagram(
    table: pa.Table,
    *,
    x: str | None = None,
    y: str | None = None,
    facet: str | None = None,
    by: str = "corrupted",
    title: str = "",
) -> Any:
    """In which phase runs end, against two of their settings, as a Plotly figure.

    Args:
        table: From `interp.lab.grids.table.read_runs`.
        x: The horizontal axis; the first of `axes_of` if None.
        y: The vertical axis; the second.
        facet: One panel for each value; the third, if there is one.
        by: ``"corrupted"``: decided by the accuracy on the corrupted examples; ``"table"``: by the paper's table (arXiv
            2310.13061, App. C), which breaks at small corrupted fractions.
        title: Of the figure.

    Raises:
        ConfigError: The runs do not differ in two settings, or one is unknown.
    """
    if by not in WAYS:
        raise ConfigError(f"by={by!r} is unknown; {near_matches(by, WAYS)}")
    known = axes_of(table)
    for axis in (x, y, facet):
        if axis is not None and axis not in known:
            raise ConfigError(f"the runs do not differ in {axis!r}; {near_matches(axis, known)}")
    left = [axis for axis in known if axis not in (x, y, facet)]
    x, y = (axis or (left.pop(0) if left else None) for axis in (x, y))
    if x is None or y is None:
        raise ConfigError(
            f"a phase diagram needs runs that differ in two settings; these differ in {', '.join(known) or 'none'}"
        )
    facet = facet or (left.pop(0) if left else None)
    if left:
        raise ConfigError(
            f"the runs differ in {', '.join(left)} too; a diagram shows two settings and one for its panels"
        )
    cells: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        key = tuple(row[axis] for axis in (x, y, facet) if axis)
        cells.setdefault(key, []).append(row)
    axes = [axis for axis in (x, y, facet) if axis]
    drawn = [
        {**dict(zip(axes, key, strict=True)), **_cell(rows, axes, WAYS[by])} for key, rows in cells.items()
    ]
    return plots.phase_diagram(drawn, x=x, y=y, facet=facet, title=title)


def _cell(rows: Sequence[dict[str, Any]], axes: Sequence[str], column: str) -> dict[str, Any]:
    """The phases of one cell, one a seed, and what hovering over it says."""
    lines = ["  ".join(f"{axis} {shown(rows[0][axis])}" for axis in axes)]
    for row in rows:
        seed = f"seed {row['seed']}: " if row.get("seed") is not None else ""
        measured = [
            f"{name} {100 * row[f'accuracy_{split}']:.1f} %"
            for name, split in (("train", "train"), ("test", "test"), ("corrupted", "corrupted_as_labelled"))
            if row[f"accuracy_{split}"] is not None
        ]
        ended = (
            f"{row[column]} at step {row['step']} ({', '.join(measured)})" if row[column] else row["error"]
        )
        lines.append(f"{seed}{ended}")
    return {"phases": [row[column] or "failed" for row in rows], "note": "<br>".join(lines)}

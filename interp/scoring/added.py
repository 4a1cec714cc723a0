"""Columns of scores that other packages add."""

from __future__ import annotations

import numpy as np

from interp.data import Task
from interp.measuring.cached_pass import CachedPass
from probes.columns import SCORES


def added_columns(cached: CachedPass, task: Task, width: int) -> tuple[dict[str, np.ndarray], list[str]]:
    """Columns of the scores of `probes.columns.SCORES`, and a sentence for each score that fails.

    Such a score is left out of this table; it never stops the others.
    """
    columns: dict[str, np.ndarray] = {}
    failures = []
    for name, score in SCORES.items():
        try:
            values = {column: np.asarray(value) for column, value in score.measure(cached, task).items()}
            fault = _fault(values, list(score.columns), width)
        except (
            Exception
        ) as error:  # of another package, which may raise anything; it is named in the table's notes
            values, fault = {}, f"{type(error).__name__}: {error}"
        if fault:
            failures.append(f"The score {name!r}, of another package, is left out: {fault}.")
        else:
            columns |= values
    return columns, failures


def _fault(values: dict[str, np.ndarray], names: list[str], width: int) -> str:
    """The first way in which values are not those of the score's columns; empty if they are."""
    if sorted(values) != sorted(names):
        return f"it gives the columns {sorted(values)}, and declares {sorted(names)}"
    shapes = [value.shape for value in values.values() if value.shape != (width,)]
    return f"it gives {shapes[0]} values for {width} neurons" if shapes else ""

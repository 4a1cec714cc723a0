"""Neurons as a person chooses them on the page: by lasso, label, frequency, score, number or the table's filters."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from interp.errors import InterventionError, choose, near_matches
from interp.explorer.edits import indices_of
from interp.explorer.rows import columns_of
from interp.scoring.table import NeuronTable
from probes.labels import LABELS

COMBINE = ("replace", "add", "remove")
SIDES = ("below", "above")


def by_lasso(selected: Any, width: int) -> list[int]:
    """The neurons of the points that a lasso caught, as the figure reports them.

    Raises:
        InterventionError: The report is malformed.
    """
    try:
        numbers = [point["customdata"][0] for point in selected["points"]]
    except (TypeError, KeyError, IndexError):
        raise InterventionError("the selection is malformed; draw it again") from None
    if any(type(number) is not int for number in numbers):
        raise InterventionError("the selection names no neurons; draw it again")
    return list(indices_of(sorted(set(numbers)), width))


def by_label(table: NeuronTable, label: Any) -> list[int]:
    """All neurons with a label.

    Raises:
        InterventionError: There is no such label.
    """
    if label not in list(LABELS):
        raise InterventionError(f"there is no label {str(label)[:40]!r}; expected one of {', '.join(LABELS)}")
    return table.where(label=str(label)).neuron.tolist()


def by_frequency(table: NeuronTable, frequency: Any) -> list[int]:
    """All neurons whose strongest frequency this is, whatever their label.

    Raises:
        InterventionError: It is no frequency.
    """
    if type(frequency) is not int:
        raise InterventionError(f"{str(frequency)[:40]!r} is no frequency; expected a whole number of cycles")
    return table.where(table["frequency"] == frequency).neuron.tolist()


def by_score(table: NeuronTable, column: Any, side: Any, threshold: Any) -> list[int]:
    """All neurons with a score below or above a number; those without the score are neither.

    Raises:
        InterventionError: There is no such column, or no number.
    """
    numeric = [name for name in columns_of(table) if table[name].dtype.kind == "f"]
    if column not in numeric:
        raise InterventionError(
            f"cannot choose by {str(column)[:40]!r}; {near_matches(str(column), numeric)}"
        )
    choose("side", side, SIDES)
    try:
        limit = float(threshold)
    except (TypeError, ValueError, OverflowError):
        limit = math.nan
    if math.isnan(limit):
        raise InterventionError(f"{str(threshold)[:40]!r} is no number to compare {column} with")
    values = table[column].astype(float)
    return table.where(values < limit if side == "below" else values > limit).neuron.tolist()


def by_number(text: Any, width: int) -> list[int]:
    """Neurons from a list such as ``3, 10-20``.

    Raises:
        InterventionError: It is no such list, or a neuron does not exist.

    Example:
        >>> by_number("3, 5-7", 10)
        [3, 5, 6, 7]
    """
    parts = [part for part in re.split(r"[,;\s]+", str("" if text is None else text).strip()) if part]
    numbers: set[int] = set()
    for part in parts:
        match = re.fullmatch(r"(\d{1,9})(?:[-–](\d{1,9}))?", part)
        low, high = (1, 0) if match is None else (int(match[1]), int(match[2] or match[1]))
        if low > high:
            raise InterventionError(f"{part[:40]!r} is no neuron; write numbers and ranges such as 3, 10-20")
        if high >= width:
            raise InterventionError(f"neuron {high} does not exist; the site has neurons 0 to {width - 1}")
        numbers.update(range(low, high + 1))
    return sorted(numbers)


def combined(before: Sequence[int], new: Sequence[int], how: Any) -> list[int]:
    """A choice and the one before it as one: the new one alone, both, or the old one without the new.

    Raises:
        ConfigError: It is none of these ways.

    Example:
        >>> combined([1, 2], [2, 3], "add"), combined([1, 2], [2, 3], "remove")
        ([1, 2, 3], [1])
    """
    choose("way to combine", how, COMBINE)
    if how == "replace":
        return sorted(set(new))
    return sorted(set(before) | set(new)) if how == "add" else sorted(set(before) - set(new))

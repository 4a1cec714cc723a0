"""Choices of neurons from values as the page sent them; an `InterventionError` where these cannot be used."""

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
    """The neurons of the points that a lasso caught, as the figure reports them."""
    try:
        numbers = [point["customdata"][0] for point in selected["points"]]
    except (TypeError, KeyError, IndexError):
        raise InterventionError("the selection is malformed; draw it again") from None
    if any(type(number) is not int for number in numbers):
        raise InterventionError("the selection names no neurons; draw it again")
    return list(indices_of(sorted(set(numbers)), width))


def by_label(table: NeuronTable, label: Any) -> list[int]:
    """All neurons with a label."""
    if not isinstance(label, str) or label not in LABELS:
        raise InterventionError(f"there is no label {str(label)[:40]!r}; expected one of {', '.join(LABELS)}")
    return table.where(label=label).neuron.tolist()


def by_frequency(table: NeuronTable, frequency: Any) -> list[int]:
    """All neurons whose strongest frequency or component this is, by its number, whatever their label."""
    if type(frequency) is not int:
        number = "the number of one" if table.parts.known else "a whole number of cycles"
        raise InterventionError(f"{str(frequency)[:40]!r} is no {table.parts.noun}; expected {number}")
    return table.where(table["frequency"] == frequency).neuron.tolist()


def score_columns(table: NeuronTable) -> dict[str, str]:
    """The columns that neurons can be chosen by, with their headings."""
    return {name: title for name, title in columns_of(table).items() if table[name].dtype.kind == "f"}


def by_score(table: NeuronTable, column: Any, side: Any, threshold: Any) -> list[int]:
    """All neurons with a score below or above a number; those without the score are neither."""
    names = list(score_columns(table))
    if column not in names:
        raise InterventionError(f"cannot choose by {str(column)[:40]!r}; {near_matches(str(column), names)}")
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

    Example:
        >>> by_number("3, 5-7", 10)
        [3, 5, 6, 7]
    """
    numbers: set[int] = set()
    for part in re.split(r"[,;\s]+", str("" if text is None else text)):
        match = re.fullmatch(r"(\d{1,9})(?:[-–](\d{1,9}))?", part)
        low, high = (1, 0) if match is None else (int(match[1]), int(match[2] or match[1]))
        if part and low > high:
            raise InterventionError(f"{part[:40]!r} is no neuron; write numbers and ranges such as 3, 10-20")
        if high >= width:
            raise InterventionError(f"neuron {high} does not exist; the site has neurons 0 to {width - 1}")
        numbers.update(range(low, high + 1))
    return sorted(numbers)


def combined(before: Sequence[int], new: Sequence[int], how: Any) -> list[int]:
    """A choice and the one before it as one: the new one alone, both, or the old one without the new.

    Example:
        >>> combined([1, 2], [2, 3], "add"), combined([1, 2], [2, 3], "remove")
        ([1, 2, 3], [1])
    """
    choose("way to combine", how, COMBINE)
    if how == "replace":
        return sorted(set(new))
    return sorted(set(before) | set(new) if how == "add" else set(before) - set(new))

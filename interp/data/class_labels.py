"""Labels that are no classes from 0: negative ones, texts, and classes that are numbered from 1."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np
from jaxtyping import Int

from interp.errors import ConfigError


class LabelsError(ConfigError):
    """Labels of a table that are no classes from 0, with what would make them so."""


IGNORED = -100  # what PyTorch leaves out of a loss
LISTED = 4  # texts that are numbered in a message


def advice_on_range(
    values: np.ndarray, limit: int, results: Int[np.ndarray, " example"] | None = None
) -> str:
    """The range of labels that are no classes from 0 to below the limit, and what would make them so, in words.

    Args:
        values: Whole numbers.
        results: Of the task's operation, where there is one.

    Example:
        >>> advice_on_range(np.array([1, 2, 3]), 3, np.array([0, 1, 1]))
        '. Labels run from 1 to 3; minus 1 they are classes from 0 to 2, and the results in 66.7 % of the rows'
    """
    low, high = int(values.min()), int(values.max())
    if IGNORED in values:
        return f". Labels run from {low} to {high}; {IGNORED} is what PyTorch leaves out of a loss: drop these rows"
    words = f". Labels run from {low} to {high}"
    if low == 0 or high - low >= limit:
        return words
    change = f"plus {-low}" if low < 0 else f"minus {low}"
    words = f"{words}; {change} they are classes from 0 to {high - low}"
    if results is not None:
        share = float((values - low == results).mean())
        words = f"{words}, and the results in {100 * share:.1f} % of the rows"
    if low == -1:
        words = f"{words}; drop the rows instead if -1 means that they have no label"
    return words


def advice_on_texts(values: Iterable[object]) -> str:
    """Numbers that texts could stand for, in words.

    Example:
        >>> advice_on_texts(["dog", "cat", "dog"])
        ". Classes are numbers from 0, in the order of the training; in alphabetical order 'cat' is 0, 'dog' 1"
    """
    texts = sorted({str(value) for value in values})
    first, *others = islice(((f"{text[:20]!r}", number) for number, text in enumerate(texts)), LISTED)
    listed = ", ".join([f"{first[0]} is {first[1]}", *(f"{text} {number}" for text, number in others)])
    more = f" and so on to {len(texts) - 1}" if len(texts) > LISTED else ""
    order = "in the order of the training; in alphabetical order"
    return f". Classes are numbers from 0, {order} {listed}{more}"


def renumbered(*columns: np.ndarray) -> list[Int[np.ndarray, " example"]]:
    """Labels as classes from 0: texts in alphabetical order, whole numbers minus the smallest, over all columns alike.

    Raises:
        LabelsError: They are neither, or some of the numbers mean that an example has no label.

    Example:
        >>> [classes.tolist() for classes in renumbered(np.array([-1, 1]), np.array([0, 1]))]
        [[0, 2], [1, 2]]
    """
    whole = all(column.dtype.kind in "iu" for column in columns)
    values = np.concatenate([column if whole else column.astype(str) for column in columns])
    if (whole and IGNORED in values) or any(column.dtype.kind not in "iuOSU" for column in columns):
        raise LabelsError("the labels are neither texts nor whole numbers of classes")
    classes = values - values.min() if whole else np.unique(values, return_inverse=True)[1]
    return np.split(classes.astype(np.int64), np.cumsum([len(column) for column in columns])[:-1])

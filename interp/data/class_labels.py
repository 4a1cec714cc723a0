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
LISTED = 4  # texts or classes that are listed in a message
CLEARLY = 0.1
"""By how much more labels must equal results under another numbering than as they are, to be numbered differently."""
MOST = 0.5
"""Share, above chance, of the rows that another numbering must explain."""
FEWEST = 8  # rows from which a numbering is known
DISTINCT = 0.75  # share of the results that have a label of their own in another numbering


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


def other_numbering(labels: Int[np.ndarray, " example"], results: Int[np.ndarray, " example"]) -> str | None:
    """The numbering by which labels equal the results far more often than as they are, in words; None of others.

    A result's number is the label that it has in most rows: looked up in half of the rows of each result, and counted
    in the other half, so that labels redrawn at random are no numbering of their own.

    Example:
        >>> other_numbering(np.arange(1, 13), np.arange(12))
        'minus 1 the labels equal them in 100.0 % of the rows instead of 0.0 %'
        >>> other_numbering(np.arange(12), np.arange(12))
    """
    same, n = float((labels == results).mean()) if len(labels) else 1.0, len(labels)
    if n < FEWEST or same > 1 - CLEARLY:
        return None
    differences, counts = np.unique(labels - results, return_counts=True)
    by, shifted = int(differences[counts.argmax()]), float(counts.max()) / n
    words, share = f"{'minus' if by > 0 else 'plus'} {abs(by)} the labels equal them", shifted
    order, renamed = np.argsort(results, kind="stable"), 0.0
    for known, asked in ((order[::2], order[1::2]), (order[1::2], order[::2])):
        meant = _commonest(results[known], labels[known])
        expected = np.array([meant.get(result, -1) for result in results[asked].tolist()])
        distinct = len(set(meant.values())) > DISTINCT * len(
            meant
        )  # else labels are fewer classes, not other numbers
        renamed += distinct * float((expected == labels[asked]).sum()) / n
    if by == 0 or renamed > shifted + CLEARLY:
        listed = ", ".join(f"{label} for {result}" for result, label in islice(sorted(meant.items()), LISTED))
        words, share = f"with other numbers ({listed}, ...) the labels are the same classes", renamed
    chance = 1 / len(np.unique(results))
    if share < same + CLEARLY or share - chance < MOST * (1 - chance):
        return None
    return f"{words} in {100 * share:.1f} % of the rows instead of {100 * same:.1f} %"


def _commonest(results: Int[np.ndarray, " example"], labels: Int[np.ndarray, " example"]) -> dict[int, int]:
    """The commonest label of each result."""
    pairs, counts = np.unique(np.stack([results, labels]), axis=1, return_counts=True)
    ascending = np.argsort(counts, kind="stable")
    return dict(zip(pairs[0][ascending].tolist(), pairs[1][ascending].tolist(), strict=True))

"""Separability of classes in activations: the generalised discrimination value, and its value for shuffled classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

COVERED = 0.95
"""Share of the draws that the interval of a null holds."""
FEWEST = 2
"""Examples of a class, below which it has no distance within."""


@dataclass(frozen=True)
class ClassSeparability:
    """The generalised discrimination value of some activations, beside that of permuted classes.

    Attributes:
        value: 0: classes are not separated; below: they are, down to about -1. nan where it is not defined.
        low, high: Ends of the interval that holds `COVERED` of the values of permuted classes; nan without draws.
        p_value: Share of those at most as high, of the draws and the value itself; nan without draws.
        draws: Value of each permutation.
        n_examples: Of classes with two examples or more; the others are left out.
        n_classes: As many as have two examples or more.
        n_silent: Dimensions that are the same for all examples, which are left out.
    """

    value: float
    low: float
    high: float
    p_value: float
    draws: Float[np.ndarray, " draw"]
    n_examples: int
    n_classes: int
    n_silent: int


def discrimination_value(
    activations: Float[np.ndarray, "example neuron"], classes: Int[np.ndarray, " example"]
) -> float:
    """The generalised discrimination value of Schilling and others (arXiv 1811.01753; Neural Networks 139, 2021).

    Each dimension is standardised and halved; the value is the mean distance within classes less the mean distance
    between classes, over the root of the number of dimensions. Each class, and each pair of classes, counts alike.

    It depends on which dimensions there are: a set of neurons has to be compared with random sets of its size. Every
    dimension counts alike, however quiet it is. Where examples are related other than by their class (as pairs of
    operands are), 0 is not what a network without any training gives: compare with permuted operands.

    Args:
        activations: Dimensions that are the same for all examples have no part; at least one differs.
        classes: Whole numbers; classes of a single example have no part.

    Returns:
        0 for no separation, below for more of it, and nan where fewer than two classes have two examples, or no
        dimension differs.

    Raises:
        ValueError: There are other numbers of classes than of examples, or activations are no numbers.

    Example:
        >>> classes = np.repeat(np.arange(3), 20)
        >>> corners = 4 * np.eye(3)[classes] + 0.1 * np.random.default_rng(0).normal(size=(60, 3))
        >>> round(discrimination_value(corners, classes), 1)
        -0.8
    """
    return class_separability(activations, classes).value


def class_separability(
    activations: Float[np.ndarray, "example neuron"],
    classes: Int[np.ndarray, " example"],
    permuted: Int[np.ndarray, "draw example"] | None = None,
) -> ClassSeparability:
    """The value of `discrimination_value` with the same for permuted classes, from one matrix of distances.

    Takes memory for two matrices of examples by examples.

    Args:
        activations: See `discrimination_value`.
        classes: The same.
        permuted: The examples' classes in each draw of the null; see `shuffled` and `permuted_operands`.

    Raises:
        ValueError: See `discrimination_value`.

    Example:
        >>> numbers = np.random.default_rng(0)
        >>> classes = numbers.integers(3, size=90)
        >>> noise = class_separability(numbers.normal(size=(90, 5)), classes, shuffled(classes, 99, numbers))
        >>> noise.p_value > 0.05, noise.low < 0 < noise.high
        (True, True)
    """
    if len(activations) != len(classes):
        raise ValueError(f"{len(classes)} classes for {len(activations)} examples; expected one for each")
    if not np.isfinite(activations).all():
        raise ValueError("the activations hold NaN or infinity")
    draws = np.empty((0, len(classes)), dtype=np.int64) if permuted is None else permuted
    _, number, sizes = np.unique(classes, return_inverse=True, return_counts=True)
    kept = sizes[number] >= FEWEST
    standard, silent = standardised(activations[kept]) if kept.any() else (np.empty((0, 0)), 0)
    n, enough = int((sizes[sizes >= FEWEST]).sum()), int((sizes >= FEWEST).sum())
    if enough < 2 or not standard.shape[1]:
        unknown = np.full(len(draws), np.nan)
        return ClassSeparability(np.nan, np.nan, np.nan, np.nan, unknown, n, enough, silent)
    values = contrasts(distances(standard), np.vstack([classes[None, kept], draws[:, kept]]))
    value, null = float(values[0]), values[1:]
    if not len(null):
        return ClassSeparability(value, np.nan, np.nan, np.nan, null, n, enough, silent)
    low, high = np.quantile(null, [(1 - COVERED) / 2, (1 + COVERED) / 2])
    p_value = (1 + int((null <= value).sum())) / (1 + len(null))
    return ClassSeparability(value, float(low), float(high), float(p_value), null, n, enough, silent)


def standardised(
    activations: Float[np.ndarray, "example neuron"],
) -> tuple[Float[np.ndarray, "example live"], int]:
    """Dimensions with mean 0 and standard deviation 1/2, and how many never differ, which are left out.

    A difference that is no more than the rounding of the numbers' own precision is none.
    """
    eps = np.finfo(activations.dtype).eps
    exact = activations.astype(np.float64)
    spread, largest = exact.std(0), np.abs(exact).max(0, initial=0.0)
    live = spread > 8 * eps * largest
    return 0.5 * (exact[:, live] - exact[:, live].mean(0)) / spread[live], int((~live).sum())


def distances(points: Float[np.ndarray, "example live"]) -> Float[np.ndarray, "example example"]:
    """Euclidean distances between points over the root of the number of dimensions, by one matrix product."""
    norms = np.einsum("ij,ij->i", points, points)
    squares = points @ points.T
    squares *= -2
    squares += norms[:, None]
    squares += norms
    np.maximum(squares, 0, out=squares)
    np.sqrt(squares, out=squares)
    np.fill_diagonal(squares, 0)
    squares /= np.sqrt(points.shape[1])
    return squares


def contrasts(
    distance: Float[np.ndarray, "example example"], classes: Int[np.ndarray, "draw example"]
) -> Float[np.ndarray, " draw"]:
    """Mean distance within classes less that between classes, for each assignment of classes to the examples.

    Classes of one example have no part; nan where fewer than two are left.
    """
    n = len(distance)
    padded = np.pad(distance, (0, 1))  # the last row and column stand for no example
    values, weights = np.full(len(classes), np.nan), np.zeros(classes.shape)
    within, same, number = (np.zeros(len(classes)) for _ in range(3))
    for i, row in enumerate(classes):
        members, size = _members(row, n)
        sums = padded[members[:, :, None], members[:, None, :]].sum((1, 2))
        number[i] = len(size)
        within[i] = (sums / (size * (size - 1))).sum()
        same[i] = (sums / size**2).sum()
        chosen = members < n
        weights[i, members[chosen]] = np.repeat(1 / size, size)
    all_pairs = np.einsum("ij,ij->i", weights @ distance, weights)
    enough = number > 1
    between = (all_pairs - same)[enough] / (number * (number - 1))[enough]
    values[enough] = within[enough] / number[enough] - between
    return values


def _members(
    row: Int[np.ndarray, " example"], n: int
) -> tuple[Int[np.ndarray, "class place"], Int[np.ndarray, " class"]]:
    """Examples of each class that has enough of them, filled up with n, and its size."""
    order = np.argsort(row, kind="stable")
    first = np.flatnonzero(np.diff(row[order], prepend=row[order[0]] - 1))
    size = np.diff(first, append=n)
    members = np.full((len(size), int(size.max())), n)
    members[np.arange(members.shape[1]) < size[:, None]] = order
    large = size >= FEWEST
    return members[large], size[large]


def shuffled(
    classes: Int[np.ndarray, " example"], draws: int, generator: np.random.Generator
) -> Int[np.ndarray, "draw example"]:
    """Classes dealt anew among the examples: the null where examples are exchangeable."""
    return generator.permuted(np.tile(classes, (draws, 1)), axis=1)


def permuted_operands(
    table: Int[np.ndarray, "p p"],
    pairs: Int[np.ndarray, "example 2"],
    draws: int,
    generator: np.random.Generator,
) -> Int[np.ndarray, "draw example"]:
    """Classes of pairs of operands after the operands are renamed at random, both by one permutation.

    Pairs that share an operand, or are each other's swap, stay so: a network that was never trained knows no name of
    an operand, so that this null holds for it, where dealing classes anew among the pairs would not.

    Args:
        table: Class of every pair.
        pairs: Operands of each example.

    Example:
        >>> table = np.add.outer(np.arange(5), np.arange(5)) % 5
        >>> pairs = np.array([[0, 1], [1, 0], [2, 2]])
        >>> draw = permuted_operands(table, pairs, 4, np.random.default_rng(0))
        >>> draw.shape, bool((draw[:, 0] == draw[:, 1]).all())
        ((4, 3), True)
    """
    orders = generator.permuted(np.tile(np.arange(len(table)), (draws, 1)), axis=1)
    return np.stack([table[order[pairs[:, 0]], order[pairs[:, 1]]] for order in orders])

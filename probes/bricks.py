"""Bricks: parts of a layer whose neurons are active together, and the function that each serves."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

ROUNDS = 30
"""Of balanced k-means, at most."""
NO_BRICK = -1
"""Brick of a neuron whose activity never differs."""


def balanced_partition(
    acts: Float[np.ndarray, "example neuron"], n_bricks: int, generator: np.random.Generator
) -> Int[np.ndarray, " neuron"]:
    """Bricks of equal size (or one neuron apart), by balanced k-means of standardised activities.

    Each neuron is a vector over the examples, without its mean and of length 1, so that the distance of two is their
    correlation. Centres start by k-means++ (scikit-learn); every round assigns neurons to centres at the least total
    distance under the sizes (scipy's linear assignment) until nothing moves: the partition of arXiv 2409.02877.

    Args:
        acts: Activations.
        n_bricks: How many, at least 2.
        generator: Of the starting centres.

    Returns:
        Brick of each neuron from 0, or `NO_BRICK` for one that is constant.

    Raises:
        ValueError: There are fewer neurons that differ than bricks, or fewer than 2 bricks.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> source = generator.standard_normal((200, 2))
        >>> acts = np.repeat(source, 3, axis=1) + 0.1 * generator.standard_normal((200, 6))
        >>> brick = balanced_partition(acts, 2, generator)
        >>> sorted(np.bincount(brick).tolist()), len(set(brick[:3].tolist()))
        ([3, 3], 1)
    """
    from scipy.optimize import linear_sum_assignment
    from sklearn.cluster import kmeans_plusplus

    units = _unit_vectors(acts)
    differs = np.flatnonzero((units != 0).any(0))
    if not 2 <= n_bricks <= len(differs):
        raise ValueError(
            f"{len(differs)} neurons that differ cannot be {n_bricks} bricks; expected 2 or more"
        )
    vectors = units[:, differs].T
    centres, _ = kmeans_plusplus(vectors, n_bricks, random_state=int(generator.integers(2**31)))
    sizes = np.full(n_bricks, len(differs) // n_bricks)
    sizes[: len(differs) % n_bricks] += 1
    place = np.repeat(np.arange(n_bricks), sizes)
    own = np.full(len(differs), NO_BRICK)
    for _ in range(ROUNDS):
        row, column = linear_sum_assignment(-(vectors @ centres.T)[:, place])
        changed = place[column][np.argsort(row)]
        if np.array_equal(changed, own):
            break
        own = changed
        centres = np.stack([vectors[own == brick].mean(0) for brick in range(n_bricks)])
        length = np.linalg.norm(centres, axis=1, keepdims=True)
        centres /= np.where(length > 0, length, 1)
    brick = np.full(acts.shape[1], NO_BRICK, dtype=np.int64)
    brick[differs] = own
    return brick


def average_precisions(
    acts: Float[np.ndarray, "example neuron"], member: Bool[np.ndarray, "example function"]
) -> Float[np.ndarray, "function neuron"]:
    """Average precision with which each neuron's activity picks out each function's examples, in [0, 1].

    At chance it is about the share of examples that are the function's. nan for a function of none or all of them.

    Example:
        >>> member = np.array([[True, False], [True, False], [False, True], [False, True]])
        >>> average_precisions(np.array([[3.0], [2.0], [1.0], [0.5]]), member).round(3).tolist()
        [[1.0], [0.417]]
    """
    from sklearn.metrics import average_precision_score

    result = np.full((member.shape[1], acts.shape[1]), np.nan)
    for function, inside in enumerate(member.T):
        if inside.any() and not inside.all():
            result[function] = [average_precision_score(inside, one) for one in acts.T]
    return result


def own_functions(
    precision: Float[np.ndarray, "function neuron"],
    base_rate: Float[np.ndarray, " function"],
    brick: Int[np.ndarray, " neuron"],
) -> Int[np.ndarray, " brick"]:
    """The function of each brick: that of the largest mean average precision above chance, as a share of what is left.

    Args:
        precision: From `average_precisions`.
        base_rate: Share of the examples that are each function's.
        brick: From 0 without gaps; `NO_BRICK` is left out.

    Example:
        >>> precision = np.array([[0.9, 0.8, 0.5], [0.1, 0.6, 0.9]])
        >>> own_functions(precision, np.array([0.5, 0.1]), np.array([0, 0, 1])).tolist()
        [0, 1]
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        above = (precision - base_rate[:, None]) / (1 - base_rate[:, None])
    means = np.stack([above[:, brick == one].mean(1) for one in range(int(brick.max()) + 1)])
    return np.argmax(np.where(np.isnan(means), -np.inf, means), 1).astype(np.int64)


def own_and_others(
    lost: Float[np.ndarray, "brick function"], own: Int[np.ndarray, " brick"]
) -> tuple[float, float]:
    """Mean over bricks of what its own function loses without it, and of the mean of what the others lose.

    Example:
        >>> own_and_others(np.array([[0.8, 0.1], [0.2, 0.6]]), np.array([0, 1]))
        (0.7, 0.15000000000000002)
    """
    row = np.arange(len(lost))
    mine = lost[row, own]
    return float(mine.mean()), float(((lost.sum(1) - mine) / (lost.shape[1] - 1)).mean())


def _unit_vectors(acts: Float[np.ndarray, "example neuron"]) -> Float[np.ndarray, "example neuron"]:
    """Activities without their mean, of length 1; 0 where they differ by rounding only."""
    centred = acts.astype(np.float64) - acts.mean(0)
    length = np.linalg.norm(centred, axis=0)
    differs = length > 1e-6 * np.linalg.norm(acts.astype(np.float64), axis=0)
    return np.where(differs, centred / np.where(differs, length, 1), 0.0)

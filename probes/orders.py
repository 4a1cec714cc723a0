"""Significance of periodic activations, against the same activations with operands in random orders."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_matrix

from probes.periodicity import ipr
from probes.permutation import tail_p_values
from probes.spectrum import power

DRAWS = 399


def sum_profile(
    grid: Float[np.ndarray, "neuron left right"], steps: tuple[int, int] = (1, 1)
) -> Float[np.ndarray, "neuron position"]:
    """Mean activation at each position of the answer s a + t b modulo n, with the steps s and t.

    An answer that no pair has, as where both steps are even, gets the mean of the others, so that a missing answer is
    no peak: frequencies and phases stay those of the answer, and of a wave every such frequency is as strong. A grid
    with holes (nan) has 0 everywhere.

    Example:
        >>> sum_profile(np.array([[[1.0, 2.0], [4.0, 3.0]]])).tolist()
        [[2.0, 3.0]]
        >>> sum_profile(np.arange(16.0).reshape(1, 4, 4), (2, 2)).tolist()
        [[7.5, 7.5, 7.5, 7.5]]
    """
    n = grid.shape[1]
    answers = np.add.outer(*(step * np.arange(n) for step in steps)) % n
    return answer_means(grid, answers)


def answer_means(
    grid: Float[np.ndarray, "neuron left right"], answers: Int[np.ndarray, "left right"]
) -> Float[np.ndarray, "neuron answer"]:
    """Mean activation over the pairs of each answer; that of the other answers for one that no pair has.

    A grid with holes (nan) has 0 everywhere.

    Example:
        >>> answer_means(np.array([[[1.0, 2.0], [4.0, 3.0]]]), np.array([[0, 1], [1, 0]])).tolist()
        [[2.0, 3.0]]
    """
    known = np.where(np.isnan(grid).any((1, 2))[:, None, None], 0, grid)
    summing = _summing(answers)
    counts = summing.getnnz(axis=1)
    means = summing.dot(known.reshape(len(grid), -1).T).T / np.maximum(counts, 1)
    if not counts.all():
        means[:, counts == 0] = means[:, counts > 0].mean(1, keepdims=True)
    return np.asarray(means)


def order_p_values(
    grid: Float[np.ndarray, "neuron left right"],
    seed: int = 0,
    draws: int = DRAWS,
    steps: tuple[int, int] = (1, 1),
) -> dict[str, Float[np.ndarray, " neuron"]]:
    """p-values of the periodicity along a + b of activations, by permuting the order of the operands.

    A profile along a + b is close to a convolution, not white noise, even in a network that was never trained, so that
    Fisher's test is not valid for it. If the order of the operands means nothing to a neuron, its activations are as
    periodic with operands in random orders: the same for left and right, since both may be read by one embedding,
    which makes what a neuron does with them alike.

    Args:
        seed: Of the orders.
        draws: How many orders; p-values beyond are those of an exponential tail (`tail_p_values`).
        steps: Positions of the answer that one of each operand counts for. Answers that no pair has count as the mean
            of the others, as in `sum_profile`: sums of centred activations, as many pairs an answer, are 0 there.

    Returns:
        ``"p_value"`` of the largest share of the profile's variance at one frequency, ``"p_null"`` of its IPR; nan for
        a constant neuron or a grid with holes.

    Example:
        >>> n = 23
        >>> w = 2 * np.pi * 3 * (np.arange(n)[:, None] + np.arange(n)) / n
        >>> noise = np.random.default_rng(0).normal(size=(n, n))
        >>> p = order_p_values(np.stack([np.cos(w) + noise, noise]))["p_value"]
        >>> bool(p[0] < 1e-3), bool(p[1] > 0.01)
        (True, True)
    """
    n = grid.shape[1]

    def answers(order: np.ndarray) -> np.ndarray:
        return np.add.outer(steps[0] * order, steps[1] * order) % n

    return permuted_p_values(grid, answers, _measures, seed, draws)


def permuted_p_values(
    grid: Float[np.ndarray, "neuron left right"],
    answers: Callable[[Int[np.ndarray, " element"]], Int[np.ndarray, "left right"]],
    measures: Callable[[Float[np.ndarray, "neuron answer"]], Float[np.ndarray, "two neuron"]],
    seed: int = 0,
    draws: int = DRAWS,
) -> dict[str, Float[np.ndarray, " neuron"]]:
    """p-values of two measures of the sums over the pairs of each answer, with operands in random orders.

    Args:
        answers: Of operands that are given other names: element i is called ``order[i]``.
        measures: Two numbers for each row of sums of centred activations.
        seed: Of the orders.

    Returns:
        ``"p_value"`` of the first measure and ``"p_null"`` of the second; nan for a constant neuron or a grid with
        holes.

    Example:
        >>> grid = np.random.default_rng(0).normal(size=(2, 6, 6))
        >>> add = lambda order: np.add.outer(order, order) % 6
        >>> measures = lambda sums: np.stack([sums.max(1), -sums.min(1)])
        >>> sorted(permuted_p_values(grid, add, measures, draws=99))
        ['p_null', 'p_value']
    """
    n = grid.shape[1]
    flat = grid.reshape(len(grid), -1)
    flat = flat - flat.mean(1, keepdims=True)
    holes = np.isnan(flat).any(1) | ~(np.abs(flat).max(1, initial=0.0) > 0)
    columns = np.ascontiguousarray(np.where(holes[:, None], 0, flat).T.astype(np.float32))
    generator, orders = np.random.default_rng(seed), [np.arange(n)]
    orders += [generator.permutation(n) for _ in range(draws)]
    observed, *drawn = (measures(_summing(answers(order)).dot(columns).T) for order in orders)
    random = np.stack(drawn, axis=-1)
    names = zip(("p_value", "p_null"), observed, random, strict=True)
    return {name: np.where(holes, np.nan, tail_p_values(one, null)) for name, one, null in names}


def _summing(answers: np.ndarray) -> csr_matrix:
    """A matrix that sums over the pairs of each answer, ``(answer, pair)``."""
    n, answers = len(answers), answers.ravel()
    columns = np.argsort(answers, kind="stable")
    rows = np.concatenate([[0], np.bincount(answers, minlength=n).cumsum()])
    return csr_matrix((np.ones(n * n, np.float32), columns, rows), (n, n * n))


def _measures(sums: np.ndarray) -> np.ndarray:
    """Largest share at one frequency, and IPR, of the profile of each neuron, ``(two, neuron)``."""
    spectrum = power(sums)
    total = np.maximum(spectrum.sum(-1), 1e-30)
    return np.stack([spectrum.max(-1) / total, np.nan_to_num(ipr(spectrum))])

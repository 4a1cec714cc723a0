"""Significance of periodic activations, against the same activations with operands in random orders."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
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
    known = np.where(np.isnan(grid).any((1, 2))[:, None, None], 0, grid)
    answers = _answers(np.arange(n), steps)
    counts = answers.getnnz(axis=1)
    means = answers.dot(known.reshape(len(grid), -1).T).T / np.maximum(counts, 1)
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
    flat = grid.reshape(len(grid), -1)
    flat = flat - flat.mean(1, keepdims=True)
    holes = np.isnan(flat).any(1) | ~(np.abs(flat).max(1, initial=0.0) > 0)
    columns = np.ascontiguousarray(np.where(holes[:, None], 0, flat).T.astype(np.float32))
    generator, orders = np.random.default_rng(seed), [np.arange(n)]
    orders += [generator.permutation(n) for _ in range(draws)]
    observed, *drawn = (_measures(_answers(order, steps).dot(columns)) for order in orders)
    random = np.stack(drawn, axis=-1)
    names = zip(("p_value", "p_null"), observed, random, strict=True)
    return {name: np.where(holes, np.nan, tail_p_values(one, null)) for name, one, null in names}


def _answers(position: np.ndarray, steps: tuple[int, int]) -> csr_matrix:
    """A matrix that sums over the pairs of each answer, ``(answer, pair)``, for operands at these positions."""
    n = len(position)
    answers = np.add.outer(steps[0] * position, steps[1] * position).ravel() % n
    columns = np.argsort(answers, kind="stable")
    rows = np.concatenate([[0], np.bincount(answers, minlength=n).cumsum()])
    return csr_matrix((np.ones(n * n, np.float32), columns, rows), (n, n * n))


def _measures(sums: np.ndarray) -> np.ndarray:
    """Largest share at one frequency, and IPR, of the profile of each neuron (a column), ``(two, neuron)``."""
    spectrum = power(sums.T)
    total = np.maximum(spectrum.sum(-1), 1e-30)
    return np.stack([spectrum.max(-1) / total, np.nan_to_num(ipr(spectrum))])

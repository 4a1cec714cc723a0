"""p-values of statistics by permutation: all orders where they are few, draws with a fitted tail elsewhere."""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations
from math import factorial

import numpy as np
from jaxtyping import Float, Int

FEWEST_CLASSES = 5
"""Classes that a permutation test needs: fewer have too few orders for a p-value of one percent."""
ENUMERATED = 7  # classes up to which all orders are taken
DRAWS, MOST_DRAWS, BUDGET = 999, 19_999, 5e7
COUNTED = 10  # draws as large from which their number is the p-value
TAIL = 0.05  # share of the draws that the tail is fitted to
CHUNK = 4e6


def tail_p_values(
    observed: Float[np.ndarray, " neuron"], draws: Float[np.ndarray, "neuron draw"]
) -> Float[np.ndarray, " neuron"]:
    """p-values of statistics against draws from their own null: counted, with an exponential tail beyond.

    From 10 draws as large on, p is (1 + their number) / (1 + draws). Beyond, it follows an exponential distribution
    fitted to the largest 5 % of the draws, which is too cautious for a lighter tail (as in Knijnenburg et al. 2009).

    Example:
        >>> draws = np.random.default_rng(0).normal(size=(1, 999))
        >>> tail_p_values(np.zeros(1), draws).round(1).tolist(), bool(tail_p_values(np.full(1, 6.0), draws)[0] < 1e-4)
        ([0.5], True)
    """
    n = draws.shape[1]
    slack = 1e-9 * np.abs(draws).max(1, initial=0.0)
    as_large = (draws >= (observed - slack)[:, None]).sum(1)
    p = (1 + as_large) / (1 + n)
    top = max(COUNTED, round(TAIL * n))
    if n > top:
        largest = -np.partition(-draws, top, axis=1)[:, : top + 1]
        start = largest[:, top]
        excess = (largest[:, :top] - start[:, None]).mean(1)
        beyond = (as_large < COUNTED) & (excess > 0)
        scale = np.where(excess > 0, excess, 1.0)
        p = np.where(beyond, top / n * np.exp(-np.maximum(observed - start, 0.0) / scale), p)
    return p


def permuted_traces(
    left: Float[np.ndarray, "neuron row column"] | Float[np.ndarray, "neuron column"],
    right: Float[np.ndarray, "neuron column"] | None,
    seed: int,
) -> tuple[Float[np.ndarray, " neuron"], Float[np.ndarray, " neuron"]]:
    """The trace of each neuron's table with its p-value against the traces of the table with permuted columns.

    All orders of up to seven columns are taken, of more as many draws as the budget allows; with fewer than
    `FEWEST_CLASSES` columns p is NaN.

    Args:
        left: Square tables, or vectors whose outer product with `right` is the table.
        seed: Of the draws.

    Example:
        >>> value, p = permuted_traces(np.eye(6)[None], None, 0)
        >>> float(value[0]), round(float(p[0]), 4)   # 1 order of 720
        (6.0, 0.0014)
    """
    n, k = left.shape[:2]
    own = np.arange(k)
    observed = left[:, own, own].sum(1) if right is None else (left * right).sum(1)
    if k < FEWEST_CLASSES:
        return observed, np.full(n, np.nan)
    p = np.empty(n)
    step = max(1, int(CHUNK / (k * DRAWS)))
    orders = _orders(k, int(np.clip(BUDGET / (k * max(n, 1)), DRAWS, MOST_DRAWS)), seed)
    for start in range(0, n, step):
        part = slice(start, start + step)
        draws = np.empty((len(left[part]), len(orders)), np.float32)
        for j in range(0, len(orders), 256):
            chosen = orders[j : j + 256]
            if right is None:
                draws[:, j : j + 256] = left[part][:, own, chosen].sum(2)
            else:
                draws[:, j : j + 256] = np.einsum("nc,nbc->nb", left[part], right[part][:, chosen])
        if k <= ENUMERATED:
            slack = 1e-6 * np.abs(draws).max(1, initial=0.0)
            p[part] = (draws >= (observed[part] - slack)[:, None]).mean(1)
        else:
            p[part] = np.maximum(tail_p_values(observed[part], draws), 1 / factorial(min(k, 20)))
    return observed, p


@lru_cache(4)  # networks of one job ask for the same
def _orders(k: int, n_draws: int, seed: int) -> Int[np.ndarray, "order column"]:
    """All orders of few columns, or draws of them."""
    return np.array(list(permutations(range(k)))) if k <= ENUMERATED else drawn_orders(k, n_draws, seed)


def drawn_orders(k: int, n_draws: int, seed: int) -> Int[np.ndarray, "order column"]:
    """Random orders of k columns.

    Example:
        >>> drawn_orders(4, 2, seed=0).sum(1).tolist()
        [6, 6]
    """
    return np.random.default_rng(seed).permuted(np.tile(np.arange(k), (n_draws, 1)), axis=1)

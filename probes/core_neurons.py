"""Core neurons: those that are among the most active ones most often, and how alike two sets of them are."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

ALPHA, BETA = 0.2, 0.4


def strongest(
    acts: Float[np.ndarray, "example neuron"], alpha: float = ALPHA
) -> Bool[np.ndarray, "example neuron"]:
    """Mask of each example's strongest positive activations.

    Args:
        acts: Activations; take absolute values first where a negative one is activity as well.
        alpha: Share of an example's positive activations that is kept, in (0, 1]; at least one where there is any.

    Raises:
        ValueError: `alpha` is out of range.

    Example:
        >>> strongest(np.array([[3.0, 1.0, 2.0, -4.0, 0.0]]), alpha=0.5).tolist()
        [[True, False, True, False, False]]
    """
    _check_share("alpha", alpha)
    positive = np.where(acts > 0, acts, -np.inf)
    kept = np.ceil(alpha * (acts > 0).sum(1) - 1e-9).astype(int)  # 0.3 * 10 is no more than 3
    rank = np.empty(acts.shape, int)
    order = np.argsort(-positive, axis=1, kind="stable")
    np.put_along_axis(rank, order, np.arange(acts.shape[1])[None], axis=1)
    return rank < kept[:, None]


def core_neurons(
    acts: Float[np.ndarray, "example neuron"], alpha: float = ALPHA, beta: float = BETA
) -> Int[np.ndarray, " core"]:
    """The neurons that are most often among the strongest, the method of CoreInfer (arXiv 2410.18311).

    An example is one token there: a row is one token, image or pair. Ties between neurons that are as often among the
    strongest are broken by the sum of their positive activations. The method assumes that a large activation matters,
    also where a small weight reads it.

    Args:
        acts: Activations.
        alpha: Share of the positive activations that is kept in each example, in (0, 1].
        beta: Share of all neurons that is kept, in (0, 1].

    Returns:
        Sorted indices; fewer than the share of `beta` where fewer neurons are ever among the strongest.

    Raises:
        ValueError: A share is out of range.

    Example:
        >>> acts = np.array([[5.0, 1.0, 0.0, 0.0, 2.0], [4.0, 0.0, 3.0, 0.0, 1.0], [6.0, 0.0, 2.0, 0.0, 0.0]])
        >>> core_neurons(acts, alpha=0.6, beta=0.4).tolist()
        [0, 2]
    """
    _check_share("beta", beta)
    count = strongest(acts, alpha).sum(0)
    order = np.lexsort((-np.maximum(acts, 0).sum(0), -count))
    chosen = order[: max(1, round(beta * acts.shape[1]))]
    return np.sort(chosen[count[chosen] > 0]).astype(np.int64)


def jaccard(first: Int[np.ndarray, " one"], second: Int[np.ndarray, " other"]) -> float:
    """Neurons in both sets as a share of those in either, in [0, 1]; nan for two empty sets.

    Example:
        >>> jaccard(np.array([0, 1, 2]), np.array([1, 2, 3]))
        0.5
    """
    both, either = len(np.intersect1d(first, second)), len(np.union1d(first, second))
    return both / either if either else float("nan")


def chance_jaccard(first: int, second: int, width: int) -> float:
    """The expected `jaccard` of two random sets of these sizes among `width` neurons; nan if both are empty.

    Example:
        >>> round(chance_jaccard(1, 1, 2), 3)
        0.5
    """
    from scipy.stats import hypergeom

    if not first and not second:
        return float("nan")
    both = np.arange(min(first, second) + 1)
    return float((hypergeom.pmf(both, width, first, second) * both / (first + second - both)).sum())


def stability(
    acts: Float[np.ndarray, "example neuron"],
    first: float = 0.5,
    alpha: float = ALPHA,
    beta: float = BETA,
) -> float:
    """`jaccard` of the core neurons of the first part of a sequence with those of the rest; nan if a part is empty.

    Args:
        acts: Activations, in the order of the sequence.
        first: Share of the examples that is the first part, in (0, 1).

    Example:
        >>> acts = np.abs(np.random.default_rng(0).standard_normal((400, 20))) * np.arange(20)
        >>> stability(acts) > 0.7
        True
    """
    size = round(first * len(acts))
    if not 0 < size < len(acts):
        return float("nan")
    return jaccard(*(core_neurons(part, alpha, beta) for part in (acts[:size], acts[size:])))


def matrix_agreement(
    first: Float[np.ndarray, "item item"],
    second: Float[np.ndarray, "item item"],
    generator: np.random.Generator,
    draws: int = 999,
) -> tuple[float, float]:
    """Rank correlation of two symmetric tables of pairs, and its one-sided p-value by Mantel's permutation of items.

    Pairs that share an item are not independent, so that the items of one table are permuted, not its pairs. With n
    items no p-value is below about 1 / n!.

    Args:
        first, second: Of each pair of items; the diagonal is not used.

    Returns:
        Spearman's correlation in [-1, 1], and the share of the permutations that reach it, the given order included;
        nan twice for fewer than 4 items, or where a table is constant.

    Example:
        >>> place = np.arange(8.0)
        >>> near = -np.abs(place[:, None] - place)
        >>> rank, p_value = matrix_agreement(near, np.exp(near), np.random.default_rng(0))
        >>> rank > 0.999, p_value < 0.01
        (True, True)
    """
    from scipy.stats import rankdata

    pairs = np.triu_indices(len(first), 1)
    ranks = rankdata(first[pairs]), rankdata(second[pairs])
    if len(first) < 4 or any(np.ptp(one) == 0 for one in ranks):
        return float("nan"), float("nan")
    table = np.zeros(second.shape)
    table[pairs] = ranks[1]
    table += table.T
    own = ranks[0] - ranks[0].mean()
    spread = np.linalg.norm(own) * np.linalg.norm(ranks[1] - ranks[1].mean())
    observed = float(own @ ranks[1] / spread)
    orders = (generator.permutation(len(first)) for _ in range(draws))
    reached = sum(own @ table[np.ix_(order, order)][pairs] / spread >= observed - 1e-12 for order in orders)
    return observed, (1 + float(reached)) / (1 + draws)


def _check_share(name: str, share: float) -> None:
    if not 0 < share <= 1:
        raise ValueError(f"{name}={share} is no share; expected a number above 0 and at most 1")

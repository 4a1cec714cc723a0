"""Scores of neurons by the components of a group: for addition modulo n, those of `probes.features` by frequencies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from scipy.special import betaincc, ndtri

from probes.features import mean_of_live, permuted_vectors
from probes.isotypic import Components
from probes.null import combine, stretched

DRAWS = 20_000
FEW_DRAWS = 200
"""Below this many draws that are as extreme, the sum over components is nearer than what the draws say."""


def component_scores(
    vectors: Sequence[Float[np.ndarray, "neuron element"]],
    components: Components,
    distinct: Sequence[int] | None = None,
) -> dict[str, np.ndarray]:
    """The share of each neuron's weights that lies in one component, and how likely that is of weights without any.

    Args:
        vectors: Weights by left operand, right operand and output, elements in the group's order.
        distinct: Positions of the vectors that are tested, those that repeat no other; all if None.

    Returns:
        By name ``(neuron,)`` each, means over the live vectors of a neuron: ``ipr``, the sum of squared shares;
        ``component``, the index of the one with the largest mean share, -1 for a dead neuron;
        ``component_share``, that share; ``agreement``, the share of vectors whose own largest component it is;
        ``outside``, 1 minus the share; ``p_value``, of the smallest `component_p_values` of each vector, combined.

    Example:
        >>> from probes.finite_group import group_of
        >>> from probes.isotypic import components_of
        >>> parts = components_of(group_of(np.add.outer(np.arange(8), np.arange(8)) % 8))
        >>> pure = parts.basis[:, parts.starts[4] :].T[:2]
        >>> scores = component_scores([pure, -pure], parts)
        >>> scores["component"].tolist(), scores["component_share"].round(6).tolist()
        ([3, 3], [1.0, 1.0])
    """
    shares = [components.shares(vector.astype(np.float64)) for vector in vectors]
    mean = mean_of_live(shares)
    live = ~np.isnan(mean).any(1)
    best = np.where(live, np.nan_to_num(mean).argmax(1), -1)
    largest = np.where(live, np.nan_to_num(mean).max(1), np.nan)
    agreeing = [np.where(np.isnan(one[:, 0]), np.nan, np.nan_to_num(one).argmax(1) == best) for one in shares]
    tested = range(len(vectors)) if distinct is None else distinct
    sizes = components.sizes[1:]
    tests = []
    for i in tested:
        vector = vectors_to_test(vectors[i], components)
        own = shares[i] if vector is vectors[i] else components.shares(vector)
        drawn = components.shares(permuted_vectors(vector.astype(np.float64)))
        tests.append(stretched(component_p_values(own, sizes), component_p_values(drawn, sizes)))
    return {
        "ipr": mean_of_live([np.square(one).sum(1) for one in shares]),
        "component": best,
        "component_share": largest,
        "agreement": mean_of_live(agreeing),
        "outside": 1 - largest,
        "p_value": combine(np.stack(tests, axis=1)),
    }


def vectors_to_test(
    vectors: Float[np.ndarray, "vector element"], components: Components
) -> Float[np.ndarray, "vector element"]:
    """The vectors whose components are tested: themselves, or normal scores of their ranks.

    On a group's own elements a component is spread over all of them, so that a few large weights make no share large.
    Where the group acts on others a component may lie on few elements, and one large weight there is nothing but that.
    Shares of normal scores are the same for weights of any distribution in random order; ties have their mean rank.

    Example:
        >>> from probes.finite_group import group_of
        >>> from probes.isotypic import components_on
        >>> swap = group_of(np.array([[0, 1], [1, 0]]))
        >>> acted = components_on(np.array([[0, 1, 2], [1, 0, 2]]), swap)
        >>> vectors_to_test(np.array([[5.0, 1.0, 900.0]]), acted).round(2).tolist()
        [[0.0, -0.97, 0.97]]
    """
    if components.acting is None:
        return vectors
    from scipy.stats import rankdata  # takes half a second to import

    flat = np.ptp(vectors, axis=1, keepdims=True) == 0
    return np.where(flat, vectors, ndtri((rankdata(vectors, axis=1) - 0.5) / vectors.shape[1]))


def component_p_values(
    shares: Float[np.ndarray, "vector component"], sizes: Int[np.ndarray, " component"]
) -> Float[np.ndarray, " vector"]:
    """P-values of the most unlikely share of each vector, for Gaussian weights; nan stays nan.

    The share in a component of dimension m of N dimensions is Beta(m/2, (N - m)/2). The smallest of the tails over
    components is compared with `DRAWS` Gaussian vectors; where few of these are as extreme, with the sum over the
    components, which is never too small.

    Example:
        >>> shares = np.array([[0.5, 0.25, 0.25], [0.98, 0.01, 0.01]])
        >>> component_p_values(shares, np.array([9, 9, 5])).round(3).tolist()
        [0.647, 0.0]
    """
    with np.errstate(invalid="ignore"):
        smallest = component_tails(shares, sizes).min(1)
    most = np.minimum(smallest * len(sizes), 1.0)
    drawn = _drawn(tuple(map(int, sizes)))
    below = np.searchsorted(drawn, np.nan_to_num(smallest), side="right")
    p = np.where(below >= FEW_DRAWS, np.minimum((1 + below) / (1 + DRAWS), most), most)
    return np.where(np.isnan(smallest), np.nan, p)


def component_tails(
    shares: Float[np.ndarray, "vector component"], sizes: Int[np.ndarray, " component"]
) -> Float[np.ndarray, "vector component"]:
    """P(share is as large) of Gaussian vectors for each component; 1 where it is all that there is; nan stays nan.

    Example:
        >>> component_tails(np.array([[0.5, 0.5]]), np.array([2, 2])).tolist()
        [[0.5, 0.5]]
    """
    total = sizes.sum()
    if len(sizes) == 1:
        return np.where(np.isnan(shares), np.nan, 1.0)
    return betaincc(sizes / 2, (total - sizes) / 2, np.clip(shares, 0, 1))


@lru_cache(maxsize=32)
def _drawn(sizes: tuple[int, ...]) -> np.ndarray:
    """The smallest tail of Gaussian vectors, in rising order."""
    generator = np.random.default_rng(0)
    array, drawn = np.array(sizes), []
    for start in range(0, DRAWS, 2_000):
        squares = generator.chisquare(array, size=(min(2_000, DRAWS - start), len(sizes)))
        drawn.append(component_tails(squares / squares.sum(1, keepdims=True), array).min(1))
    return np.sort(np.concatenate(drawn))

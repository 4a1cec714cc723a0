"""Communities of neurons that are active together: their affinity, a partition by modularity, and its null."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

AFFINITIES = ("squared", "rectified")
"""``"squared"``: the squared correlation, the share of one's variance that the other explains. ``"rectified"``: the
correlation where it is above 0, else 0; it separates neurons of one frequency that are in opposite phase."""
LINK_RATE = 0.05
"""False-discovery rate of linked pairs."""
FLAT = 1e-6
"""A neuron whose activation spreads by less than this share of the widest spread has an affinity of 0 to all."""


def affinity_of(
    acts: Float[np.ndarray, "example neuron"], kind: str = "squared"
) -> Float[np.ndarray, "neuron neuron"]:
    """Affinity of every pair of neurons, from the correlation r of their activations over the examples.

    Two squared-sum neurons of one frequency whose input phases differ by s and t correlate by
    ``.8 cos s cos t + .1 (cos 2s + cos 2t)`` over all pairs of operands, and of different frequencies by 0. So the sign
    of r is that of a phase, and r² is on average .17 within a frequency. A pair in quadrature has no affinity; others
    of its frequency connect it. Squared deviations would not help: their correlation depends on twice the phase. Shared
    power at a frequency would, but needs the ordering from which frequencies are read, and so could not be compared
    with them.

    Args:
        kind: One of `AFFINITIES`.

    Returns:
        Numbers in [0, 1]; 0 on the diagonal and for a neuron that is constant (see `FLAT`).

    Raises:
        ValueError: There are fewer than 3 examples, activations are no numbers, or the kind is unknown.

    Example:
        >>> x = np.linspace(0, 2 * np.pi, 100, endpoint=False)
        >>> acts = np.stack([np.cos(x), -np.cos(x), np.cos(2 * x)], 1)
        >>> affinity_of(acts)[0].round(6).tolist(), affinity_of(acts, "rectified")[0].round(6).tolist()
        ([0.0, 1.0, 0.0], [0.0, 0.0, 0.0])
    """
    if kind not in AFFINITIES:
        raise ValueError(f"unknown affinity {kind!r}; expected one of {', '.join(map(repr, AFFINITIES))}")
    if len(acts) < 3 or not np.isfinite(acts).all():
        raise ValueError(f"{len(acts)} examples; expected at least 3, and finite activations")
    centred = acts - acts.mean(0, dtype=float).astype(acts.dtype)
    spread = np.sqrt(np.square(centred).sum(0, dtype=float))
    live = spread > FLAT * max(float(spread.max(initial=0.0)), float(np.abs(acts).max(initial=0.0)))
    unit = np.where(live, centred / np.where(live, spread, 1).astype(acts.dtype), 0).astype(acts.dtype)
    r = np.clip(unit.T @ unit, -1, 1).astype(float)
    np.fill_diagonal(r, 0)
    return np.square(r) if kind == "squared" else np.maximum(r, 0)


def token_grid(tokens: Int[np.ndarray, "example token"]) -> Int[np.ndarray, "example token"] | None:
    """Each example's place along every operand, from 0, if the examples are all combinations once; else None.

    Example:
        >>> token_grid(np.array([[3, 5], [3, 7], [4, 5], [4, 7]])).tolist()
        [[0, 0], [0, 1], [1, 0], [1, 1]]
        >>> token_grid(np.array([[3, 5], [3, 7], [4, 5]])) is None
        True
    """
    columns = [np.unique(column, return_inverse=True) for column in tokens.T]
    sizes = tuple(len(values) for values, _ in columns)
    if not sizes or max(sizes) < 2 or np.prod(sizes, dtype=float) != len(tokens):
        return None
    places = np.stack([place.ravel() for _, place in columns], 1)
    numbers = np.ravel_multi_index(tuple(places.T), sizes)
    return places if len(np.unique(numbers)) == len(tokens) else None


def permuted(
    acts: Float[np.ndarray, "example neuron"],
    generator: np.random.Generator,
    grid: Int[np.ndarray, "example token"] | None = None,
    rows: Int[np.ndarray, " row"] | None = None,
) -> Float[np.ndarray, "_ neuron"]:
    """Activations of the same distribution, neuron by neuron, whose neurons are independent of each other.

    Args:
        grid: Of `token_grid`. The values of the operands are permuted for each neuron, so that all that depends on one
            operand alone stays; those of operands with equally many values alike, as one table of weights may serve
            them all. A network with independent random weights for every value has the same distribution before and
            after. Behind an embedding of few dimensions, or with different numbers of values behind one table, even
            random neurons are less independent than this. None: the examples are permuted.
        rows: Examples that are kept; all if None.

    Example:
        >>> acts = np.arange(8.0).reshape(4, 2)
        >>> np.sort(permuted(acts, np.random.default_rng(0)), 0).tolist() == acts.tolist()
        True
    """
    chosen = slice(None) if rows is None else rows
    table = np.ascontiguousarray(acts.T)
    if grid is None:
        each = [values[generator.permutation(len(acts))][chosen] for values in table]
        return np.stack(each).T
    sizes = tuple((grid.max(0) + 1).tolist())
    numbers = np.ravel_multi_index(tuple(grid.T), sizes)
    laid_out = np.empty_like(table)
    laid_out[:, numbers] = table
    places = numbers[chosen]
    each = []
    for values in laid_out:
        moved = values.reshape(sizes)
        orders = {n: generator.permutation(n) for n in dict.fromkeys(sizes)}
        for axis, n in enumerate(sizes):
            moved = moved.take(orders[n], axis)
        each.append(moved.ravel()[places])
    return np.stack(each).T


def null_affinities(
    acts: Float[np.ndarray, "example neuron"],
    draws: int,
    generator: np.random.Generator,
    *,
    kind: str = "squared",
    grid: Int[np.ndarray, "example token"] | None = None,
    rows: Int[np.ndarray, " row"] | None = None,
) -> Float[np.ndarray, " value"]:
    """The largest affinities in all draws of `permuted` activations, as many as there are pairs, from the largest on.

    Example:
        >>> acts = np.random.default_rng(0).normal(size=(50, 4))
        >>> null_affinities(acts, 3, np.random.default_rng(1)).shape
        (6,)
    """
    pairs = np.triu_indices(acts.shape[1], 1)
    largest = np.zeros(0)
    for _ in range(draws):
        drawn = affinity_of(permuted(acts, generator, grid, rows), kind)[pairs]
        largest = np.sort(np.concatenate([largest, drawn]))[::-1][: len(drawn)]
    return largest


def link_threshold(
    affinity: Float[np.ndarray, "neuron neuron"],
    null: Float[np.ndarray, " value"],
    draws: int,
    rate: float = LINK_RATE,
) -> float:
    """The smallest affinity at which a pair counts as linked; inf if no pair does.

    False-discovery rate of links: ``(1 + n) / (1 + draws)``, with n the null affinities as large, is at most `rate`
    of the number of linked pairs. So a single link exceeds every draw, and of many links a share `rate` is by chance;
    where neurons are independent, any link at all is about `rate` likely (at 5 %, 4 to 8 % of networks of random
    weights have one).

    Args:
        null: Of `null_affinities`, from so many draws.

    Example:
        >>> affinity = np.array([[0, 0.9, 0.1], [0.9, 0, 0.2], [0.1, 0.2, 0]])
        >>> link_threshold(affinity, np.array([0.4, 0.3, 0.2]), 19)
        0.9
    """
    observed = np.sort(affinity[np.triu_indices(len(affinity), 1)])[::-1]
    observed = observed[observed > 0]
    as_large = np.searchsorted(-null, -observed, side="right")
    passed = (1 + as_large) / (1 + draws) <= rate * np.arange(1, len(observed) + 1) + 1e-12
    return float(observed[np.flatnonzero(passed)[-1]]) if passed.any() else float("inf")


def linked(
    affinity: Float[np.ndarray, "neuron neuron"], threshold: float
) -> Float[np.ndarray, "neuron neuron"]:
    """The affinity of pairs from a threshold on, 0 elsewhere.

    Example:
        >>> float(linked(np.array([[0.0, 0.2], [0.2, 0.0]]), 0.3).max())
        0.0
    """
    return np.where(affinity >= threshold, affinity, 0.0)


def partition(affinity: Float[np.ndarray, "neuron neuron"], seed: int = 0) -> Int[np.ndarray, " neuron"]:
    """The community of each neuron, by Louvain's method for weighted modularity (resolution 1).

    Communities are numbered from 0 by falling size, of equals by their first neuron; a neuron without any affinity is
    isolated, -1. Modularity does not resolve communities that are small beside the whole graph's weight; a pair of
    frequencies with a weak link may be one community. The partition is a local optimum, which depends on the seed.

    Example:
        >>> block = np.kron(np.eye(2), np.ones((3, 3))) - np.eye(6)
        >>> partition(np.pad(block, (0, 1))).tolist()
        [0, 0, 0, 1, 1, 1, -1]
    """
    result = np.full(len(affinity), -1)
    members = np.flatnonzero(affinity.any(1))
    if not len(members):
        return result
    import networkx

    graph = networkx.from_numpy_array(affinity[np.ix_(members, members)])
    groups = [sorted(group) for group in networkx.community.louvain_communities(graph, seed=seed)]
    for number, group in enumerate(sorted(groups, key=lambda one: (-len(one), one[0]))):
        result[members[group]] = number
    return result


def modularity(
    affinity: Float[np.ndarray, "neuron neuron"], community: Int[np.ndarray, " neuron"]
) -> float | None:
    """Newman's weighted modularity Q of a partition, in [-1/2, 1); None if no pair has an affinity.

    The share of affinity within communities beyond that of a graph with the same degrees. Isolated neurons, -1, are
    communities of their own.

    Example:
        >>> block = np.kron(np.eye(2), np.ones((3, 3))) - np.eye(6)
        >>> round(modularity(block, np.array([0, 0, 0, 1, 1, 1])), 6), modularity(0 * block, np.arange(6))
        (0.5, None)
    """
    total, degree = float(affinity.sum()), affinity.sum(1)
    if total == 0:
        return None
    own = np.where(community < 0, community.max(initial=-1) + 1 + np.arange(len(community)), community)
    within = sum(float(affinity[np.ix_(own == one, own == one)].sum()) for one in np.unique(own))
    expected = np.square(np.bincount(own, degree)).sum() / total**2
    return float(within / total - expected)


def dealt_modularity(
    affinity: Float[np.ndarray, "neuron neuron"], draws: int, generator: np.random.Generator
) -> Float[np.ndarray, " draw"]:
    """Modularity of the best partition when the same affinities are dealt anew among the pairs of connected neurons.

    The best partition of any sparse graph has a high Q: this is how high. The null is that affinities are exchangeable
    among pairs; correlations alone depart from it a little, as neurons that resemble a third resemble each other.
    Empty where there is nothing to deal: fewer than three connected neurons.

    Example:
        >>> block = np.kron(np.eye(2), np.ones((3, 3))) - np.eye(6)
        >>> bool(dealt_modularity(block, 5, np.random.default_rng(0)).max() < 0.5)
        True
    """
    members = np.flatnonzero(affinity.any(1))
    if len(members) < 3:
        return np.zeros(0)
    pairs = np.triu_indices(len(members), 1)
    weights = affinity[np.ix_(members, members)][pairs]
    values = []
    for _ in range(draws):
        dealt = np.zeros((len(members), len(members)))
        dealt[pairs] = generator.permutation(weights)
        dealt += dealt.T
        q = modularity(dealt, partition(dealt, int(generator.integers(2**31))))
        values.append(0.0 if q is None else q)
    return np.array(values)


class Agreement(NamedTuple):
    """Agreement of communities with labels.

    Attributes:
        ari: Adjusted Rand index: 1 for the same partition, 0 by chance.
        null_high: The 95th percentile of the index with labels shuffled.
        p_value: Share of shuffles, and the partition itself, with an index as high.
    """

    ari: float
    null_high: float
    p_value: float


def agreement(
    community: Int[np.ndarray, " neuron"],
    labels: Int[np.ndarray, " neuron"],
    generator: np.random.Generator,
    draws: int = 199,
) -> Agreement:
    """Adjusted Rand index of communities and labels, beside labels shuffled over the neurons.

    Isolated neurons, -1, are communities of their own. The p-value is exact where neurons are exchangeable.

    Example:
        >>> labels = np.repeat([3, 5, 8], 4)
        >>> result = agreement(np.repeat([0, 1, 2], 4), labels, np.random.default_rng(0))
        >>> result.ari, result.p_value
        (1.0, 0.005)
    """
    own = np.where(community < 0, community.max(initial=-1) + 1 + np.arange(len(community)), community)
    kinds, coded = np.unique(labels, return_inverse=True)
    groups, own = np.unique(own, return_inverse=True)
    table = np.zeros((len(kinds), len(groups)), int)
    np.add.at(table, (coded, own), 1)
    by_label, by_group, total = (
        float((n * (n - 1)).sum()) for n in (table.sum(1), table.sum(0), np.array([len(own)]))
    )
    chance = by_label * by_group / total if total else 0.0
    most = (by_label + by_group) / 2

    if most == chance:
        return Agreement(1.0, 1.0, 1.0)
    orders = [np.arange(len(own)), *(generator.permutation(len(own)) for _ in range(draws))]
    cells = (np.bincount(coded[order] * len(groups) + own) for order in orders)
    observed, *null = [(float((n * (n - 1)).sum()) - chance) / (most - chance) for n in cells]
    p_value = float((1 + (np.array(null) >= observed - 1e-12).sum()) / (1 + draws))
    return Agreement(observed, float(np.quantile(null or [0.0], 0.95)), p_value)

"""Sets of the most active neurons, one an example: their overlaps, and the overlaps that neurons' own rates explain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

BURN_IN, THINNING = 30, 6
"""Rounds of trades before the first draw of `traded`, and between two draws."""


def most_active(
    values: Float[np.ndarray, "example neuron"], active: int, generator: np.random.Generator
) -> tuple[Bool[np.ndarray, "example neuron"], int]:
    """The neurons with the largest values of each example, and the number of examples where a tie decided.

    Ties are broken at random, for each example anew: a fixed order would give examples neurons in common.

    Args:
        active: Neurons of each example, from 1 to all but one.

    Raises:
        ValueError: The number is out of range, or a value is nan.

    Example:
        >>> sets, ties = most_active(np.array([[3.0, 1.0, 2.0], [1.0, 1.0, 5.0]]), 2, np.random.default_rng(0))
        >>> sets[0].tolist(), int(sets[1].sum()), ties
        ([True, False, True], 2, 1)
    """
    if not 1 <= active < values.shape[1]:
        raise ValueError(f"active={active}; expected 1 to {values.shape[1] - 1}")
    if np.isnan(values).any():
        raise ValueError("a value is nan")
    order = generator.permuted(np.broadcast_to(np.arange(values.shape[1]), values.shape), axis=1)
    ranks = np.argsort(-np.take_along_axis(values, order, 1), axis=1, kind="stable")
    ranked = np.take_along_axis(order, ranks, 1)
    sets = np.zeros(values.shape, bool)
    np.put_along_axis(sets, ranked[:, :active], True, 1)
    border, beyond = (np.take_along_axis(values, ranked[:, i : i + 1], 1) for i in (active - 1, active))
    return sets, int((border == beyond).sum())


def overlaps(sets: Bool[np.ndarray, "example neuron"]) -> Int[np.ndarray, "example example"]:
    """Neurons that each two examples share.

    Example:
        >>> overlaps(np.array([[True, True, False], [False, True, True]])).tolist()
        [[2, 1], [1, 2]]
    """
    as_numbers = sets.astype(np.float32)
    return np.rint(as_numbers @ as_numbers.T).astype(np.int64)


def pairs_of(square: np.ndarray) -> np.ndarray:
    """Entries above the diagonal, one for each pair.

    Example:
        >>> pairs_of(np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0]])).tolist()
        [1, 2, 3]
    """
    return np.asarray(square[np.triu_indices(len(square), 1)])


def traded(
    sets: Bool[np.ndarray, "example neuron"],
    stratum: Int[np.ndarray, " example"],
    draws: int,
    generator: np.random.Generator,
) -> Iterator[Bool[np.ndarray, "example neuron"]]:
    """Random sets of the same sizes, each neuron in as many of every stratum as before: the activity-matched null.

    Global curveball trades (Strona et al. 2014; Carstens, Berger and Strona 2018): in each round the examples of a
    stratum are paired at random, and each pair shuffles the neurons that only one of the two has. The chain is uniform
    over such matrices in the limit; it takes 30 rounds before the first draw and 6 between two.

    Example:
        >>> sets = np.random.default_rng(0).random((20, 30)) < 0.2
        >>> drawn = next(traded(sets, np.zeros(20, int), 1, np.random.default_rng(1)))
        >>> [bool((drawn.sum(axis) == sets.sum(axis)).all()) for axis in (0, 1)], bool((drawn == sets).all())
        ([True, True], False)
    """
    now = sets.copy()
    for draw in range(draws):
        for _ in range(THINNING if draw else BURN_IN):
            _trade(now, stratum, generator)
        yield now.copy()


def _trade(
    sets: Bool[np.ndarray, "example neuron"],
    stratum: Int[np.ndarray, " example"],
    generator: np.random.Generator,
) -> None:
    """One round of trades, in place."""
    order = generator.permutation(len(sets))
    order = order[np.argsort(stratum[order], kind="stable")]
    sorted_strata = stratum[order]
    place = np.arange(len(order)) - np.searchsorted(sorted_strata, sorted_strata)
    starts = np.flatnonzero((place[:-1] % 2 == 0) & (sorted_strata[:-1] == sorted_strata[1:]))
    one, other = order[starts], order[starts + 1]
    first, second = sets[one], sets[other]
    single = first ^ second
    own = (first & single).sum(1)
    keys = np.where(single, generator.random(single.shape), 2.0)
    limit = np.take_along_axis(np.sort(keys, axis=1), np.maximum(own - 1, 0)[:, None], 1)
    given = (keys <= limit) & (own > 0)[:, None]
    both = first & second
    sets[one], sets[other] = both | given, both | (single & ~given)


@dataclass(frozen=True, eq=False)
class MatchedOverlaps:
    """Overlaps of some pairs of examples, beside draws of `traded`.

    Attributes:
        observed: Of each pair.
        drawn: The mean over the pairs in each draw.
        p_value: Of a mean at least as large, one-sided: (1 + draws as large) / (1 + draws).
        p_fewer: The same of a mean at least as small.
        pair_p: Of each pair's overlap at least as large, against all pairs of examples of all draws.
    """

    observed: Int[np.ndarray, " pair"]
    drawn: Float[np.ndarray, " draw"]
    p_value: float
    p_fewer: float
    pair_p: Float[np.ndarray, " pair"]


Pairs = tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]
"""The first and the second example of each pair."""


def matched_overlaps(
    sets: Bool[np.ndarray, "example neuron"],
    groups: Mapping[str, Pairs],
    stratum: Int[np.ndarray, " example"],
    draws: int,
    generator: np.random.Generator,
) -> tuple[dict[str, MatchedOverlaps], Float[np.ndarray, " overlap"]]:
    """Overlaps of groups of pairs, against sets in which each neuron is active for as many examples of each stratum.

    The null keeps every neuron's rate over *all* the examples given, so that a group's mean overlap can differ from it:
    over the pairs of all examples the rates fix that mean. Give the examples of interest together with as many, of the
    same strata, that they are to be compared with.

    Assumes that neurons are active independently of each other, but for their rates. Where they are active in groups,
    draws vary less than exchangeable examples do and p is too small: `membership_test` then decides. P-values of pairs
    assume that all sets have one size.

    Args:
        groups: Pairs of examples, by name.
        stratum: Of each example, such as its label; see `traded`.
        draws: Of the null; a p-value of a group is never below 1 / (1 + draws).

    Returns:
        By group, and the share of all pairs of all draws with each overlap from 0 on.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> values = rng.normal(size=(40, 100)) + rng.normal(size=100)  # some neurons are active for everybody
        >>> sets, _ = most_active(values, 10, rng)
        >>> groups, _ = matched_overlaps(sets, {"first": np.triu_indices(20, 1)}, np.zeros(40, int), 99, rng)
        >>> float(groups["first"].observed.mean()) > 2 * 10 * 10 / 100, groups["first"].p_value > 0.01
        (True, True)
    """
    square, size = overlaps(sets), int(sets.sum(1).max()) + 1
    observed = {name: square[pairs] for name, pairs in groups.items()}
    means = {name: np.empty(draws) for name in groups}
    counts = np.zeros(size, np.int64)
    for draw, drawn in enumerate(traded(sets, stratum, draws, generator)):
        square = overlaps(drawn)
        counts += np.bincount(pairs_of(square), minlength=size)
        for name, pairs in groups.items():
            means[name][draw] = square[pairs].mean()
    as_large, total = counts[::-1].cumsum()[::-1], counts.sum()
    results = {}
    for name, own in observed.items():
        pair_p = (1 + as_large[own]) / (1 + total)
        results[name] = MatchedOverlaps(own, means[name], *_tails(float(own.mean()), means[name]), pair_p)
    return results, counts / total


def membership_test(
    square: Int[np.ndarray, "example example"],
    first: Bool[np.ndarray, " example"],
    stratum: Int[np.ndarray, " example"],
    draws: int,
    generator: np.random.Generator,
) -> tuple[float, float, float]:
    """Mean overlap within the first examples minus that within the others, with one-sided p-values by permutation.

    Which examples are the first is permuted within strata, such as examples of one class. The null is that examples of
    a stratum are exchangeable.

    Args:
        square: `overlaps` of all examples.
        draws: Permutations; p is never below 1 / (1 + draws).

    Returns:
        The difference, the p-value of one as large, and that of one as small.

    Example:
        >>> square = overlaps(np.kron(np.eye(2), np.ones((6, 4))) > 0)
        >>> membership_test(square, np.arange(12) < 6, np.zeros(12, int), 99, np.random.default_rng(0))[0]
        0.0
    """
    members = np.empty((draws + 1, len(first)))
    members[0] = first
    keys = generator.random((draws, len(first)))
    for one in np.unique(stratum):
        inside = np.flatnonzero(stratum == one)
        order = keys[:, inside].argsort(1)
        members[1:, inside] = first[inside][order]
    pairs = square * (1.0 - np.eye(len(first)))
    statistic = _mean_within(pairs, members) - _mean_within(pairs, 1 - members)
    return float(statistic[0]), *_tails(float(statistic[0]), statistic[1:])


def _tails(observed: float, drawn: Float[np.ndarray, " draw"]) -> tuple[float, float]:
    """One-sided p-values of a value as large, and as small, as the observed one, which counts as a draw."""
    as_large, as_small = (int(count.sum()) for count in (drawn >= observed - 1e-9, drawn <= observed + 1e-9))
    return (1 + as_large) / (1 + len(drawn)), (1 + as_small) / (1 + len(drawn))


def _mean_within(pairs: np.ndarray, members: np.ndarray) -> np.ndarray:
    size = members.sum(1)
    return np.asarray(((members @ pairs) * members).sum(1) / (size * (size - 1)))


def similarity_preservation(
    similarity: Float[np.ndarray, "example example"],
    square: Int[np.ndarray, "example example"],
    draws: int,
    generator: np.random.Generator,
) -> tuple[float | None, float | None]:
    """Spearman's correlation of the similarity of two inputs with the overlap of their sets, and its p-value.

    The p-value is of a Mantel test (1967), one-sided: pairs that share an example are not independent, so examples are
    permuted, not pairs. (None, None) where all similarities or all overlaps are equal.

    Returns:
        In [-1, 1], and at least 1 / (1 + draws).

    Example:
        >>> place = np.arange(12.0)
        >>> near = -np.abs(place[:, None] - place)
        >>> sets = np.abs(place[:, None] - np.arange(12)) <= 2
        >>> rho, p = similarity_preservation(near, overlaps(sets), 99, np.random.default_rng(0))
        >>> rho > 0.8, p
        (True, 0.01)
    """
    from scipy.stats import rankdata

    first, second = rankdata(pairs_of(similarity)), rankdata(pairs_of(square))
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None, None
    ranked = np.zeros(square.shape)
    ranked[np.triu_indices(len(square), 1)] = (second - second.mean()) / second.std() / len(second)
    ranked += ranked.T
    above, first = np.triu_indices(len(square), 1), (first - first.mean()) / first.std()
    values = np.empty(draws + 1)
    for draw in range(draws + 1):
        order = np.arange(len(square)) if draw == 0 else generator.permutation(len(square))
        values[draw] = first @ ranked[np.ix_(order, order)][above]
    return float(values[0]), _tails(float(values[0]), values[1:])[0]

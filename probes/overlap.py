"""Overlap of two sets of units: how often chance gives as large a one, exactly; unions of patterns; matched strata."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

DISTINCT = 1.0
"""Sets are drawn by rejection while their size, squared, is at most this many times the number of units."""
CHUNK = 2**24  # numbers drawn at a time


def overlap_tail(n: int, active: int, sampled: int, threshold: int) -> float:
    """P(overlap >= threshold) of a set of ``sampled`` units with ``active`` ones drawn uniformly from ``n``.

    The hypergeometric tail, the probability of a false match between sparse patterns (Ahmad and Hawkins, arXiv
    1601.00720): the sum over b >= threshold of C(s, b) C(n - s, a - b) / C(n, a), in log space, so that tails below the
    smallest double are 0 and no sooner. Assumes that all units are equally likely; those of a network seldom are.

    Raises:
        ValueError: A size is negative or above n.

    Example:
        >>> round(overlap_tail(1024, 20, 20, 4), 6)
        0.000421
    """
    _check_sizes(n, active, sampled)
    return float(np.exp(log_overlap_tail(n, active, sampled, threshold)))


def log_overlap_tail(n: int, active: int, sampled: int, threshold: int) -> float:
    """Natural logarithm of `overlap_tail`; -inf where so large an overlap cannot be.

    Example:
        >>> round(log_overlap_tail(4096, 80, 80, 60), 1)
        -224.7
    """
    from scipy.special import logsumexp
    from scipy.stats import hypergeom

    _check_sizes(n, active, sampled)
    least, most = max(0, active + sampled - n), min(active, sampled)
    if threshold <= least:
        return 0.0
    if threshold > most:
        return float("-inf")
    terms = hypergeom.logpmf(np.arange(threshold, most + 1), n, active, sampled)
    return min(0.0, float(logsumexp(terms)))


def overlap_distribution(n: int, active: int, sampled: int) -> Float[np.ndarray, " overlap"]:
    """Probabilities of the overlaps 0, 1, … up to the smaller set's size.

    Example:
        >>> overlap_distribution(4, 2, 2).round(3).tolist()
        [0.167, 0.667, 0.167]
    """
    from scipy.stats import hypergeom

    _check_sizes(n, active, sampled)
    return np.asarray(hypergeom.pmf(np.arange(min(active, sampled) + 1), n, active, sampled), float)


def any_match(tail: float, patterns: int) -> float:
    """P(at least one of so many patterns matches), 1 - (1 - P)^M: exact where they are drawn independently.

    It is only an approximation of a match with their union, where units of several patterns add up: see `union_tail`.

    Example:
        >>> round(any_match(1e-12, 1000), 12)
        1e-09
    """
    with np.errstate(divide="ignore"):
        return float(-np.expm1(patterns * np.log1p(-tail)))


def union_tail(n: int, active: int, sampled: int, threshold: int, patterns: int) -> float:
    """P(overlap >= threshold) of a set of ``sampled`` units with the union of independent patterns of ``active`` units.

    Exact: each further pattern covers a hypergeometric number of the units that no pattern before it covered, a Markov
    chain whose states are the numbers of covered units.

    Raises:
        ValueError: A size is negative or above n, or there is no pattern.

    Example:
        >>> round(union_tail(1024, 20, 20, 4, 1) / overlap_tail(1024, 20, 20, 4), 9)
        1.0
        >>> union_tail(1024, 20, 20, 4, 10) > 10 * any_match(overlap_tail(1024, 20, 20, 4), 10)
        True
    """
    from scipy.stats import hypergeom

    _check_sizes(n, active, sampled)
    if patterns < 1:
        raise ValueError(f"patterns={patterns}; expected at least 1")
    step = np.zeros((sampled + 1, sampled + 1))
    for covered in range(sampled + 1):
        left = sampled - covered
        step[covered, covered:] = hypergeom.pmf(np.arange(left + 1), n, left, active)
    reached = np.linalg.matrix_power(step, patterns)[0]
    return float(min(1.0, reached[max(threshold, 0) :].sum()))


def matched_tail(
    first: Bool[np.ndarray, " neuron"],
    second: Bool[np.ndarray, " neuron"],
    stratum: Int[np.ndarray, " neuron"],
) -> tuple[float, float]:
    """P(overlap at least as large), and expected overlap, where one set is drawn anew within each stratum.

    Both sets keep their number of neurons in every stratum, so that what they share because both hold, say, the most
    active neurons counts as chance. Exact: a convolution of hypergeometric distributions. With one stratum it is
    `overlap_tail`.

    Example:
        >>> first, second = np.arange(8) < 4, np.arange(8) % 4 < 2
        >>> p, expected = matched_tail(first, second, np.zeros(8, int))
        >>> round(p, 3), expected
        (0.757, 2.0)
    """
    shared, expected = int((first & second).sum()), 0.0
    total = np.ones(1)
    for one in np.unique(stratum):
        inside = stratum == one
        n, a, s = int(inside.sum()), int(first[inside].sum()), int(second[inside].sum())
        expected += a * s / n
        total = np.convolve(total, overlap_distribution(n, a, s))
    return float(min(1.0, total[shared:].sum())), expected


def random_sets(
    n: int, size: int, draws: int, generator: np.random.Generator
) -> Int[np.ndarray, "draw size"]:
    """Sets of distinct units, drawn uniformly: by rejection where that is quick, else from random orders.

    Example:
        >>> random_sets(6, 6, 1, np.random.default_rng(0)).sum().item()
        15
    """
    _check_sizes(n, size, size)
    by_rejection = size**2 <= DISTINCT * n
    parts, missing = [np.zeros((0, size), np.int32)], draws
    while missing > 0:
        some = min(2 * missing, max(1, CHUNK // max(size if by_rejection else n, 1)))
        if by_rejection:
            units = generator.integers(n, size=(some, size), dtype=np.int32)
            units.sort(axis=1)
            units = units[(np.diff(units, axis=1) > 0).all(1)][:missing]
        else:
            orders = generator.random((min(some, missing), n), dtype=np.float32)
            units = np.argsort(orders, axis=1)[:, :size].astype(np.int32)
        parts.append(units)
        missing -= len(units)
    return np.concatenate(parts)


def sampled_overlaps(
    n: int, active: int, sampled: int, draws: int, generator: np.random.Generator
) -> Int[np.ndarray, " draw"]:
    """Overlaps of a fixed set with random sets of distinct units, of these sizes: the Monte-Carlo check.

    Units are drawn one by one, and no formula of the overlap is used. The smaller set is the one that is drawn.

    Example:
        >>> overlaps = sampled_overlaps(50, 10, 10, 4000, np.random.default_rng(0))
        >>> abs(float(overlaps.mean()) - 10 * 10 / 50) < 0.1
        True
    """
    _check_sizes(n, active, sampled)
    smaller, fixed = sorted((active, sampled))
    step = max(1, CHUNK // max(smaller, 1))
    parts = [
        (random_sets(n, smaller, min(step, draws - start), generator) < fixed).sum(1)
        for start in range(0, draws, step)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _check_sizes(n: int, active: int, sampled: int) -> None:
    if not (0 <= active <= n and 0 <= sampled <= n):
        raise ValueError(f"n={n}, active={active}, sampled={sampled}; expected sizes from 0 to n")

"""Distributions of scores for random weights, and the significance of a neuron's score against them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float

from probes.periodicity import ipr
from probes.spectrum import ONE_SIDED, Convention

CHUNK = 2**20  # numbers drawn at a time by the Monte Carlo
KNOTS = 4_096
CANCELS = np.log(3e6)  # a larger term of Fisher's alternating sum costs more digits than 1 - p has


def fisher_tail(g: Float[np.ndarray, " vector"], m: int) -> Float[np.ndarray, " vector"]:
    """P(G > g) for the share G of the largest of m independent exponentials: Fisher's exact g-test (1929).

    Such are the interior ordinates, 1..m = (n-1)//2, of the periodogram of n independent Gaussian numbers of one
    variance, with any mean. The highest frequency of an even n has another distribution. The test looks for *one*
    frequency: strong harmonics make p larger. None is possible below n = 5. Accurate to a relative error of 1e-9 for
    small p-values, an absolute one of 1e-6 near 1. Assumes g in [1/m, 1].

    Example:
        >>> fisher_tail(np.array([0.5, 1.0]), 2).tolist()
        [1.0, 0.0]
    """
    order = np.argsort(g)
    g = g[order]
    tail, largest = np.zeros_like(g), np.full_like(g, -np.inf)
    log_choose = 0.0
    last = min(m, int(1 / g[0])) if g.size else 0
    for j in range(1, last + 1):
        log_choose += np.log((m - j + 1) / j)
        inside = np.searchsorted(j * g, 1.0)
        # With one ordinate the exponent is 0: its share is 1 and so is the tail.
        term = log_choose + (m - 1) * np.log1p(-j * g[:inside]) if m > 1 else np.zeros(g.size)
        part = slice(0, len(term))
        tail[part] += np.exp(term) if j % 2 else -np.exp(term)
        np.maximum(largest[part], term, out=largest[part])
    p = np.empty_like(g)
    p[order] = np.where(largest > CANCELS, 1.0, np.clip(tail, 0, 1))
    return p


@lru_cache(maxsize=32)
def _log_tail(m: int) -> np.ndarray:
    """`fisher_tail`'s logarithm between evenly spaced g from 1/m to 1/2; beyond, one term of the sum is left.

    Coefficients ``(knot, power)`` of the cubic through four neighbouring knots, in the distance from the second, which
    is below 1 but at both ends of the table.
    """
    table = np.log(fisher_tail(np.linspace(1 / m, 0.5, KNOTS), m))
    knot = np.clip(np.arange(KNOTS), 1, KNOTS - 3)
    before, at, after, later = (table[knot + i] for i in (-1, 0, 1, 2))
    slope = after - before / 3 - at / 2 - later / 6
    bend = (before + after) / 2 - at
    return np.stack([at, slope, bend, (later - before) / 6 + (at - after) / 2], axis=1)


def quick_fisher_tail(g: Float[np.ndarray, " vector"], m: int) -> Float[np.ndarray, " vector"]:
    """`fisher_tail` to a relative error below 1e-6, several times faster; for scores that are no more exact.

    Example:
        >>> g = np.array([0.08, 0.2, 0.6])
        >>> bool(np.allclose(quick_fisher_tail(g, 48), fisher_tail(g, 48), rtol=1e-7, atol=0))
        True
    """
    if m < 3 or not g.size:
        return fisher_tail(g, m)
    low = 1 / m
    place = (np.minimum(g, 0.5) - low) * ((KNOTS - 1) / (0.5 - low))
    knot = np.clip(place.astype(np.int64), 1, KNOTS - 3)
    t = place - knot
    at, slope, bend, cubic = _log_tail(m).take(knot, axis=0).T
    tail = np.exp(at + t * (slope + t * (bend + t * cubic)))
    large = g >= 0.5
    if large.any():
        with np.errstate(divide="ignore"):
            tail[large] = np.exp(np.log(m) + (m - 1) * np.log1p(-np.minimum(g[large], 1.0)))
    return np.minimum(tail, 1.0)


def stretched(
    p: Float[np.ndarray, "*network neuron"], drawn: Float[np.ndarray, "*network draw"]
) -> Float[np.ndarray, "*network neuron"]:
    """p-values with the exponent that makes those of draws from their own null uniform; never smaller than before.

    Fisher's test is exact for Gaussian weights. Those of trained networks often have two values or so: then -log p of
    the same weights in random order is still close to exponential, with a mean above 1, by which it is divided. nan
    are left out.

    Example:
        >>> drawn = np.random.default_rng(0).random((1, 999)) ** 1.5
        >>> stretched(np.array([[0.001, 0.5]]), drawn).round(3).tolist()
        [[0.008, 0.616]]
    """
    with np.errstate(divide="ignore"):
        known, size = ~np.isnan(drawn), -np.log(np.where(np.isnan(drawn), 1.0, np.maximum(drawn, 1e-300)))
    mean = size.sum(-1) / np.maximum(known.sum(-1), 1)
    return p ** (1 / np.maximum(mean, 1.0))[..., None]


def combine(p: Float[np.ndarray, "neuron vector"]) -> Float[np.ndarray, " neuron"]:
    """One p-value for each neuron from those of its live vectors (Fisher's method, 1925); nan where all are dead.

    Assumes that the vectors are independent under the null, which tied weights are not.

    Example:
        >>> combine(np.array([[0.01, 0.02, np.nan], [np.nan, 0.5, np.nan]])).round(6).tolist()
        [0.001903, 0.5]
    """
    live = ~np.isnan(p)
    with np.errstate(divide="ignore"):
        statistic = -np.where(live, np.log(np.where(live, p, 1)), 0).sum(1)  # half of a chi-square with 2k
    k = live.sum(1)
    term, series = np.ones(len(p)), np.ones(len(p))
    for i in range(1, p.shape[1]):  # the tail of a chi-square with an even number of degrees of freedom
        term = term * statistic / i
        series += np.where(i < k, term, 0)
    with np.errstate(invalid="ignore"):
        tail = np.where(np.isinf(statistic), 0, np.minimum(np.exp(-statistic) * series, 1))
    return np.where(k > 0, tail, np.nan)


def _noise_power(n: int, convention: Convention, n_draws: int, generator: np.random.Generator) -> np.ndarray:
    """Power of white Gaussian noise: ordinates are independent, exponential or (at both ends) chi-square."""
    columns = [generator.standard_exponential((n_draws, (n - 1) // 2))]
    if convention.sided == "two":
        columns.append(columns[0])
    if n % 2 == 0:
        columns.append(generator.standard_normal((n_draws, 1)) ** 2)
    if convention.constant == "keep":
        columns.append(generator.standard_normal((n_draws, 1)) ** 2)
    return np.concatenate(columns, axis=1)


@lru_cache(maxsize=32)
def null_scores(
    n_positions: tuple[int, ...], convention: Convention = ONE_SIDED, n_draws: int = 20_000, seed: int = 0
) -> Float[np.ndarray, " draw"]:
    """The distribution of a random neuron's IPR: the mean over its vectors, with i.i.d. Gaussian entries.

    For p=97, three vectors, one-sided with the constant kept: mean .040, 99.9 % below .058. Weights at their
    initialisation follow it whatever their scale; weights after training need not be Gaussian, so a score above it says
    "not random", not "general". No p-value can be below 1/(n_draws + 1). Scores ascend, in (0, 1]; equal arguments give
    the same array back, which is read-only.

    Raises:
        ValueError: No vector, a vector too short to have a frequency, no draws, or a negative seed.

    Example:
        >>> null = null_scores((97, 97, 97), Convention(constant="keep"))
        >>> round(float(null.mean()), 3)
        0.04
    """
    if not n_positions or min(n_positions) < 2:
        raise ValueError(
            f"n_positions={n_positions}; expected at least one vector, each of 2 positions or more"
        )
    if n_draws < 1 or seed < 0:
        raise ValueError(
            f"n_draws={n_draws}, seed={seed}; expected at least one draw and a seed of 0 or more"
        )
    generator, scores = np.random.default_rng(seed), np.zeros(n_draws)
    step = max(1, CHUNK // max(n_positions))
    for start in range(0, n_draws, step):
        part = scores[start : start + step]
        for n in n_positions:
            part += ipr(_noise_power(n, convention, len(part), generator), convention.r)
    scores /= len(n_positions)
    scores.sort()
    scores.flags.writeable = False
    return scores


def null_p_values(
    scores: Float[np.ndarray, " neuron"], null: Float[np.ndarray, " draw"]
) -> Float[np.ndarray, " neuron"]:
    """Monte Carlo p-values, (1 + number of null scores that are as high) / (1 + number of null scores); nan stays nan.

    Assumes that the null scores ascend, as those of `null_scores` do.

    Example:
        >>> null_p_values(np.array([0.5, 0.1, np.nan]), np.array([0.1, 0.2, 0.3])).tolist()
        [0.25, 1.0, nan]
    """
    as_high = len(null) - np.searchsorted(null, scores, side="left")
    return np.where(np.isnan(scores), np.nan, (1 + as_high) / (1 + len(null)))


def benjamini_hochberg(p: Float[np.ndarray, " neuron"]) -> Float[np.ndarray, " neuron"]:
    """q-values: the false-discovery rate of calling every neuron with this or a smaller p-value a discovery.

    Benjamini and Hochberg 1995; valid for independent or positively dependent neurons. A nan is not counted among the
    tests, and stays nan.

    Raises:
        ValueError: A p-value is outside [0, 1].

    Example:
        >>> benjamini_hochberg(np.array([0.01, np.nan, 0.04])).tolist()
        [0.02, nan, 0.04]
    """
    if not ((p >= 0) & (p <= 1) | np.isnan(p)).all():
        raise ValueError(f"p-values from {np.nanmin(p)} to {np.nanmax(p)}; expected 0 to 1")
    order = np.argsort(p)  # nan last
    ranked = p[order[: len(p) - np.isnan(p).sum()]]
    ranked *= len(ranked) / np.arange(1, len(ranked) + 1)
    q = np.full(p.shape, np.nan)
    q[order[: len(ranked)]] = np.minimum(np.minimum.accumulate(ranked[::-1])[::-1], 1)
    return q

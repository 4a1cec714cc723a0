"""Agreement of a score with another one, or with what is known of the neurons: their kind or causal effect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

CHUNK = 2**21  # numbers held at a time by the bootstrap
FEWEST = 3  # neurons of a rank correlation


@dataclass(frozen=True)
class Agreement:
    """An area under the curve with its bootstrap interval.

    Attributes:
        auc: Probability that a positive neuron scores higher than a negative one, in [0, 1]; .5 is chance.
            None without neurons of both kinds.
        n_positive, n_negative: Neurons of each kind with a score.
    """

    auc: float | None
    low: float | None
    high: float | None
    n_positive: int
    n_negative: int


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rank correlation in [-1, 1] with its bootstrap interval.

    Each is None where it is not defined: below three neurons, as any two are ranked perfectly, or for a constant score.
    """

    rho: float | None
    low: float | None
    high: float | None


def _scored(score: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if score.shape != positive.shape:
        raise ValueError(f"{score.shape} scores for {positive.shape} truths; expected one for each neuron")
    live = ~np.isnan(score)
    return score[live], positive[live]


def auc(score: Float[np.ndarray, " neuron"], positive: Bool[np.ndarray, " neuron"]) -> float | None:
    """Area under the receiver operating characteristic, in [0, 1]; ties count half. None without neurons of both kinds.

    Neurons whose score is nan are dropped, so a score that is nan for the hard neurons looks better than it is: compare
    `Agreement.n_positive` as well.

    Raises:
        ValueError: The lengths differ.

    Example:
        >>> auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
        0.75
    """
    score, positive = _scored(score, positive)
    if positive.all() or not positive.any():
        return None
    distinct, codes = np.unique(score, return_inverse=True)
    high, low = (np.bincount(codes[of_kind], minlength=len(distinct)) for of_kind in (positive, ~positive))
    return float(_area(high, low))


def _area(
    high: Int[np.ndarray, "*sample code"], low: Int[np.ndarray, "*sample code"]
) -> Float[np.ndarray, "*sample"] | np.float64:
    """The area from how often positive and negative neurons have each distinct score (Mann and Whitney 1947)."""
    beaten = low.cumsum(-1) - 0.5 * low
    return (high * beaten).sum(-1) / (high.sum(-1) * low.sum(-1))


def _resampled(codes: np.ndarray, n_codes: int, n_boot: int, generator: np.random.Generator) -> np.ndarray:
    """Count of each code in each bootstrap sample, ``(n_boot, n_codes)``."""
    drawn = codes[generator.integers(0, len(codes), (n_boot, len(codes)))]
    drawn += n_codes * np.arange(n_boot)[:, None]
    return np.bincount(drawn.ravel(), minlength=n_boot * n_codes).reshape(n_boot, n_codes)


def _bootstrap(score: np.ndarray, positive: np.ndarray, n_boot: int, seed: int) -> np.ndarray:
    """The area in each stratified bootstrap sample, from Mann-Whitney counts over the distinct scores."""
    distinct, codes = np.unique(score, return_inverse=True)
    n_codes, generator = len(distinct), np.random.default_rng(seed)
    areas, step = np.empty(n_boot), max(1, CHUNK // len(score))
    for start in range(0, n_boot, step):
        size = min(step, n_boot - start)
        high = _resampled(codes[positive], n_codes, size, generator)
        low = _resampled(codes[~positive], n_codes, size, generator)
        areas[start : start + size] = _area(high, low)
    return areas


def agreement(
    score: Float[np.ndarray, " neuron"],
    positive: Bool[np.ndarray, " neuron"],
    n_boot: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Agreement:
    """`auc` with a percentile interval of the stratified bootstrap over neurons (Efron 1979).

    The interval is about *these* networks' neurons, not about other seeds; it is too narrow for a handful of neurons,
    and of no width where the kinds are separated completely. A score of nan is dropped.

    Raises:
        ValueError: The lengths differ, or an argument is out of range.

    Example:
        >>> agreement(np.array([0.1, 0.2, 0.9, 0.8]), np.array([False, False, True, True]))
        Agreement(auc=1.0, low=1.0, high=1.0, n_positive=2, n_negative=2)
    """
    if n_boot < 1 or not 0 < confidence < 1 or seed < 0:
        raise ValueError(
            f"n_boot={n_boot}, confidence={confidence}, seed={seed}; expected 1 or more samples, "
            "a confidence between 0 and 1, and a seed of 0 or more"
        )
    score, positive = _scored(score, positive)
    n_positive = int(positive.sum())
    area = auc(score, positive)
    if area is None:
        return Agreement(None, None, None, n_positive, len(positive) - n_positive)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(_bootstrap(score, positive, n_boot, seed), tails)
    return Agreement(area, float(low), float(high), n_positive, len(positive) - n_positive)


def rank_correlation(
    x: Float[np.ndarray, " neuron"],
    y: Float[np.ndarray, " neuron"],
    *,
    n_boot: int = 1000,
    seed: int = 0,
) -> RankCorrelation:
    """Spearman's rank correlation (1904) over the neurons where neither is nan, with a 95 % percentile bootstrap.

    Without bootstrap samples there is no interval.

    Raises:
        ValueError: The lengths differ.

    Example:
        >>> rank_correlation(np.arange(9.0), np.arange(9.0) ** 3, n_boot=50)
        RankCorrelation(rho=1.0, low=1.0, high=1.0)
    """
    x, y = _scored(x, y)
    pairs = np.stack(_scored(y, x)[::-1])
    n = pairs.shape[1]
    if n < FEWEST or (pairs == pairs[:, :1]).all(axis=1).any():
        return RankCorrelation(None, None, None)
    rho = float(np.clip(_spearman(pairs[:, None])[0], -1, 1))
    drawn = np.random.default_rng(seed).integers(0, n, (n_boot, n))
    samples = _spearman(pairs[:, drawn]) if n_boot else np.array([])
    samples = samples[np.isfinite(samples)]
    if not len(samples):
        return RankCorrelation(rho, None, None)
    low, high = np.quantile(samples, [0.025, 0.975])
    return RankCorrelation(rho, float(low), float(high))


def _spearman(pairs: Float[np.ndarray, "two sample neuron"]) -> Float[np.ndarray, " sample"]:
    """The rank correlation in each sample; nan where a score is the same everywhere."""
    from scipy.stats import rankdata  # takes half a second to import

    ranks = rankdata(pairs, axis=-1)
    ranks = ranks - ranks.mean(axis=-1, keepdims=True)
    size = np.sqrt(np.square(ranks).sum(axis=-1).prod(axis=0))
    return (ranks[0] * ranks[1]).sum(axis=-1) / np.where(size > 0, size, np.nan)

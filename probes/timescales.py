"""Activity along time: autocorrelation, the timescale of its decay, and rhythms above first-order noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.fft
from jaxtyping import Float
from scipy import special

from probes.spectrum import is_flat

FEWEST_STEPS = 8
FEWEST_VALUES = 100
"""Of examples times steps, from which a neuron's activity is scored."""
CHUNK = 2**22  # numbers of activity that are transformed at a time
SHORTEST = 0.2  # steps; activity that forgets faster has this timescale
GRID = 400  # timescales that the fit tries, log-spaced
ROUNDING = 1e-12  # of the squares of activity: less change from step to step is none
_LARGEST_ROOT = 0.999  # of a first-order process that is still stationary


def autocorrelation(acts: Float[np.ndarray, "example time neuron"]) -> Float[np.ndarray, "neuron lag"]:
    """Correlation of each neuron's activity with itself some steps later, by lags 0 to half the number of steps.

    The mean over examples is removed at each step, so that a time course that all examples share counts for nothing;
    with a single example, the mean over time, which makes values too low by about twice the timescale in steps over
    the number of steps. Covariances are unbiased: divided by the pairs of steps that are so far apart, and by one
    example fewer than there are. Each is divided by the variance over all steps, for a process that is stationary; nan
    for a neuron whose activity never differs.

    Example:
        >>> alternating = np.array([1.0, -1.0] * 5)
        >>> autocorrelation(np.stack([alternating, -alternating])[:, :, None]).round(6).tolist()
        [[1.0, -1.0, 1.0, -1.0, 1.0, -1.0]]
    """
    n, steps, width = acts.shape
    lags = steps // 2 + 1
    correlation = np.full((width, lags), np.nan)
    for chosen in _chunks(acts):
        part = acts[..., chosen].astype(np.float64)
        flat = _never_differs(part)
        part -= part.mean(0 if n > 1 else 1, keepdims=True)
        transformed = scipy.fft.rfft(part, 2 * steps, axis=1)
        power = (transformed.real**2 + transformed.imag**2).sum(0)
        sums = scipy.fft.irfft(power, axis=0)[:lags]
        covariance = (sums / (steps - np.arange(lags))[:, None]).T
        covariance[flat] = np.nan
        with np.errstate(invalid="ignore", divide="ignore"):
            correlation[chosen] = covariance / covariance[:, :1]
    return correlation


def timescales(acts: Float[np.ndarray, "example time neuron"]) -> Float[np.ndarray, " neuron"]:
    """Timescale in steps of each neuron's activity: tau of exp(-lag / tau), fitted to its `autocorrelation`.

    Least squares over lags from 1 step to half of all, each weighed by the pairs of steps that it rests on. It
    describes activity that forgets exponentially; for a rhythm it is that of the first fall. nan where it cannot be
    tested: fewer than `FEWEST_STEPS` steps or `FEWEST_VALUES` values, activity that never differs, or a timescale
    longer than the record.

    Example:
        >>> generator, acts = np.random.default_rng(0), np.zeros((400, 30, 1))
        >>> for step in range(1, 30):
        ...     acts[:, step] = 0.8 * acts[:, step - 1] + generator.standard_normal((400, 1))
        >>> timescales(acts).round(1).tolist(), round(float(-1 / np.log(0.8)), 1)
        ([4.5], 4.5)
    """
    steps, width = acts.shape[1:]
    if not _testable(acts):
        return np.full(width, np.nan)
    correlation = autocorrelation(acts)
    lags = np.arange(1, correlation.shape[1])
    tried = np.geomspace(SHORTEST, 2 * steps, GRID)
    curves, weights = np.exp(-lags / tried[:, None]), (steps - lags) / (steps - lags).sum()
    # sum w (r - c)^2 without the term that no candidate changes
    errors = (weights * curves**2).sum(1) - 2 * (correlation[:, 1:] * weights) @ curves.T
    best = np.clip(np.where(np.isnan(errors), 0, errors).argmin(1), 1, GRID - 2)
    low, middle, high = (errors[np.arange(width), best + i] for i in (-1, 0, 1))
    bend = low - 2 * middle + high
    with np.errstate(invalid="ignore", divide="ignore"):
        offset = np.where(bend > 0, np.clip((low - high) / (2 * bend), -1, 1), 0)
    tau = tried[best] * (tried[1] / tried[0]) ** offset
    tau[np.isnan(correlation).any(1) | (tau > steps)] = np.nan
    return tau


class Rhythm(NamedTuple):
    """The spectrum along time above first-order noise, by neuron; nan where it is not testable.

    Attributes:
        ipr: Inverse participation ratio of the power over frequencies, in (0, 1]: 1 for one frequency, about one over
            their number for activity that is noise.
        frequency: The strongest one in cycles a step, below 1/2.
        p_value: Of a power as large at any frequency, for first-order noise.
    """

    ipr: Float[np.ndarray, " neuron"]
    frequency: Float[np.ndarray, " neuron"]
    p_value: Float[np.ndarray, " neuron"]


def rhythm(acts: Float[np.ndarray, "example time neuron"]) -> Rhythm:
    """Search each neuron's activity for one frequency that stands above the spectrum of a leaky unit driven by noise.

    The null is an autoregressive process of first order, ``x_t = a x_(t-1) + noise``, with an `a` of each neuron's own:
    white noise would call every slow neuron rhythmic. The periodogram of ``x_t - a x_(t-1)`` is flat under it; `a` is
    the root for which it does not slope with the cosine of the frequency. Periodograms are averaged over examples, and
    the share of the largest of m ordinates has a Beta tail, times m: Fisher's g-test, to the first term, for averages.
    Examples that share a time course count as one, by the coherence of their transforms. The highest frequency of an
    even number of steps is left out, as are slopes over the whole record.

    With many examples any departure from first-order noise is significant: read the p-value beside the IPR.

    Example:
        >>> generator, step = np.random.default_rng(0), np.arange(41)[:, None]
        >>> phases = generator.random((30, 1, 1))
        >>> acts = np.sin(2 * np.pi * (step / 8 + phases)) + 0.5 * generator.standard_normal((30, 41, 1))
        >>> result = rhythm(acts)
        >>> result.frequency.tolist(), bool(result.p_value[0] < 1e-6)
        ([0.125], True)
    """
    n, steps, width = acts.shape
    result = Rhythm(*(np.full(width, np.nan) for _ in range(3)))
    m = (
        steps - 2
    ) // 2  # of the steps - 1 differences, without the constant and without the highest of an even number
    if not _testable(acts):
        return result
    for chosen in _chunks(acts):
        part = acts[..., chosen].astype(np.float64)
        flat = _never_differs(part)
        size = (part**2).sum(1).mean(0)
        later, earlier = (scipy.fft.rfft(one, axis=1)[:, 1 : m + 1] for one in (part[:, 1:], part[:, :-1]))
        root = _whitening_root(*_powers(later, earlier), steps - 1)
        transformed = later - root * earlier
        power = (transformed.real**2 + transformed.imag**2).mean(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = power / power.sum(0)
            coherence = np.abs(transformed.mean(0)) ** 2 / power
            independent = np.clip(np.log(2) / np.median(coherence, axis=0), 1, n)
        tail = m * special.betainc(independent * (m - 1), independent, 1 - shares.max(0))
        bad = flat | np.isnan(shares).any(0) | (power.sum(0) <= ROUNDING * steps * size)
        for values, one in (
            (result.ipr, (shares**2).sum(0)),
            (result.frequency, (shares.argmax(0) + 1) / (steps - 1)),
            (result.p_value, np.minimum(tail, 1)),
        ):
            values[chosen] = np.where(bad, np.nan, one)
    return result


def time_scores(acts: Float[np.ndarray, "example time neuron"]) -> dict[str, np.ndarray]:
    """Scores of activity along time, ``(neuron,)`` each: the columns of `probes.columns` with this source.

    Example:
        >>> sorted(time_scores(np.zeros((10, 10, 2))))
        ['time_frequency', 'time_ipr', 'time_p_value', 'timescale']
    """
    result = rhythm(acts)
    return {
        "timescale": timescales(acts),
        "time_ipr": result.ipr,
        "time_frequency": result.frequency,
        "time_p_value": result.p_value,
    }


def _testable(acts: np.ndarray) -> bool:
    return acts.shape[1] >= FEWEST_STEPS and acts.shape[0] * acts.shape[1] >= FEWEST_VALUES


def _chunks(acts: np.ndarray) -> list[slice]:
    """Neurons whose activity is transformed at a time."""
    n = max(1, CHUNK // max(1, acts.shape[0] * acts.shape[1]))
    return [slice(start, start + n) for start in range(0, acts.shape[2], n)]


def _never_differs(part: np.ndarray) -> np.ndarray:
    """True for a neuron whose values differ by rounding only, or are not all finite."""
    rows = part.reshape(-1, part.shape[-1]).T
    return is_flat(np.ascontiguousarray(rows)) | ~np.isfinite(rows).all(1)


def _powers(later: np.ndarray, earlier: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over examples of the power of both transforms and of the real part of their product, ``(freq, neuron)``."""
    cross = later.real * earlier.real + later.imag * earlier.imag
    return (
        (later.real**2 + later.imag**2).mean(0),
        (earlier.real**2 + earlier.imag**2).mean(0),
        cross.mean(0),
    )


def _whitening_root(later: np.ndarray, earlier: np.ndarray, cross: np.ndarray, n: int) -> np.ndarray:
    """The `a` for which the power of ``later - a earlier`` does not slope with the cosine of the frequency.

    The equation is quadratic in `a`, and holds on average at the true `a` for any number of steps, where least squares
    would be biased. Where both roots are complex, as by chance for an `a` near 1 and always for a pure rhythm: their
    real part.
    """
    cosine = np.cos(2 * np.pi * np.arange(1, len(later) + 1) / n)
    cosine -= cosine.mean()
    first, middle, last = cosine @ earlier, cosine @ cross, cosine @ later
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt(middle**2 - first * last)
        # of both roots, whose product is about 1, the smaller one, without cancellation
        root = last / (middle + np.where(middle < 0, -1, 1) * spread)
        root = np.where(np.isnan(spread), middle / first, root)
    return np.clip(np.nan_to_num(root), -_LARGEST_ROOT, _LARGEST_ROOT)

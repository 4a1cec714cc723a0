"""Acquisition and forgetting of facts: the jump of a log probability, the share of it that is left, and its decay.

The quantities are those of arXiv 2406.11813, over the mean of all facts; intervals are from facts drawn again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

WINDOW = 50
"""Updates after an injection in which its local maximum is looked for."""
FEWEST_POINTS = 4
"""From so many points after the maximum on, a line is fitted."""
DRAWS = 1000
RIVALS = {
    "linear": "a line by time",
    "exponential": "an exponential",
    "power": "a power of time",
}
"""Curves with as many parameters as a line by log time, which it is compared with."""
RATES = 200  # rates of decay that curved rivals try, log-spaced
_FARTHEST = 300.0  # decimal logarithm of the longest life that is a number


class Acquisition(NamedTuple):
    """The jump of each fact's log probability.

    Attributes:
        peak: Column of the local maximum, the first of equal ones; -1 where nothing was measured from the injection on.
        effectivity: Value there less the value before the injection, in nats; nan without one.
    """

    peak: Int[np.ndarray, " fact"]
    effectivity: Float[np.ndarray, " fact"]


def acquisition(
    steps: Int[np.ndarray, " step"],
    values: Float[np.ndarray, "fact step"],
    before: Float[np.ndarray, " fact"],
    injected: Int[np.ndarray, " fact"],
    *,
    window: float | Float[np.ndarray, " fact"] = WINDOW,
) -> Acquisition:
    """The local maximum in the window from each fact's last injection on, and its height above the value before.

    Where nothing was measured in the window, it is the first value after it.

    A maximum is above 0 for noise as well: compare with facts that were never injected, in the same window.

    Args:
        steps: At which values were measured, ascending.
        values: Mean log probability of each fact's tokens.
        before: The same before the first injection.
        injected: Step of each fact's last injection.
        window: Steps that the window spans, one number or one a fact.

    Example:
        >>> values = np.array([[-4.0, -1.0, -0.5, -2.0], [-4.0, -3.0, -3.5, -3.9]])
        >>> jump = acquisition(np.array([0, 10, 20, 90]), values, np.full(2, -5.0), np.array([5, 5]))
        >>> jump.peak.tolist(), jump.effectivity.tolist()
        ([2, 1], [4.5, 2.0])
    """
    after = steps[None] >= injected[:, None]
    inside = after & (steps[None] <= (injected + window)[:, None])
    inside |= after & (after.cumsum(1) == 1)
    shown = np.where(inside, values, -np.inf)
    peak = np.where(inside.any(1), shown.argmax(1), -1)
    height = np.where(peak >= 0, values[np.arange(len(values)), peak] - before, np.nan)
    return Acquisition(peak, height)


def retainability(
    values: Float[np.ndarray, "fact step"],
    before: Float[np.ndarray, " fact"],
    effectivity: Float[np.ndarray, " fact"],
) -> Float[np.ndarray, "fact step"]:
    """The share of each fact's jump that is left: 1 at the local maximum, 0 at the value before the injection.

    It may be below 0 or above 1; nan where there was no jump (an effectivity of 0 or less).

    Example:
        >>> retainability(np.array([[-1.0, -3.0, -5.0]]), np.array([-5.0]), np.array([4.0])).tolist()
        [[1.0, 0.5, 0.0]]
    """
    jump = np.where(effectivity > 0, effectivity, np.nan)
    return (values - before[:, None]) / jump[:, None]


def since_peak(
    steps: Int[np.ndarray, " step"],
    values: Float[np.ndarray, "fact step"],
    peak: Int[np.ndarray, " fact"],
    times: Float[np.ndarray, " time"],
) -> Float[np.ndarray, "fact time"]:
    """Values at common times after each fact's own maximum, linear in log time between those that were measured.

    Before the first of them it is linear in time from the maximum; nan where nothing was measured as late, and without
    a maximum.

    Args:
        times: In steps, above 0.

    Example:
        >>> steps, values = np.array([0, 2, 20, 200]), np.array([[1.0, 0.8, 0.5, 0.0]])
        >>> since_peak(steps, values, np.array([0]), np.array([1.0, 2.0, 20.0, 200.0, 2000.0])).tolist()
        [[0.9, 0.8, 0.5, 0.0, nan]]
    """
    result = np.full((len(values), len(times)), np.nan)
    for fact, column in enumerate(peak.tolist()):
        after = steps[column + 1 :] - steps[column] if column >= 0 else steps[:0]
        if len(after):
            own = values[fact, column:]
            late = np.interp(np.log(times), np.log(after), own[1:], right=np.nan)
            early = own[0] + (own[1] - own[0]) * times / after[0]
            result[fact] = np.where(times < after[0], early, late)
    return result


class Line(NamedTuple):
    """A line by the logarithm of time through one fact's retainability; nan with fewer than `FEWEST_POINTS` points.

    Attributes:
        slope: By the natural logarithm of time.
        low, high: Its 95 % interval, as if points were independent.
        life: Decimal logarithm of the time after which nothing is left by this line; inf if it does not fall.
        r2: Explained share of the variance.
    """

    slope: float
    low: float
    high: float
    life: float
    r2: float


def line_by_log_time(times: Float[np.ndarray, " time"], left: Float[np.ndarray, " time"]) -> Line:
    """Fit one fact's retainability by the logarithm of the time since its maximum; see `decay` for many facts.

    Args:
        times: Steps since the maximum, above 0, not all alike.

    Example:
        >>> times = np.array([1.0, 10.0, 100.0, 1000.0])
        >>> line = line_by_log_time(times, np.array([0.95, 0.66, 0.29, 0.05]))
        >>> round(line.slope, 3), line.low < line.slope < line.high, round(line.life, 2)
        (-0.133, True, 3.09)
    """
    if len(times) < FEWEST_POINTS:
        return Line(*[np.nan] * 5)
    fit = stats.linregress(np.log(times), left)
    half = float(stats.t.ppf(0.975, len(times) - 2) * fit.stderr)
    slope, life = float(fit.slope), float(_log_life(fit.intercept, fit.slope))
    return Line(slope, slope - half, slope + half, life, float(fit.rvalue**2))


class Decay(NamedTuple):
    """The fall of what is left with the logarithm of time.

    Attributes:
        slope: Of the retainability by the natural logarithm of time, below 0 if it is forgotten.
        slope_low, slope_high: Its 95 % interval, over facts drawn again; nan with fewer than two facts.
        life: Decimal logarithm of the time after which nothing is left by this line; inf if it does not fall.
        life_low, life_high: Its 95 % interval.
        r2: Explained share of the variance of the mean curve.
        rivals: The same of other curves with as many parameters: ``linear`` in time, ``exponential``, and ``power``.
        points: Times that it was fitted to.
    """

    slope: float
    slope_low: float
    slope_high: float
    life: float
    life_low: float
    life_high: float
    r2: float
    rivals: dict[str, float]
    points: int


def decay(
    times: Float[np.ndarray, " time"],
    gains: Float[np.ndarray, "fact time"],
    effectivity: Float[np.ndarray, " fact"],
    generator: np.random.Generator,
    *,
    draws: int = DRAWS,
) -> Decay | None:
    """Fit the mean retainability of facts by the logarithm of the time since their maxima.

    The mean retainability is the mean gain over the mean jump, which facts with a small jump do not upset. Facts are
    drawn again with replacement for the intervals, never times: those of one fact depend on each other.

    Args:
        times: Steps since the maximum, above 0; those that not every fact has are left out.
        gains: Log probability less that before the injection.
        effectivity: Jump of each fact; facts without one count, with their jump of 0 or less.
        generator: Of the draws.

    Returns:
        None with fewer than `FEWEST_POINTS` times, without facts, or where the mean jump is not above 0.

    Example:
        >>> times = np.geomspace(1, 1000, 10)
        >>> gains = np.array([4.0, 2.0])[:, None] * (1 - 0.1 * np.log(times))
        >>> fit = decay(times, gains, np.array([4.0, 2.0]), np.random.default_rng(0))
        >>> round(fit.slope, 3), round(fit.life, 2), round(fit.r2, 3), max(fit.rivals.values()) < 1
        (-0.1, 4.34, 1.0, True)
    """
    whole = ~np.isnan(gains).any(0)
    times, gains = times[whole], gains[:, whole]
    if len(times) < FEWEST_POINTS or not len(gains) or not effectivity.mean() > 0:
        return None
    design = np.stack([np.ones(len(times)), np.log(times)], axis=1)
    solver = np.linalg.pinv(design)
    left = gains.mean(0) / effectivity.mean()
    level, slope = solver @ left
    slopes, lives = np.full((2, draws), np.nan)
    if len(gains) > 1:
        chosen = generator.integers(len(gains), size=(draws, len(gains)))
        jumps = effectivity[chosen].mean(1)
        usable = jumps > 0
        drawn = gains[chosen[usable]].mean(1) / jumps[usable, None]
        levels, slopes[usable] = solver @ drawn.T
        lives[usable] = _log_life(levels, slopes[usable])
    (slope_low, slope_high), (life_low, life_high) = (_interval(one) for one in (slopes, lives))
    return Decay(
        float(slope), slope_low, slope_high, float(_log_life(level, slope)), life_low, life_high,
        explained(left, design @ [level, slope]), rival_fits(times, left), len(times),
    )  # fmt: skip


def _log_life(level: np.ndarray | float, slope: np.ndarray | float) -> np.ndarray:
    """Decimal logarithm of the time at which a line by log time meets 0; inf if it does not fall."""
    level, slope = np.asarray(level, float), np.asarray(slope, float)
    falling = slope < 0
    meets = np.where(falling, -level / np.where(falling, slope, -1), np.inf) / np.log(10)
    return np.where(meets > _FARTHEST, np.inf, meets)


def _interval(values: np.ndarray) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if not len(known):
        return np.nan, np.nan
    low, high = np.quantile(known, [0.025, 0.975], method="inverted_cdf")  # which takes inf as a value
    return float(low), float(high)


def explained(values: Float[np.ndarray, " time"], fitted: Float[np.ndarray, " time"]) -> float:
    """R²: 1 less the squared residuals over the squared deviations from the mean; nan for values that never differ.

    Example:
        >>> explained(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 2.0]))
        1.0
    """
    total = float(((values - values.mean()) ** 2).sum())
    return 1 - float(((values - fitted) ** 2).sum()) / total if total > 0 else np.nan


def rival_fits(times: Float[np.ndarray, " time"], values: Float[np.ndarray, " time"]) -> dict[str, float]:
    """R² of least-squares fits by other curves of two parameters: a + b t, a exp(-b t) and a t^-b, with b above 0.

    The rate of the curved ones is searched on a grid, the factor is exact.

    Example:
        >>> times = np.arange(1.0, 20.0)
        >>> fits = rival_fits(times, 0.7 * times**-0.5)
        >>> fits["power"] > 0.999 > fits["exponential"] > fits["linear"]
        True
    """
    line = np.polynomial.Polynomial.fit(times, values, 1)(times)
    rates = {
        "exponential": np.geomspace(1e-3, 1e2, RATES) / times.max(),
        "power": np.geomspace(1e-4, 10, RATES),
    }
    on = {"exponential": times, "power": np.log(times)}
    result = {"linear": explained(values, line)}
    for name, rate in rates.items():
        curves = np.exp(-rate[:, None] * on[name])
        factor = (curves @ values) / (curves**2).sum(1)
        errors = ((values - factor[:, None] * curves) ** 2).sum(1)
        best = int(errors.argmin())
        result[name] = explained(values, factor[best] * curves[best])
    return result

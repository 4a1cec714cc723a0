"""Times of an event in the arms of a study, seed by seed; one that does not come by the limit is censored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

from interp.lab.over_seeds import OverSeeds
from interp.lab.study import StudyResult


@dataclass(frozen=True)
class Sooner:
    """A comparison of two event times, where some are given up before they come.

    Attributes:
        earlier, later: Seeds in which the first is known to come earlier, and later.
        difference: Steps by which it is later, over the seeds in which both came; None for fewer than two.
        p_value: Of the exact log-rank test, where one or the other did not come in every seed; None where all came, or
            none. Three seeds against three can reach .1 at best, so they decide nothing.
    """

    seeds: int
    earlier: int
    later: int
    difference: OverSeeds | None
    p_value: float | None

    @property
    def sign(self) -> int | None:
        """-1 if the first comes sooner, 1 if later, None if that is not decided."""
        if self.p_value is None:
            return None if self.difference is None else self.difference.sign
        if self.p_value >= 0.05 or self.earlier == self.later:
            return None
        return -1 if self.earlier > self.later else 1

    def words(self) -> str:
        """Counts, difference and p-value, as far as they are known."""
        counts = f"sooner in {self.earlier} of {self.seeds}, later in {self.later}"
        if self.difference is not None:
            d = self.difference
            which = "" if self.p_value is None else " where both came"
            counts += f"; difference{which} {d.mean:+.0f} steps ({d.low:+.0f} to {d.high:+.0f})"
        return counts if self.p_value is None else f"{counts}; exact log-rank p = {self.p_value:.2g}"


def sooner(first: Sequence[float | None], second: Sequence[float | None], limit: float) -> Sooner:
    """Compare two times seed by seed; None is "not by the limit", which is known to be later than any time.

    The difference decides where everything came, the log-rank test (Mantel 1966, here unpaired) where not: exact, over
    all ways of dealing the times to the two (at most 9,999 of them, drawn at random).

    Example:
        >>> result = sooner([900, 1100, 1000, 950], [None, None, 2900, None], limit=3000)
        >>> result.earlier, result.sign, round(result.p_value, 3)
        (4, -1, 0.029)
    """
    pairs = list(zip(first, second, strict=True))
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    filled = [tuple(np.inf if time is None else float(time) for time in times) for times in (first, second)]
    difference = OverSeeds.of([a - b for a, b in both]) if len(both) > 1 else None
    p_value = None
    if len(both) < len(pairs) and np.isfinite(filled).any():
        p_value = _exact_log_rank(*filled, limit) if len(pairs) > 1 else 1.0
    one, other = np.array(filled)
    return Sooner(len(pairs), int((one < other).sum()), int((one > other).sum()), difference, p_value)


@lru_cache(maxsize=256)
def _exact_log_rank(first: tuple[float, ...], second: tuple[float, ...], limit: float) -> float:
    def statistic(one: np.ndarray, other: np.ndarray) -> float:
        groups = [stats.CensoredData.right_censored(np.minimum(g, limit), np.isinf(g)) for g in (one, other)]
        return float(stats.logrank(*groups).statistic)

    test = stats.permutation_test((first, second), statistic, vectorized=False, n_resamples=9999, rng=0)
    return float(test.pvalue)


def times_in_words(times: Sequence[float | None], limit: float) -> str:
    """Times in words: how many came, and when in the median, which is told only where more than half came.

    Example:
        >>> for times in ([900, 1100, 1000], [900, None, None], [None]):
        ...     print(times_in_words(times, 3000))
        in 3 of 3 seeds, at 1000 in the median
        in 1 of 3 seeds, at 900
        in 0 of 1 seed by step 3000
    """
    came = sorted(time for time in times if time is not None)
    text = f"in {len(came)} of {len(times)} seed{'s' * (len(times) > 1)}"
    if not came:
        return f"{text} by step {limit:g}"
    if 2 * len(came) > len(times):
        return f"{text}, at {np.median([limit if time is None else time for time in times]):g} in the median"
    return f"{text}, at {', '.join(f'{time:g}' for time in came)}"


def first_reaching(steps: Sequence[float], values: Sequence[float], level: float) -> float | None:
    """The step at which a series first reaches a level, on straight lines between measurements; None if it never does.

    Example:
        >>> first_reaching([0, 10, 20], [0.0, 0.5, 1.0], 0.75)
        15.0
    """
    over = np.flatnonzero(np.asarray(values, float) >= level)
    if not len(over):
        return None
    at = int(over[0])
    if not at:
        return float(steps[0])
    below, above = values[at - 1], values[at]
    return float(steps[at - 1] + (level - below) / (above - below) * (steps[at] - steps[at - 1]))


def event_numbers(
    arm: str, steps: Sequence[int], values: Sequence[float], level: float, limit: int
) -> dict[str, float | None]:
    """``step_ARM``, at which a series first reaches a level (`limit` if never), and ``reached_ARM``, 0 or 1.

    Example:
        >>> event_numbers("baseline", [0, 10, 20], [0.0, 0.5, 1.0], 0.75, limit=25)
        {'step_baseline': 15.0, 'reached_baseline': 1.0}
    """
    at = first_reaching(steps, values, level)
    return {f"step_{arm}": float(limit) if at is None else at, f"reached_{arm}": float(at is not None)}


def arm_quantities(measured: Mapping[str, str], arms: Mapping[str, str]) -> dict[str, str]:
    """Every measured quantity of every arm, in words.

    Example:
        >>> arm_quantities({"step": "generalises at"}, {"baseline": "nothing held"})
        {'step_baseline': 'generalises at, nothing held'}
    """
    return {
        f"{key}_{arm}": f"{words}, {name}" for key, words in measured.items() for arm, name in arms.items()
    }


def restored(result: StudyResult) -> str:
    """A sentence that says in how many seeds a schedule that changes nothing left the run the same to the bit."""
    same = result.each("identical").count(1.0)
    return (
        f"Held as they are and then let go, {same} of {len(result.seeds)} runs are the baseline to the bit."
    )


def delay(result: StudyResult, arm: str, control: str, reference: str) -> str:
    """Distance of ``step_ARM`` from ``step_CONTROL``, seed by seed, as a clause that follows "it comes".

    Where one of them does not come in every seed (``reached_ARM`` is 0), the exact log-rank test decides. A reference
    names the control, such as ``"in the baseline"``.
    """
    difference = result.difference(f"step_{arm}", f"step_{control}")
    if difference is None:
        return f"at an unknown distance from {reference}"
    times = [_times(result, one) for one in (arm, control)]
    if any(None in each for each in times):
        return _censored_delay(times, reference, float(result.config.steps))
    steps = f"{abs(difference.mean):.0f} steps {'later' if difference.mean > 0 else 'sooner'}"
    if difference.sign is None:
        interval = f"95 % interval {difference.low:+.0f} to {difference.high:+.0f}, + later"
        known = "a single seed" if np.isnan(difference.low) else interval
        return f"sooner or later than {reference}: not decided (on average {steps}; {known})"
    least, most = sorted(map(abs, (difference.low, difference.high)))
    return f"{steps} than {reference} (95 % interval {least:.0f} to {most:.0f})"


def _times(result: StudyResult, arm: str) -> list[float | None]:
    steps, reached = result.each(f"step_{arm}"), result.each(f"reached_{arm}")
    return [step if came else None for step, came in zip(steps, reached, strict=True)]


def _censored_delay(times: list[list[float | None]], reference: str, limit: float) -> str:
    n, (never, never_there) = len(times[0]), (each.count(None) for each in times)
    if never == never_there == n:
        return f"in no seed by step {limit:.0f}, nor {reference}"
    test = sooner(times[0], times[1], limit)
    side = {-1: "sooner", 1: "later", None: "sooner or later"}[test.sign]
    undecided = ": not decided" * (test.sign is None)
    notes = [f"never in {never} of {n} seeds"] * bool(never)
    notes += [f"{reference} never in {never_there} of {n}"] * bool(never_there)
    return f"{side} than {reference}{undecided} ({'; '.join([*notes, f'exact log-rank p = {test.p_value:.2g}'])})"

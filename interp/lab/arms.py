"""Arms of a study: one network trained in several ways, of which one is the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from interp.lab.event_times import first_reaching, sooner
from interp.lab.study import StudyResult
from interp.progress import Report


def shifted(report: Report, before: int, title: str = "") -> Report:
    """A report of progress for a part of the work, which so many steps precede."""

    def part(done: int, note: str = "") -> None:
        report(before + done, f"{title}  {note}" if title else note)

    return part


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

    Where one of them does not come in every seed (``reached_ARM`` is 0), there is no interval of a delay, and the exact
    log-rank test decides.

    The control is named by a reference in words, such as ``"in the baseline"``.
    """
    difference = result.difference(f"step_{arm}", f"step_{control}")
    if difference is None:
        return f"at an unknown distance from {reference}"
    times = [_times(result, one) for one in (arm, control)]
    if any(None in each for each in times):
        return _censored_delay(times, reference, float(result.config.steps))
    steps = f"{abs(difference.mean):.0f} steps {'later' if difference.mean > 0 else 'sooner'}"
    interval = f"95 % interval {difference.low:+.0f} to {difference.high:+.0f}"
    known = "a single seed" if np.isnan(difference.low) else interval
    if difference.sign is None:
        return f"sooner or later than {reference}: not decided (on average {steps}; {known})"
    return f"{steps} than {reference} ({known})"


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

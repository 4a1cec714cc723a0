"""Whether something comes sooner or later in one way of training than in another, in a sentence."""

from __future__ import annotations

from interp.lab.censored import sooner
from interp.lab.study import StudyResult

SIDES = {-1: "sooner than", 1: "later than", None: "sooner or later than"}


def delay(result: StudyResult, arm: str, control: str, reference: str) -> str:
    """How much sooner or later ``step_ARM`` comes than ``step_CONTROL``, seed by seed; what follows "it comes".

    Where one of them does not come in every seed (``reached_ARM`` is 0), there is no interval of a delay, and the exact
    log-rank test decides.

    Args:
        result: Of a study.
        arm: One way of training.
        control: Another.
        reference: The other in words, such as ``"in the baseline"``.
    """
    found = result.difference(f"step_{arm}", f"step_{control}")
    if found is None:
        return f"at an unknown distance from {reference}"
    times = [_times(result, arm), _times(result, control)]
    never = [times_of.count(None) for times_of in times]
    if any(never):
        return _censored(times, never, reference, float(result.config.steps))
    side, steps = "later" if found.mean > 0 else "sooner", f"{abs(found.mean):.0f} steps"
    known = (
        f"95 % interval {found.low:+.0f} to {found.high:+.0f}" if found.low == found.low else "a single seed"
    )
    if found.sign is None:
        return f"sooner or later than {reference}: not decided (on average {steps} {side}; {known})"
    return f"{steps} {side} than {reference} ({known})"


def _times(result: StudyResult, arm: str) -> list[float | None]:
    numbers = [record.numbers for record in result.records]
    return [one[f"step_{arm}"] if one[f"reached_{arm}"] else None for one in numbers]


def _censored(times: list[list[float | None]], never: list[int], reference: str, limit: float) -> str:
    n = len(times[0])
    if never == [n, n]:
        return f"in no seed by step {limit:.0f}, nor {reference}"
    test = sooner(times[0], times[1], limit)
    missing = [f"never in {never[0]} of {n} seeds"] * bool(never[0])
    missing += [f"{reference} never in {never[1]} of {n}"] * bool(never[1])
    undecided = ": not decided" * (test.sign is None)
    return f"{SIDES[test.sign]} {reference}{undecided} ({'; '.join(missing)}; exact log-rank p = {test.p_value:.2g})"

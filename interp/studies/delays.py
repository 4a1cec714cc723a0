"""Whether something comes sooner or later in one way of training than in another, in a sentence."""

from __future__ import annotations

from interp.studies.study import StudyResult


def delay(result: StudyResult, arm: str, control: str, reference: str) -> str:
    """How much sooner or later ``step_ARM`` comes than ``step_CONTROL``, seed by seed; what follows "it comes".

    A seed where it never comes (``reached_ARM`` is 0) counts with its last step, and that is said.

    Args:
        result: Of a study.
        arm: One way of training.
        control: Another.
        reference: The other in words, such as ``"in the baseline"``.
    """
    found = result.difference(f"step_{arm}", f"step_{control}")
    if found is None:
        return f"at an unknown distance from {reference}"
    side, steps = "later" if found.mean > 0 else "sooner", f"{abs(found.mean):.0f} steps"
    known = (
        f"95 % interval {found.low:+.0f} to {found.high:+.0f}" if found.low == found.low else "a single seed"
    )
    text = f"{steps} {side} than {reference} ({known})"
    if found.sign is None:
        text = f"sooner or later than {reference}: not decided (on average {steps} {side}; {known})"
    never = sum(record.numbers[f"reached_{arm}"] == 0.0 for record in result.records)
    late = f"; never in {never} of {len(result.seeds)} seeds, which count with the last step"
    return text + late * bool(never)

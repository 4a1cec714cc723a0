"""The sentences of the study of descriptions."""

from __future__ import annotations

from interp.lab.describe.cue import ARMS
from interp.lab.describe.facets import facets_findings
from interp.lab.describe.planted import SETTINGS
from interp.lab.over_seeds import OverSeeds
from interp.lab.study import StudyResult

SHARE = "{:.1%}".format
GOAL, GAIN = 0.9, 0.1
"""Share that should be described rightly, and accuracy that removal of a cue should bring beyond random neurons."""


def findings(result: StudyResult) -> list[str]:
    """Planted neurons, controls, trained networks, the cue, and facets."""
    parts = _planted, _controls, _trained, _cue, facets_findings
    return [sentence for part in parts for sentence in part(result)]


def _level(over: OverSeeds, goal: float) -> str:
    """Where an interval lies beside a goal."""
    if over.low >= goal:
        return f"at least {goal:.0%}"
    return f"below {goal:.0%}" if over.high < goal else f"not decidedly {goal:.0%}"


def _planted(result: StudyResult) -> list[str]:
    parts = []
    for name, (words, _, _) in SETTINGS.items():
        right, exact = _over(result, f"right_{name}"), _over(result, f"exact_{name}")
        parts.append(
            f"{words}: {right.words(SHARE)}, {_level(right, GOAL)} (without noise {exact.words(SHARE)})"
        )
    agreement = result.over("agreement_95")
    held_out = (
        "" if agreement is None else f" Right ones hold of {agreement.words(SHARE)} of held-out exemplars."
    )
    return [f"Planted detectors described rightly; {'; '.join(parts)}.{held_out}"]


def _controls(result: StudyResult) -> list[str]:
    level = result.config.level
    random, described = _over(result, "random_class_95"), _over(result, "random_described_95")
    shuffled, networks = _over(result, "shuffled_described"), _over(result, "shuffled_networks")
    within = "at most" if networks.mean <= level else "more than"
    return [
        f"With activations dealt anew among the inputs {shuffled.words(SHARE)} of the neurons are described, and in "
        f"{networks.words(SHARE)} of such networks any is: {within} the rate of {level:.0%} that was asked for. "
        f"Neurons with random weights are described to {described.words(SHARE)}, as they do prefer single operands; "
        f"{random.words(SHARE)} are described by a residue class."
    ]


def _trained(result: StudyResult) -> list[str]:
    parts = []
    for name in ("95", "99"):
        right, more = (
            _over(result, f"trained_right_{name}"),
            result.difference(f"trained_right_{name}", f"trained_chance_{name}"),
        )
        assert more is not None
        verdict = more.verdict("more", "fewer", "not decidedly more")
        parts.append(
            f"{SETTINGS[name][0]}: {right.words(SHARE)}, {_level(right, GOAL)}, and {verdict} than the descriptions of "
            f"other neurons ({_over(result, f'trained_chance_{name}').words(SHARE)})"
        )
    residues, own = _over(result, "renamed_class_95"), _over(result, "renamed_right_95")
    accuracy = _over(result, "trained_accuracy")
    return [
        f"Networks trained on (a mod 3 + b mod 3) mod 3 (held-out accuracy {accuracy.words(SHARE)}), neurons described "
        f"by the residues that their weights prefer, or the answer that follows; {'; '.join(parts)}.",
        f"Where operands are renamed before training, {residues.words(SHARE)} of the neurons are described by "
        f"residues; with the renamed classes among the predicates {own.words(SHARE)} are described rightly.",
    ]


def _cue(result: StudyResult) -> list[str]:
    sentences = []
    for name, arm in ARMS.items():
        numbers = {line: _over(result, f"{name}_random_{line}") for line in ("before", "after", "control")}
        gain = result.difference(f"{name}_random_after", f"{name}_random_control")
        assert gain is not None
        verdict = gain.verdict("more", "less", "not decidedly more")
        reached = f", {_points(gain)}" if gain.low > 0 else ""
        by_class = result.difference(f"{name}_random_after", f"{name}_random_class")
        beside = "; neurons described by digits were too few for a control"
        if by_class is not None:
            more = by_class.verdict("more", "less", "not decidedly more")
            of_digits = _over(result, f"{name}_random_class").words(SHARE)
            beside = f"; {more} than without as many that are described by digits ({of_digits})"
        count = _over(result, f"{name}_neurons").words("{:.0f}".format)
        clean = {line: _over(result, f"{name}_trained_{line}") for line in ("before", "after", "control")}
        sentences.append(
            f"A corner pixel {arm.words}: with the pixel at random {numbers['before'].words(SHARE)} are answered "
            f"rightly, and {numbers['after'].words(SHARE)} without the {count} neurons described by it, {verdict} than "
            f"without random ones ({numbers['control'].words(SHARE)}{reached}){beside}. With the pixel as in training "
            f"{clean['before'].words(SHARE)} become {clean['after'].words(SHARE)} (random: "
            f"{clean['control'].words(SHARE)})."
        )
    return sentences


def _points(gain: OverSeeds) -> str:
    low, high = 100 * gain.low, 100 * gain.high
    reached = (
        f"at least {100 * GAIN:.0f}"
        if gain.low >= GAIN
        else f"less than {100 * GAIN:.0f}"
        if gain.high < GAIN
        else f"not decidedly {100 * GAIN:.0f}"
    )
    return f"a gain of {100 * gain.mean:.1f} ({low:.1f} to {high:.1f}) points, {reached}"


def _over(result: StudyResult, name: str) -> OverSeeds:
    over = result.over(name)
    assert over is not None
    return over

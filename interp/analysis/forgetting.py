"""The result of asking whether memories are gone: each trace beside its controls, and a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from interp.analysis.relearning import MEMORISED, NEVER_TRAINED, OTHER_LABEL, Relearning
from interp.markup import percentage
from interp.measuring.traces import ALPHA, Ranks, Traces, p_in_words
from interp.output import plain

RELEARNING_ALPHA = 0.05
"""Relearning is faster at this p-value; nineteen draws of a control allow no smaller one."""
MARGIN = 0.05
"""Memories are gone if no trace of them is more than this share of the examples above its control."""
AS_SLOW = 0.9
"""And if relearning takes no less than this share of the steps of the faster control."""
FEWEST_STEPS = 10
"""Of the faster control: with fewer, one step is more than the share by which relearning may be faster."""
GONE, LEFT, UNDECIDED = "gone", "something is left", "not decided"


@dataclass(frozen=True)
class HeldOut:
    """Accuracy on held-out examples of the same rule, before and after something else was to be forgotten.

    Attributes:
        before, after: In [0, 1].
        base_rate: Of always giving the commonest answer.
        generalisation: Share of the accuracy above the base rate that was forgotten with the rest: 0 none, 1 all of it;
            below 0 where it rose (the measure of arXiv 2409.02228). None unless the network generalised before.
        low, high: Its interval of 95 %, by the spread over examples.
    """

    examples: int
    before: float
    after: float
    base_rate: float
    generalisation: float | None
    low: float | None = None
    high: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return plain(vars(self))

    def sentence(self) -> str:
        """The finding in words."""
        shares = f"{percentage(self.before)} before, {percentage(self.after)} after"
        if self.generalisation is None or self.low is None or self.high is None:
            return f"Held-out examples ({shares}) were at the base rate before: there was no rule to forget."
        low, high = percentage(self.low), percentage(self.high)
        lost = f"{percentage(self.generalisation)} ({low} to {high}; {shares})"
        return f"Forgetting generalises to held-out examples by {lost}."


@dataclass(frozen=True)
class ForgettingCheck:
    """Traces of memorised wrong labels in a network that should have forgotten them.

    Attributes:
        examples: Wrongly labelled examples that were looked at.
        answered_before, answered_after: Share of them whose wrong label is the answer.
        readout: Ranks of the wrong labels by the network itself.
        probe: The same by a linear probe of the site's activations, fitted to other training examples.
        shuffled: Ranks by the probe fitted to labels that are dealt anew.
        untrained: Ranks by the probe of the same network with the entries of every weight dealt anew.
        probe_p_value: The larger of the probe's own and of that against `untrained`.
        relearning: Beside both controls; None if it was not asked for.
        held_out: None without held-out examples.
    """

    examples: int
    answered_before: float
    answered_after: float
    readout: Traces
    probe: Traces
    shuffled: Ranks
    untrained: Ranks
    probe_p_value: float | None
    relearning: Relearning | None
    held_out: HeldOut | None

    @property
    def p_values(self) -> dict[str, float | None]:
        """One-sided p-value of each trace, the larger of those against its controls; None where it was not measured."""
        relearning = None if self.relearning is None else relearning_p_value(self.relearning)
        return {"readout": self.readout.p_value, "probe": self.probe_p_value, "relearning": relearning}

    @property
    def verdict(self) -> str:
        """`GONE`, `LEFT` or `UNDECIDED`.

        Something is left if one trace is above its controls: readout or probe at p ≤ .01, relearning at p ≤ .05, so
        that at most 7 of 100 networks that hold nothing are called so. Memories are gone if the network held them
        before, all three were measured, readout and probe are at most `MARGIN` above their controls by their intervals,
        and relearning takes at least `AS_SLOW` of the steps of either control, these being `FEWEST_STEPS` or more.
        """
        if any(name in self._left for name in self.p_values):
            return LEFT
        return UNDECIDED if self.open_questions() else GONE

    @property
    def _left(self) -> tuple[str, ...]:
        levels = {"readout": ALPHA, "probe": ALPHA, "relearning": RELEARNING_ALPHA}
        return tuple(name for name, p in self.p_values.items() if p is not None and p <= levels[name])

    def open_questions(self) -> list[str]:
        """Reasons in words why memories cannot be said to be gone."""
        reasons = []
        before, control = self.readout.before["memorised"], self.readout.before["class_control"]
        if before is None or control is None:
            return ["there are no held-out examples to compare with"]
        if difference_interval(before, control)[0] <= 0:
            reasons.append("the network held hardly any of them before")
        for name, ranks in (("readout", self.readout), ("probe", self.probe)):
            highest = max(
                difference_interval(ranks.memorised, one)[1]
                for one in (ranks.control, ranks.class_control)
                if one is not None
            )
            if highest > MARGIN:
                reasons.append(f"by the {name} up to {percentage(highest)} of them may be left")
        if self.relearning is None:
            reasons.append("relearning was not measured")
        else:
            reasons += _relearning_open(self.relearning)
        return reasons

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        more = {"p_values": self.p_values, "verdict": self.verdict, "undecided": self.open_questions()}
        return plain({**more, **vars(self)})

    def sentences(self) -> list[str]:
        """The findings in words, the verdict last."""
        shares = f"{percentage(self.answered_before)} before, {percentage(self.answered_after)} after"
        lines = [
            f"Wrong labels answered: {shares}, of {self.examples}.",
            self.readout.sentence(),
            self._probe_in_words(),
        ]
        if self.relearning is not None:
            p = relearning_p_value(self.relearning)
            lines.append(f"{self.relearning.sentence()[:-1]} (p {p_in_words(p)}).")
        if self.held_out is not None:
            lines.append(self.held_out.sentence())
        return [*lines, self._verdict_in_words()]

    def _probe_in_words(self) -> str:
        share = percentage(self.probe.memorised.runner_up)
        controls = {"never-trained labels": self.probe.class_control, "labels dealt anew": self.shuffled}
        controls |= {"weights dealt anew": self.untrained}
        shown = ", ".join(
            f"{name}: {percentage(one.runner_up)}" for name, one in controls.items() if one is not None
        )
        p = "" if self.probe_p_value is None else f", p {p_in_words(self.probe_p_value)}"
        return f"A linear probe has the wrong label as runner-up, or as its answer, for {share} ({shown}{p})."

    def _verdict_in_words(self) -> str:
        if self.verdict == LEFT:
            return f"Verdict: something is left ({', '.join(self._left)})."
        if self.verdict == GONE:
            return f"Verdict: gone (no trace is more than {percentage(MARGIN)} above its control)."
        return f"Verdict: not decided ({'; '.join(self.open_questions())})."


def relearning_p_value(relearning: Relearning) -> float:
    """Share of the draws of the slower control that take no more steps than the memorised labels, these among them.

    1 where these are never relearnt, or there is no control.
    """
    (own,) = relearning.curves[MEMORISED]
    kinds = [relearning.curves[kind] for kind in (NEVER_TRAINED, OTHER_LABEL) if relearning.curves[kind]]
    if relearning.steps(MEMORISED) is None or not kinds:
        return 1.0
    reached = [[one for one in draws if len(one) <= len(own) and one[-1] >= 0.5] for draws in kinds]
    return max((1 + len(one)) / (1 + len(draws)) for one, draws in zip(reached, kinds, strict=True))


def as_slow(relearning: Relearning) -> bool:
    """True if memorised labels take at least `AS_SLOW` of the steps of the faster control, where these are learnt."""
    own, known = relearning.steps(MEMORISED), _control_steps(relearning)
    return bool(known) and (own is None or own >= AS_SLOW * min(known))


def _control_steps(relearning: Relearning) -> list[float]:
    """Steps of each control that is learnt."""
    steps = [relearning.steps(kind) for kind in (NEVER_TRAINED, OTHER_LABEL)]
    return [one for one in steps if one is not None]


def _relearning_open(relearning: Relearning) -> list[str]:
    """The reason in words why relearning does not show that memories are gone, if there is one."""
    known = _control_steps(relearning)
    if not known:
        return [f"no control was relearnt in {relearning.limit} steps, so that nothing can be compared"]
    if min(known) < FEWEST_STEPS:
        return [
            f"a control was relearnt in {min(known):g} steps, too few to compare; try a smaller learning rate"
        ]
    return [] if as_slow(relearning) else ["relearning is somewhat faster than the controls"]


def difference_interval(first: Ranks, second: Ranks) -> tuple[float, float]:
    """Interval of 95 % of the difference of two runner-up shares (Agresti and Caffo 2000).

    Example:
        >>> low, high = difference_interval(Ranks(100, 0.5, None, 1.0), Ranks(100, 0.1, None, 1.0))
        >>> round(low, 3), round(high, 3)
        (0.278, 0.506)
    """
    shares = [(one.runner_up * one.examples + 1) / (one.examples + 2) for one in (first, second)]
    variance = sum(
        share * (1 - share) / (one.examples + 2) for share, one in zip(shares, (first, second), strict=True)
    )
    middle, half = shares[0] - shares[1], 1.96 * float(np.sqrt(variance))
    return middle - half, middle + half


def held_out(right_before: np.ndarray, right_after: np.ndarray, base_rate: float) -> HeldOut:
    """Generalisation of forgetting to held-out examples, from right answers, ``(example,)``, before and after.

    Example:
        >>> right = np.arange(100) < 90
        >>> result = held_out(right, np.arange(100) < 50, 0.1)
        >>> result.generalisation, round(result.low, 2)
        (0.5, 0.38)
    """
    before, after = float(right_before.mean()), float(right_after.mean())
    n, above = len(right_before), before - base_rate
    if above <= 1.96 * np.sqrt(max(before * (1 - before), 1 / n) / n):
        return HeldOut(n, before, after, base_rate, None)
    lost = right_before.astype(float) - right_after
    middle, half = float(lost.mean()) / above, 1.96 * float(lost.std()) / n**0.5 / above
    return HeldOut(n, before, after, base_rate, round(middle, 12), middle - half, middle + half)

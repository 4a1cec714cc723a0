"""Stages of a training run: when a network memorised, formed a circuit, generalised and unlearnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

LEARNT = 0.5
"""Share of right answers below which nothing counts as learnt, so that it can be neither explained nor unlearnt."""
RISING = 0.1
ALPHA = 0.05
DRAWS = 1000

Steps = Int[np.ndarray, " checkpoint"]
Values = Float[np.ndarray, " checkpoint"]


class ChangePoint(NamedTuple):
    """The steps on either side of a split into two means, and how likely noise gives one as good."""

    before: int
    after: int
    p_value: float


@dataclass(frozen=True)
class Boundary:
    """The checkpoints' steps between which something happens; None before the first and after the last."""

    before: int | None
    after: int | None


@dataclass(frozen=True)
class Stage:
    """A span of training in which one thing changes, and the numbers that show it.

    Names are ``memorisation``, ``circuit formation``, ``clean-up``, ``grokking``, ``learning`` and ``unlearning``.
    """

    name: str
    begin: Boundary
    end: Boundary
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Name, the first step in it and the first after it with their intervals, and the reason; ready for JSON."""
        return {
            "name": self.name,
            "begin": self.begin.after,
            "begin_interval": [self.begin.before, self.begin.after],
            "end": self.end.after,
            "end_interval": [self.end.before, self.end.after],
            "reason": self.reason,
        }


def change_point(
    steps: Steps, values: Values, generator: np.random.Generator, *, draws: int = DRAWS
) -> ChangePoint:
    """Find where the mean of a series changes most: the split into two means that reduces the squared error most.

    Its p-value, 1 for a constant series, is the share of random permutations of the values that have a split as good. A
    slow drift counts as a change too. Fewer than five values cannot be significant at .05. Steps ascend; values that
    are not known are nan.

    Raises:
        ValueError: The lengths differ, or fewer than two values are known.

    Example:
        >>> change = change_point(np.arange(8), np.array([0.0, 0, 0, 0, 0, 1, 1, 1]), np.random.default_rng(0))
        >>> change.before, change.after, change.p_value < 0.05
        (4, 5, True)
    """
    known = np.isfinite(values)
    if steps.shape != values.shape or known.sum() < 2:
        raise ValueError(
            f"{len(steps)} steps for {known.sum()} known of {len(values)} values; expected one value a step and at "
            "least two known ones"
        )
    steps, series = steps[known], values[known].astype(np.float64)
    gains = _gains(series[None])[0]
    at = int(gains.argmax())
    if np.ptp(series) == 0:
        return ChangePoint(int(steps[at]), int(steps[at + 1]), 1.0)
    shuffled = generator.permuted(np.tile(series, (draws, 1)), axis=1)
    as_good = (_gains(shuffled).max(1) >= gains[at] * (1 - 1e-9)).sum()
    return ChangePoint(int(steps[at]), int(steps[at + 1]), float((1 + as_good) / (1 + draws)))


def _gains(series: np.ndarray) -> np.ndarray:
    """Reduction of the squared error by each split into two means, ``(series, split)``."""
    n = series.shape[1]
    centred = series - series.mean(1, keepdims=True)
    left = np.arange(1, n)
    return centred.cumsum(1)[:, :-1] ** 2 * n / (left * (n - left))


def _filled(values: np.ndarray) -> np.ndarray:
    """Each unknown value replaced by the last known one."""
    at = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(len(values)), 0))
    return values[at]


def _first(holds: np.ndarray, *, for_good: bool = False) -> int | None:
    """The first index at which something holds, or from which on it always does."""
    where = np.flatnonzero(~holds if for_good else holds)
    at = (where[-1] + 1 if len(where) else 0) if for_good else (where[0] if len(where) else len(holds))
    return int(at) if at < len(holds) else None


def find_stages(
    steps: Steps, measures: Mapping[str, Values], generator: np.random.Generator, *, good: float
) -> tuple[Stage, ...]:
    """The stages of a training run, as far as its checkpoints show them, in order of their end.

    Where some labels are corrupted: memorisation of the training set, grokking, and unlearning of the corrupted labels
    (arXiv 2310.13061). Where none is: memorisation, circuit formation and clean-up (arXiv 2301.05217). Accuracy on
    held-out examples that does not come after memorisation is ``learning``, as is accuracy on all examples where
    nothing is known to be held out.

    Args:
        measures: Series by name, those that are known: ``train``, ``test``, ``corrupted_as_labelled`` and ``all``
            (accuracies), ``excluded_loss`` and ``logit_variance_explained``.
        generator: Of the permutations that tell a change from noise.
        good: Accuracy from which examples count as learnt.

    Raises:
        ValueError: A series does not have one value a step.

    Example:
        >>> steps = np.array([0, 100, 200, 300, 400])
        >>> train, test = np.array([0.1, 0.95, 1, 1, 1]), np.array([0.0, 0.02, 0.1, 0.5, 1])
        >>> corrupted = np.array([0.1, 0.9, 0.9, 0.5, 0.1])
        >>> measures = {"train": train, "test": test, "corrupted_as_labelled": corrupted}
        >>> for stage in find_stages(steps, measures, np.random.default_rng(0), good=0.9):
        ...     print(stage.name, stage.begin.after, stage.end.after)
        memorisation 0 100
        grokking 100 400
        unlearning 300 400
    """
    for name, values in measures.items():
        if values.shape != steps.shape:
            raise ValueError(f"the series {name!r} has {len(values)} values for {len(steps)} steps")
    known = {name: _filled(values) for name, values in measures.items() if np.isfinite(values).any()}
    run = _Run(steps, known, generator, good)
    if {"train", "test"} <= set(known):
        stages = run.by_split()
    else:  # nothing is known to be held out
        learning = run.generalisation("all", None) if "all" in known else []
        stages = [*learning, *run.change(), *run.unlearning()]
    return tuple(sorted(stages, key=lambda stage: np.inf if stage.end.after is None else stage.end.after))


@dataclass(frozen=True, eq=False)
class _Run:
    """A training run in which stages are looked for; places in it are indices of checkpoints."""

    steps: np.ndarray
    known: Mapping[str, np.ndarray]
    generator: np.random.Generator
    good: float

    def by_split(self) -> list[Stage]:
        """Stages where it is known what was trained on."""
        memorised = self.memorisation()
        if memorised is None:
            last = self.unlearning if "corrupted_as_labelled" in self.known else self.change
            return [*self.generalisation("test", None), *last()]
        since, memorisation = memorised
        if "corrupted_as_labelled" in self.known:
            return [memorisation, *self.generalisation("test", since), *self.unlearning()]
        formed = self.formation(since)
        if formed is None:
            return [memorisation, *self.generalisation("test", since)]
        at, circuit = formed
        right = _first(self.known["test"] >= self.good, for_good=True)
        if right is not None and right <= at:
            return [memorisation, circuit, *self.generalisation("test", since)]
        last_stages = self.generalisation("test", at)
        return [memorisation, circuit, *(replace(stage, name="clean-up") for stage in last_stages)]

    def memorisation(self) -> tuple[int, Stage] | None:
        """Where the training examples are learnt and the held-out ones not yet."""
        train, test = self.known["train"], self.known["test"]
        at = _first(train >= self.good)
        if at is None or test[at] >= self.good:
            return None
        reason = (
            f"{_percent(train[at])} of the training examples are right at step {self.steps[at]}"
            f"{self.earlier(train, at)}, but {_percent(test[at])} of those held out."
        )
        return at, Stage("memorisation", self.before(0), self.before(at), reason)

    def generalisation(self, split: str, since: int | None) -> list[Stage]:
        """Where examples of a split come to be right for good; grokking if that is after memorisation."""
        values, which = self.known[split], "held-out examples" if split == "test" else "all examples"
        at, start = _first(values >= self.good, for_good=True), since or 0
        begin, name = self.before(start), "learning" if since is None else "grokking"
        if at is None:
            if values[-1] < self.good / 2 or values[-1] < values[start] + RISING:
                return []
            reason = (
                f"{_percent(values[-1])} of {which} are right at step {self.steps[-1]}, the last"
                f"{self.earlier(values, start + 1)}: not yet {_percent(self.good)} for good."
            )
            return [Stage(name, begin, self.before(len(values)), reason)]
        if at == 0:
            return []
        reason = (
            f"{_percent(values[at])} of {which} are right at step {self.steps[at]}{self.earlier(values, at)}, "
            + ("the last." if at == len(values) - 1 else f"and at least {_percent(self.good)} ever after.")
        )
        return [Stage(name, begin, self.before(at), reason)]

    def unlearning(self) -> list[Stage]:
        """Where labels of corrupted examples that were learnt are given up."""
        values = self.known.get("corrupted_as_labelled")
        if values is None or np.nanmax(values) < LEARNT:
            return []
        most = np.nanmax(values)
        begin, end = (_first(values < share * most, for_good=True) for share in (0.9, 0.5))
        if begin is None or (end is None and values[-1] >= 0.7 * most):
            return []
        shown, after = (len(values) - 1, len(values)) if end is None else (end, end)
        over = "not yet below half of that for good" if end is None else "it stays below half of that"
        reason = (
            f"{_percent(values[shown])} of the corrupted examples are answered as labelled at step "
            f"{self.steps[shown]}, after {_percent(most)} at step {self.steps[np.nanargmax(values)]}; {over}."
        )
        return [Stage("unlearning", self.before(begin), self.before(after), reason)]

    def formation(self, since: int) -> tuple[int, Stage] | None:
        """Where a circuit that computes the rule forms after memorisation, by the first measure that shows one."""
        for name, half in (("excluded_loss", _half_risen), ("logit_variance_explained", _half_of_last)):
            later = self.known.get(name, np.empty(0))[since:]
            if not len(later) or np.isnan(later).any() or self.rise(self.steps[since:], later) is None:
                continue
            at, half_way = half(later)
            if at:
                at += since
                right = f"with {_percent(self.known['test'][at])} of held-out examples right"
                reason = f"By step {self.steps[at]} {half_way}, {right}."
                return at, Stage("circuit formation", self.before(since), self.before(at), reason)
        return None

    def change(self) -> list[Stage]:
        """The jump of the logits' explained variance, where there is no memorisation to count from."""
        values = self.known.get("logit_variance_explained", np.empty(0))
        jump = self.rise(self.steps, values)
        if jump is None:
            return []
        early, late = values[self.steps <= jump.before], values[self.steps >= jump.after]
        reason = (
            f"Waves of the right answer explain {_percent(np.nanmean(early))} of the logits on average up to step "
            f"{jump.before}, {_percent(late.mean())} from step {jump.after} on (p={jump.p_value:.2g})."
        )
        place = Boundary(jump.before, jump.after)
        return [Stage("circuit formation", place, place, reason)]

    def rise(self, steps: np.ndarray, values: np.ndarray) -> ChangePoint | None:
        """The change point of a series, if its mean rises there by more than noise."""
        if np.isfinite(values).sum() < 2:
            return None
        change = change_point(steps, values, self.generator)
        higher = values[steps >= change.after].mean() > np.nanmean(values[steps <= change.before])
        return change if higher and change.p_value <= ALPHA else None

    def before(self, at: int) -> Boundary:
        """The boundary before the checkpoint of this index, or after the last."""
        steps = [None, *self.steps.tolist(), None]
        return Boundary(steps[at], steps[at + 1])

    def earlier(self, values: np.ndarray, at: int) -> str:
        """The value one checkpoint before, in brackets; nothing at the first or where it is not known."""
        if at == 0 or not np.isfinite(values[at - 1]):
            return ""
        return f" ({_percent(values[at - 1])} at step {self.steps[at - 1]})"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _half_risen(values: np.ndarray) -> tuple[int, str]:
    """Where the excluded loss has covered half of the way from its lowest value to its highest later one."""
    lowest = int(values.argmin())
    low, high = values[lowest], values[lowest:].max()
    at = lowest + int(np.argmax(values[lowest:] >= (low + high) / 2))
    return at, f"the excluded loss has covered half of its rise from {low:.3g} to {high:.3g}"


def _half_of_last(values: np.ndarray) -> tuple[int, str]:
    """From where on Fourier components of the right answer explain half of the share that they do in the end."""
    at = _first(values >= values[-1] / 2, for_good=True) or 0
    explained = f"waves of the right answer explain {_percent(values[at])} of the logits"
    return at, f"{explained}, half of what they do in the end ({_percent(values[-1])})"

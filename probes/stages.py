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
    """The split of a series into two means: the steps on either side of it, and how likely noise gives one as good."""

    before: int
    after: int
    p_value: float


@dataclass(frozen=True)
class Boundary:
    """Between which two checkpoints something happens.

    Attributes:
        before: Step of the last checkpoint before it; None if it lies before the first.
        after: Step of the first checkpoint after it; None if it is not over at the last.
    """

    before: int | None
    after: int | None


@dataclass(frozen=True)
class Stage:
    """A span of training in which one thing changes.

    Attributes:
        name: ``memorisation``, ``circuit formation``, ``clean-up``, ``grokking``, ``learning`` or ``unlearning``.
        begin: Where it begins.
        end: Where the change is complete.
        reason: The numbers that show it, in a sentence.
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
    """Where the mean of a series changes most.

    The split into two means with the largest reduction of squared error; its p-value is the share of random
    permutations of the values that have a split as good. A slow drift counts as a change too. Fewer than five values
    cannot be significant at .05.

    Args:
        steps: Ascending.
        values: One a step; nan where not known.
        generator: Of the permutations.
        draws: How many permutations.

    Returns:
        The steps before and after the change, and a p-value in (0, 1]; 1 for a constant series.

    Raises:
        ValueError: The lengths differ, or fewer than two values are known.

    Example:
        >>> found = change_point(np.arange(8), np.array([0.0, 0, 0, 0, 0, 1, 1, 1]), np.random.default_rng(0))
        >>> found.before, found.after, found.p_value < 0.05
        (4, 5, True)
    """
    if steps.shape != values.shape or np.isfinite(values).sum() < 2:
        raise ValueError(
            f"{len(steps)} steps for {np.isfinite(values).sum()} known of {len(values)} values; expected one value a "
            "step and at least two known ones"
        )
    known = np.isfinite(values)
    steps, series = steps[known], values[known].astype(np.float64)
    gains = _gains(series[None])[0]
    at = int(gains.argmax())
    if np.ptp(series) == 0:
        return ChangePoint(int(steps[at]), int(steps[at + 1]), 1.0)
    shuffled = generator.permuted(np.tile(series, (draws, 1)), axis=1)
    as_good = (_gains(shuffled).max(1) >= gains[at] * (1 - 1e-9)).sum()
    return ChangePoint(int(steps[at]), int(steps[at + 1]), float((1 + as_good) / (1 + draws)))


def _gains(series: np.ndarray) -> np.ndarray:
    """How much of the squared error each split into two means removes, ``(series, split)``."""
    n = series.shape[1]
    centred = series - series.mean(1, keepdims=True)
    left = np.arange(1, n)
    return centred.cumsum(1)[:, :-1] ** 2 * n / (left * (n - left))


def reached(steps: Steps, values: Values, level: float, *, for_good: bool = False) -> Boundary | None:
    """Where a series first reaches a level, or reaches it and never falls below it again.

    Returns:
        The checkpoints on either side; None if it never does. A value that is not known counts as the one before it.

    Example:
        >>> steps, values = np.array([0, 10, 20, 30]), np.array([0.1, 0.95, 0.5, 0.97])
        >>> reached(steps, values, 0.9), reached(steps, values, 0.9, for_good=True)
        (Boundary(before=0, after=10), Boundary(before=20, after=30))
    """
    at = _first(_filled(values) >= level, for_good=for_good)
    return None if at is None else _boundary(steps, at)


def _filled(values: np.ndarray) -> np.ndarray:
    """Each unknown value replaced by the last known one."""
    at = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(len(values)), 0))
    return values[at]


def _first(holds: np.ndarray, *, for_good: bool = False) -> int | None:
    """The first index at which something holds, or from which on it always does."""
    where = np.flatnonzero(~holds if for_good else holds)
    at = (where[-1] + 1 if len(where) else 0) if for_good else (where[0] if len(where) else len(holds))
    return int(at) if at < len(holds) else None


def _boundary(steps: np.ndarray, at: int) -> Boundary:
    """The boundary before the checkpoint of this index; after the last checkpoint if there is none."""
    return Boundary(int(steps[at - 1]) if at else None, int(steps[at]) if at < len(steps) else None)


def find_stages(
    steps: Steps, measures: Mapping[str, Values], generator: np.random.Generator, *, good: float
) -> tuple[Stage, ...]:
    """The stages of a training run, as far as its checkpoints show them.

    Where some labels are corrupted: memorisation of the training set, grokking, and unlearning of the corrupted
    labels (arXiv 2310.13061). Where none is: memorisation, circuit formation and clean-up (arXiv 2301.05217).
    Accuracy on held-out examples that does not come after memorisation is ``learning``, as is accuracy on all examples
    where nothing is known to be held out.

    Args:
        steps: Ascending.
        measures: Series by name, those that are known: ``train``, ``test``, ``corrupted_as_labelled`` and ``all``
            (accuracies), ``excluded_loss`` and ``logit_variance_explained``.
        generator: Of the permutations that tell a change from noise.
        good: Accuracy from which examples count as learnt.

    Returns:
        Stages in order of their end. A change that the checkpoints do not show gives none.

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
    found = run.by_split() if {"train", "test"} <= set(known) else run.by_all()
    return tuple(sorted(found, key=lambda stage: np.inf if stage.end.after is None else stage.end.after))


@dataclass(frozen=True, eq=False)
class _Run:
    """A training run in which stages are looked for; places in it are indices of checkpoints."""

    steps: np.ndarray
    known: Mapping[str, np.ndarray]
    generator: np.random.Generator
    good: float

    def by_split(self) -> list[Stage]:
        """Where it is known what was trained on."""
        memorised = self.memorised()
        found = [] if memorised is None else [self.memorisation(memorised)]
        if "corrupted_as_labelled" in self.known:
            return [*found, *self.generalisation("test", memorised), *self.unlearning()]
        if memorised is None:
            return [*self.generalisation("test", None), *self.change()]
        formed = self.formation(memorised)
        if formed is None:
            return [*found, *self.generalisation("test", memorised)]
        at, circuit = formed
        right = _first(self.known["test"] >= self.good, for_good=True)
        if right is not None and right <= at:
            return [*found, circuit, *self.generalisation("test", memorised)]
        last = self.generalisation("test", at)
        return [*found, circuit, *(replace(stage, name="clean-up") for stage in last)]

    def by_all(self) -> list[Stage]:
        """Where nothing is known to be held out."""
        found = self.generalisation("all", None) if "all" in self.known else []
        return [*found, *self.change(), *self.unlearning()]

    def memorised(self) -> int | None:
        """Where the training examples are learnt and the held-out ones not yet."""
        at = _first(self.known["train"] >= self.good)
        return None if at is None or self.known["test"][at] >= self.good else at

    def memorisation(self, at: int) -> Stage:
        train, test = self.known["train"], self.known["test"]
        reason = (
            f"{_percent(train[at])} of the training examples are right at step {self.steps[at]}"
            f"{self.earlier(train, at)}, but {_percent(test[at])} of those held out."
        )
        return Stage("memorisation", self.before(0), self.before(at), reason)

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
            at, what = half(later)
            if at:
                at += since
                right = f"with {_percent(self.known['test'][at])} of held-out examples right"
                reason = f"By step {self.steps[at]} {what}, {right}."
                return at, Stage("circuit formation", self.before(since), self.before(at), reason)
        return None

    def change(self) -> list[Stage]:
        """The jump of what waves of the right answer explain, where there is no memorisation to count from."""
        values = self.known.get("logit_variance_explained", np.empty(0))
        found = self.rise(self.steps, values)
        if found is None:
            return []
        early, late = values[self.steps <= found.before], values[self.steps >= found.after]
        reason = (
            f"Waves of the right answer explain {_percent(np.nanmean(early))} of the logits on average up to step "
            f"{found.before}, {_percent(late.mean())} from step {found.after} on (p={found.p_value:.2g})."
        )
        place = Boundary(found.before, found.after)
        return [Stage("circuit formation", place, place, reason)]

    def rise(self, steps: np.ndarray, values: np.ndarray) -> ChangePoint | None:
        """The change point of a series, if its mean rises there by more than noise."""
        if np.isfinite(values).sum() < 2:
            return None
        found = change_point(steps, values, self.generator)
        higher = values[steps >= found.after].mean() > np.nanmean(values[steps <= found.before])
        return found if higher and found.p_value <= ALPHA else None

    def before(self, at: int) -> Boundary:
        return _boundary(self.steps, at)

    def earlier(self, values: np.ndarray, at: int) -> str:
        """What a value was one checkpoint before, in brackets; nothing at the first or where it is not known."""
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
    """From where on waves of the right answer explain half of what they do in the end."""
    at = _first(values >= values[-1] / 2, for_good=True) or 0
    explained = f"waves of the right answer explain {_percent(values[at])} of the logits"
    return at, f"{explained}, half of what they do in the end ({_percent(values[-1])})"

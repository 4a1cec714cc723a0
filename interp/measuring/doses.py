"""Accuracy on every split as a set of neurons is multiplied by one factor after another, with its random control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.data import GROUPS, SPLITS
from interp.drawing import Drawable
from interp.edits import neuron_indices
from interp.errors import ConfigError, InterventionError
from interp.measuring.band import Band
from interp.measuring.cached_pass import CHUNK_ELEMENTS, CachedPass
from interp.measuring.curves import Counts, counts_of_logits, split_accuracy
from interp.measuring.logits import Streamed, by_rows, mapped
from interp.measuring.passed import group_sums
from interp.measuring.removals import random_sets
from interp.output import plain
from interp.progress import Report, silent

POINTS, FEW_POINTS = 61, 13
"""Factors by default: where the rest of the network is linear, and where each takes a run of it."""


@dataclass(frozen=True, eq=False, repr=False)
class Dose(Drawable):
    """Accuracy as a function of the factor that a set of neurons is multiplied by.

    Attributes:
        name: Of the set, in words.
        size: How many neurons it has.
        factors: What their activations are multiplied by, rising, ``(factor,)``: 1 changes nothing, 0 removes them.
        accuracy: For each split, the accuracy in [0, 1] at each factor (None for a split without examples).
        random: For each split, accuracy over random sets of the same size.
        n_random: How many random sets were drawn.
        controlled: Whether the random sets can tell anything: not if the set is most of what they are drawn from.
    """

    figure = "plots.ablation.dose_response"

    name: str
    size: int
    factors: np.ndarray
    accuracy: dict[str, np.ndarray | None]
    random: dict[str, Band | None]
    n_random: int
    controlled: bool = True

    def __repr__(self) -> str:
        low, high = float(self.factors[0]), float(self.factors[-1])
        points = f"{len(self.factors)} factors from {low:g} to {high:g}"
        return f"Dose({self.name}, {self.size} neurons: {points}, {self.n_random} random sets)"

    def at(self, factor: float, split: str) -> float | None:
        """Accuracy on a split at the measured factor that is nearest."""
        values = self.accuracy[split]
        return None if values is None else float(values[self.nearest(factor)])

    def nearest(self, factor: float) -> int:
        """Index of the measured factor that is nearest."""
        return int(np.abs(self.factors - factor).argmin())

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        renamed = {"random": "random_accuracy", "n_random": "random_draws"}
        return plain({renamed.get(name, name): value for name, value in vars(self).items()})


MOST_POINTS = 10_000
"""Factors of one curve: each is measured on every example, with every random set."""


def factors_between(low: float = -1.0, high: float = 2.0, points: int = POINTS) -> np.ndarray:
    """Evenly spaced factors, both ends included.

    Raises:
        ConfigError: The ends are not finite, the first is not below the last, or there are fewer than 2 points.

    Example:
        >>> factors_between(0, 1, 5).tolist()
        [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    if not (np.isfinite([low, high]).all() and low < high):
        raise ConfigError(
            f"factors from {low:g} to {high:g} are no range; expected two finite numbers, rising"
        )
    if not 2 <= points <= MOST_POINTS:
        raise ConfigError(f"points={points} make no curve; expected 2 to {MOST_POINTS}")
    return np.linspace(low, high, points).round(12)


def dose_response(
    cached: CachedPass,
    neurons: Any,
    factors: Sequence[float] | np.ndarray | None = None,
    *,
    name: str = "given",
    n_random: int = 20,
    pool: np.ndarray | None = None,
    seed: int = 0,
    report: Report = silent,
) -> Dose:
    """Accuracy on every split while a set of neurons is multiplied by each factor, and while random sets are.

    Where the rest of the network is linear, a factor f gives exactly ``logits + (1 - f) * delta``, with one matrix
    product for delta. Each pair of logits is then a straight line in f, so that every example is right between two
    factors that are solved for: more factors cost next to nothing. Elsewhere each factor is a run of the rest of the
    network. Rescaling instead of removing follows arXiv 2310.13061, whose BatchNorm networks weaken memorizing
    neurons by themselves.

    Args:
        neurons: Indices, a mask, or rows of a `NeuronTable`.
        factors: Finite numbers, in any order; evenly spaced from -1 to 2 if None, 61 of them where the rest of the
            network is linear and 13 elsewhere.
        n_random: Random sets of the same size; 0 for none.
        pool: Neurons that the random sets are drawn from; all if None, or if it is smaller than the set.

    Raises:
        InterventionError: The neurons cannot be used, or the pass has another mode. ConfigError: a factor is not
            finite, or there is none.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> from interp.measuring.cached_pass import cached_pass
        >>> cached = cached_pass(analytic_mlp("add", p=13), ModularTask("add", p=13))
        >>> dose = dose_response(cached, range(200), [0, 0.5, 1], n_random=0)
        >>> dose.accuracy["all"].tolist()  # half of every neuron is half of every logit
        [0.0, 1.0, 1.0]
    """
    if cached.mode != "zero":
        raise InterventionError(f"a dose multiplies neurons; the mode is {cached.mode!r}, expected 'zero'")
    chosen, steps = neuron_indices(neurons, cached.width), _checked(factors, cached.readout is not None)
    sets, controlled = random_sets(len(chosen), cached.width, n_random, pool, seed)
    rows = [torch.as_tensor(neurons, device=cached.logits.device) for neurons in (chosen, *sets)]
    count = _by_lines if cached.readout is not None else _by_runs
    sample = cached.sample
    own = count(cached, rows[:1], 1 - steps, report)[0]
    draws = [
        split_accuracy(sample.counts(counts), cached)
        for counts in count(cached.sampled, rows[1:], 1 - steps, lambda done, note="": report(1 + done))
    ]
    bands = {split: Band.of([draw[split] for draw in draws]) for split in SPLITS}
    return Dose(name, len(chosen), steps, split_accuracy(own, cached), bands, n_random, controlled)


def _checked(factors: Sequence[float] | np.ndarray | None, linear: bool) -> np.ndarray:
    """The factors, each once and rising."""
    if factors is None:
        return factors_between(points=POINTS if linear else FEW_POINTS)
    try:
        steps = np.unique(np.asarray(factors, dtype=np.float64))
    except (TypeError, ValueError):
        raise ConfigError(f"factors={factors!r} are no numbers") from None
    if not len(steps) or not np.isfinite(steps).all():
        raise ConfigError(f"factors={factors!r}: expected at least one, all of them finite")
    return steps


def _by_lines(
    cached: CachedPass, sets: list[Int[Tensor, " chosen"]], shares: np.ndarray, report: Report
) -> list[Counts]:
    """Counts ``(factor, group, 2)`` of each set, from the shares of its change at which each example is right."""
    assert cached.readout is not None
    share, labels = torch.as_tensor(shares, device=cached.logits.device), cached.data.labels
    redrawn, results = cached.data.mislabelled.nonzero()[:, 0], []
    for done, neurons in enumerate(sets):
        readout = cached.readout[neurons]

        def between(
            logits: Tensor,
            change: Tensor,
            labels: Tensor,
            readout: Tensor = readout,
            neurons: Tensor = neurons,
        ) -> Float[Tensor, "two row"]:
            return right_between(logits, change[:, neurons] @ readout, labels, cached.tolerance)

        true = by_rows(between, cached.logits, cached.change, cached.data.true_labels)
        changed = cached.change.at(redrawn) if isinstance(cached.change, Streamed) else cached.change[redrawn]
        own = by_rows(between, cached.logits, changed, labels[redrawn], chosen=redrawn)
        right = torch.stack([_inside(true.index_copy(1, redrawn, own), share), _inside(true, share)], dim=1)
        results.append(group_sums(right.double(), cached.group).transpose(1, 2).cpu().numpy())
        report(done + 1)
    return results


def _inside(
    interval: Float[Tensor, "two example"], share: Float[Tensor, " factor"]
) -> Bool[Tensor, "factor example"]:
    return (share[:, None] > interval[0]) & (share[:, None] < interval[1])


def right_between(
    logits: Float[Tensor, "example output"],
    delta: Float[Tensor, "example output"],
    labels: Int[Tensor, " example"],
    tolerance: float = 0.0,
) -> Float[Tensor, "two example"]:
    """The open interval of shares s at which ``logits + s * delta`` is right, for each example.

    The label's margin over another class is ``a + s * b``: a bound on s from below where b is above 0, from above where
    it is below.

    Args:
        logits: At s = 0.
        delta: What is added at s = 1.
        labels: The right answers.
        tolerance: A margin up to this is no answer.

    Returns:
        Lower and upper ends, infinite where there is none; an interval that never begins starts at infinity.

    Example:
        >>> right_between(torch.tensor([[2.0, 1.0]]), torch.tensor([[-2.0, 0.0]]), torch.tensor([0])).tolist()
        [[-inf], [0.5]]
    """
    parts = []
    for rows in torch.arange(len(labels), device=labels.device).split(
        max(1, CHUNK_ELEMENTS // logits.shape[1])
    ):
        own = labels[rows][:, None]
        a = logits[rows].gather(1, own) - logits[rows] - tolerance
        a.scatter_(1, own, 1.0)  # the label does not compete with itself
        b = delta[rows].gather(1, own) - delta[rows]
        bound, infinity = -a / b, float("inf")
        low = bound.masked_fill(b <= 0, -infinity).max(1).values
        high = bound.masked_fill(b >= 0, infinity).min(1).values
        low[((b == 0) & (a <= 0)).any(1)] = infinity
        parts.append(torch.stack([low, high]).double())
    return torch.cat(parts, dim=1)


def _by_runs(
    cached: CachedPass, sets: list[Int[Tensor, " chosen"]], shares: np.ndarray, report: Report
) -> list[Counts]:
    """The same counts by running the rest of the network for each factor and set."""
    results = np.zeros((len(sets), len(shares), len(GROUPS), 2))
    for start, part in cached.parts():
        for i, share in enumerate(shares):
            change = mapped(part.change, partial(torch.mul, other=float(share)))
            scaled = replace(part, change=change, share=float(share))
            for j, neurons in enumerate(sets):
                results[j, i] += counts_of_logits(part, scaled.logits_after(neurons))
            done = start + len(part.data) * (i + 1) / len(shares)
            report(int(done * len(sets) / len(cached.data)))
    return list(results)

"""Taking a set of neurons out, against random sets of the same size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.data import SPLITS
from interp.edits import neuron_indices
from interp.errors import InterventionError
from interp.interventions import Applied, FwdHooks
from interp.markup import UNKNOWN, html_table, percentage
from interp.measuring.band import INTERVAL, Band
from interp.measuring.cached_pass import CachedPass
from interp.measuring.curves import counts_of_margins, split_accuracy
from interp.measuring.evaluation import SplitValues
from interp.measuring.traces import Traces, memory_traces
from interp.output import plain
from interp.progress import Report, silent

REMOVAL_HEADER = ("examples", "before", "after", "random sets: mean", f"{INTERVAL} interval", "outside it")
MOST = 0.8
"""A set that is a larger share of the pool than this is nearly the same as any random one."""


@dataclass(frozen=True, eq=False)
class Removal:
    """Accuracies without a set of neurons, beside random sets of the same size.

    Attributes:
        removed: Size of the set.
        before: Accuracy of the whole network.
        after: Accuracy without the set.
        random: For each split, accuracy without a random set of the same size; None without examples.
        n_draws: How many random sets were drawn.
        controlled: Whether the random sets can tell anything: not if the set is most of what they are drawn from.
        ranks: Of the memorised labels among the wrong answers; None where no label is known to be wrong.
        applied: The intervention and its network, where `interp.remove` or an ablation of a checkpoint measured it.
    """

    removed: int
    before: SplitValues
    after: SplitValues
    random: dict[str, Band | None]
    n_draws: int
    controlled: bool = True
    ranks: Traces | None = None
    applied: Applied | None = field(default=None, repr=False, compare=False)

    def differs(self, split: str) -> bool | None:
        """True if the accuracy without the set lies outside the random sets' interval; None if not known."""
        after, random = self.after[split], self.random[split]
        if not self.controlled or after is None or random is None:
            return None
        return after not in random

    def hurts(self, split: str) -> bool | None:
        """True if removing the set brings the accuracy below the random sets' interval; None if not known."""
        after, random = self.after[split], self.random[split]
        if not self.controlled or after is None or random is None:
            return None
        return bool(after < random.low)

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        values = {"removed": self.removed, "accuracy": self.after, "random_accuracy": self.random}
        values |= {"random_draws": self.n_draws, "controlled": self.controlled, "ranks": self.ranks}
        return plain(values)

    def fwd_hooks(self) -> FwdHooks:
        """The intervention as TransformerLens takes hooks; see `interp.interventions.Applied.fwd_hooks`."""
        return self._applied().fwd_hooks()

    def state_dict(self) -> dict[str, Tensor]:
        """The network's weights with the intervention in them, under the names of the user's module or file.

        See `interp.interventions.Applied.state_dict` for the errors.
        """
        return self._applied().state_dict()

    def _applied(self) -> Applied:
        if self.applied is None:
            raise InterventionError(
                "this result holds numbers alone, without its network; measure it with interp.remove(…), whose result "
                "has hooks and weights"
            )
        return self.applied

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Accuracy per split before and after, with the random sets, in the order of `REMOVAL_HEADER`, as shown."""
        yield from change_rows(self)

    def _repr_html_(self) -> str:
        """A table, for notebooks."""
        caption = f"Accuracy without {self.removed} neurons, against {self.n_draws} random sets as large"
        return html_table(caption, REMOVAL_HEADER, self.rows(), inline=True)


def change_rows(result: Any) -> Iterator[tuple[str, ...]]:
    """Rows of `REMOVAL_HEADER` of anything with accuracies by name `before`, `after` and `random`."""
    for name in result.before:
        random, mean, interval, outside = result.random[name], UNKNOWN, UNKNOWN, UNKNOWN
        if random is not None:
            mean = percentage(random.mean)
            interval = f"{percentage(random.low)} to {percentage(random.high)}"
            if result.controlled and result.after[name] is not None:
                outside = "no" if result.after[name] in random else "yes"
        before, after = percentage(result.before[name]), percentage(result.after[name])
        yield name.replace("_", " "), before, after, mean, interval, outside


def removal(
    cached: CachedPass,
    neurons: Any,
    *,
    n_draws: int = 20,
    pool: np.ndarray | None = None,
    seed: int = 0,
    report: Report = silent,
) -> Removal:
    """Accuracy on every split before and after taking neurons out, and after taking out random ones.

    Args:
        cached: From `cached_pass`; its mode says what "taking out" means.
        neurons: Indices, a mask, or rows of a `NeuronTable`.
        pool: Neurons that the random sets are drawn from; all if None. Dead neurons are best left out: a
            random set that is half dead is no fair control.

    Raises:
        InterventionError: The neurons cannot be used.
    """
    chosen = neuron_indices(neurons, cached.width)
    sets, controlled = random_sets(len(chosen), cached.width, n_draws, pool, seed)

    draws, sample = [], cached.sample
    for draw, neurons in enumerate(sets):
        report(draw)
        counts = counts_of_margins(cached.sampled, cached.sampled.margins_after(neurons))
        draws.append(_accuracies(cached, sample.counts(counts)))
    report(n_draws)
    random = {split: Band.of([draw[split] for draw in draws]) for split in SPLITS}
    ranks = None
    if cached.data.mislabelled.any():
        some = cached.sampled
        after = some.logits_after(torch.as_tensor(chosen, dtype=torch.long, device=cached.logits.device))
        ranks = memory_traces(after, some.logits, some.data, tolerance=cached.tolerance, seed=seed)
    accuracies = _measured(cached, cached.margins), _measured(cached, cached.margins_after(chosen))
    return Removal(len(chosen), *accuracies, random, n_draws, controlled, ranks)


def random_sets(
    size: int, width: int, n_draws: int, pool: np.ndarray | None = None, seed: int = 0
) -> tuple[list[np.ndarray], bool]:
    """Random sets of neurons for a control, and whether they can tell anything: not if they are most of the pool.

    Args:
        size: Of each set.
        width: Number of neurons at the site.
        n_draws: Number of sets.
        pool: Neurons to draw from; all if None, or if it is smaller than a set.
    """
    if pool is None or len(pool) < size:
        pool = np.arange(width)
    generator = np.random.default_rng(seed)
    sets = [generator.choice(pool, size, replace=False) for _ in range(n_draws)]
    return sets, size <= MOST * len(pool)


def _measured(cached: CachedPass, margins: Float[Tensor, "two example"]) -> SplitValues:
    """Accuracy on every split."""
    return _accuracies(cached, counts_of_margins(cached, margins))


def _accuracies(cached: CachedPass, counts: np.ndarray) -> SplitValues:
    """Accuracy on every split from counts by group."""
    accuracy = split_accuracy(counts[None], cached)
    return SplitValues(
        **{split: None if value is None else float(value[0]) for split, value in accuracy.items()}
    )

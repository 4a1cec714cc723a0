"""Sums of what each neuron adds to the logits, taken while these are computed, so that they are never held."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from interp.data import GROUPS
from interp.measuring.cached_pass import CachedPass
from interp.measuring.suffix_kernels import add_pairs
from interp.measuring.through_block import Pairs
from interp.memory import working_budget

HELD = 200_000_000
"""Bytes that the sums of the neurons that are measured together take at most."""


@dataclass(frozen=True, eq=False)
class Wanted:
    """The sums that are asked for.

    Attributes:
        tables: Masks; what neurons add to each logit is summed over each one's examples by true class.
        weighted: Masks, and for each true class a weight for each logit: for each of the examples, the weighted sum of
            what neurons add to its logits beyond their mean.
    """

    tables: Sequence[Bool[np.ndarray, " example"]] = ()
    weighted: Sequence[tuple[Bool[np.ndarray, " example"], Float[np.ndarray, "true output"]]] = ()


@dataclass(frozen=True, eq=False)
class EffectSums:
    """Sums of what some neurons add to the logits: of the unchanged network less those with the neuron changed.

    Attributes:
        label, true, mean: What is added to the logit of the label and of the true class, and to the mean logit.
        weighted: For each of `Wanted.weighted`, its sums; 0 for other examples.
        tables: For each of `Wanted.tables`, its sums.
    """

    label: Float[np.ndarray, "neuron example"]
    true: Float[np.ndarray, "neuron example"]
    mean: Float[np.ndarray, "neuron example"]
    weighted: Float[np.ndarray, "sum neuron example"]
    tables: Float[np.ndarray, "table neuron true output"]


class PairSums:
    """Adds up what changing each neuron of a batch does, as logits are computed for pairs of a neuron and an example.

    Attributes:
        counts, sums: Right answers and margins by group, as labelled and by the true label, ``(neuron, group, 2)``.
            Examples that the neuron does not change are part of them.
        effects: What was wanted.
    """

    def __init__(self, cached: CachedPass, width: int, wanted: Wanted | None) -> None:
        data, n, classes = cached.data, len(cached.data), cached.logits.shape[1]
        self.cached, margins = cached, cached.margins
        hits = cached.by_group(margins > cached.tolerance)
        self.counts = np.repeat(hits[None], width, axis=0)
        self.sums = np.repeat(cached.by_group(margins)[None], width, axis=0)
        answers = (data.labels, data.true_labels, cached.group)
        self.answers = tuple(x.cpu().numpy() for x in answers)
        self.margins = margins.float().cpu().numpy()
        kept = n if wanted else 0
        wanted = wanted or Wanted()
        self.plan = _plan(wanted, n, classes)
        label, true, mean = np.zeros((3, width, kept), np.float32)
        weighted = np.zeros((len(wanted.weighted), width, kept), np.float32)
        tables = np.zeros((len(wanted.tables), width, classes, classes))
        self.effects = EffectSums(label, true, mean, weighted, tables)

    def part(self) -> PairSums:
        """Sums of other examples of the same neurons, from 0, to be taken in later; both can be added to at a time."""
        twin, e = copy(self), self.effects
        twin.counts, twin.sums = np.zeros_like(self.counts), np.zeros_like(self.sums)
        twin.effects = replace(e, tables=np.zeros_like(e.tables))
        return twin

    def take(self, part: PairSums) -> None:
        """Add the sums of a `part`."""
        self.counts += part.counts
        self.sums += part.sums
        np.add(self.effects.tables, part.effects.tables, out=self.effects.tables)

    def add(
        self,
        start: int,
        pairs: Pairs,
        logits: Float[np.ndarray, "pair output"],
        before: Float[Tensor, "example output"],
    ) -> None:
        """Take in the logits after a change of the neuron of each pair on its example.

        Args:
            start: Number of the first example of `before`.
            before: Logits of the examples of the pairs before any change.
        """
        e, wanted = self.effects, self.effects.label.shape[1] > 0
        add_pairs(
            pairs,
            start,
            logits,
            before.float().cpu().numpy() if wanted else logits[:0],
            self.answers,
            self.margins,
            np.float32(self.cached.tolerance),
            (self.counts, self.sums),
            (e.label, e.true, e.mean, e.weighted, e.tables),
            self.plan,
        )


def neurons_at_once(cached: CachedPass, wanted: Wanted | None) -> int:
    """Neurons whose sums are held together."""
    w = wanted or Wanted()
    kept = 4 * len(cached.data) * (3 + len(w.weighted)) if wanted else 0
    numbers = kept + 8 * len(w.tables) * cached.logits.shape[1] ** 2 + 32 * len(GROUPS)
    return max(1, min(HELD, working_budget() // 4) // numbers)


def _plan(wanted: Wanted, n: int, classes: int) -> tuple[np.ndarray, ...]:
    """Masks of tables; masks, starts, outputs, weights and sums of weights of the weighted sums, which are sparse."""
    in_tables = np.array(list(wanted.tables), bool).reshape(-1, n)
    in_sums = np.array([mask for mask, _ in wanted.weighted], bool).reshape(-1, n)
    weights = np.array([w for _, w in wanted.weighted], np.float64).reshape(-1, classes, classes)
    rows = weights.reshape(-1, classes)
    starts = np.concatenate([[0], np.cumsum((rows != 0).sum(1))]).astype(np.int64)
    outputs = rows.nonzero()[1]
    return in_tables, in_sums, starts, outputs, rows[rows != 0], weights.sum(2)

"""A forward pass at one site: activations, logits, and the change that an intervention makes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.data import GROUPS, Dataset
from interp.measuring.evaluation import margins
from interp.measuring.leakage import Leakage
from interp.measuring.logits import Activations, Logits, Streamed, by_rows, whole_of
from interp.measuring.rivals import Rivals, rivals_of
from interp.measuring.sample import Sample, draw_sample
from interp.measuring.streamed_prefix import AnyPrefix
from interp.models import HookedModel, Prefix
from interp.time_scope import TimeScope

SAMPLED = 100_000_000
"""Logits and activations of a sample of the examples."""


@dataclass(frozen=True, eq=False)
class Passed:
    """A forward pass at one site, with what an intervention would change there.

    Attributes:
        model: The network, unchanged.
        hook: Hook name of the site.
        mode: The intervention, for example ``"zero"``.
        data: The examples, on the model's device.
        activations: Of the neurons on every example: one number each, at the site's position, or the mean over its
            positions.
        change: What the intervention adds to each activation, at every position.
        logits: Of the unchanged network.
        readout: ``(neuron, output)`` if all that follows the neurons is linear, else None.
        prefix: The forward pass up to the site.
        during: Steps that the intervention is limited to; all if None.
        share: How much of the intervention `change` is, of each neuron or of all.

    Where they are many, activations, change and logits are streamed: computed by blocks of examples whenever they are
    asked for.
    """

    model: HookedModel
    hook: str
    mode: str
    data: Dataset
    activations: Float[Tensor, "example neuron"] | Streamed
    change: Activations
    logits: Logits
    readout: Float[Tensor, "neuron output"] | None
    prefix: AnyPrefix
    during: TimeScope | None = None
    share: Tensor | float = 1.0

    @property
    def width(self) -> int:
        """Number of neurons at the site."""
        return self.activations.shape[1]

    @property
    def in_loop(self) -> bool:
        """True if the site is passed once a step, so that a changed neuron changes others at later steps."""
        return self.prefix.in_loop

    @property
    def held_prefix(self) -> Prefix:
        """The forward pass up to the site, of a pass that is held, or a part of one that is not."""
        assert isinstance(self.prefix, Prefix)
        return self.prefix

    @cached_property
    def tolerance(self) -> float:
        """Margins up to this are rounding left over from subtracting neurons from float32 logits, not answers."""
        if self.readout is None:
            return 0.0
        return 1e-5 * (self.rivals.largest if self._streams else float(whole_of(self.logits).abs().max()))

    @property
    def _streams(self) -> bool:
        return isinstance(self.logits, Streamed)

    @cached_property
    def rivals(self) -> Rivals:
        """The few logits of each example that decide its answer, from one pass over all of them."""
        return rivals_of(self.logits, self.data)

    @cached_property
    def group(self) -> Int[Tensor, " example"]:
        """Each example's index in `GROUPS`."""
        return self.data.corrupted.long() + 2 * self.data.test.long()

    @cached_property
    def margins(self) -> Float[Tensor, "two example"]:
        """Margins of the unchanged network: of the label as trained on, and of the true one."""
        if self._streams:
            return self.rivals.margins
        return both_margins(self.logits, self.data.labels, self.data.true_labels)

    @cached_property
    def affected(self) -> Tensor:
        """Mask of the examples that changing each neuron reaches, ``(neuron, example)``: a quiet ReLU reaches none."""
        changed = whole_of(self.change) != 0
        return (changed if changed.ndim == 2 else changed.flatten(1, -2).any(1)).T.contiguous()

    @cached_property
    def leakage(self) -> Leakage:
        """The held-out examples that the network has in effect been trained on."""
        moments = self.rivals.moments if self._streams else None
        return Leakage(self.data, self.logits, self.margins[1], moments)

    @cached_property
    def sample(self) -> Sample:
        """Examples that random controls are measured on: all, or a random part of them where logits are streamed."""
        one = self.data.n_classes + 3 * torch.Size(self.change.shape[1:]).numel()
        return draw_sample(self.group, SAMPLED // one if self._streams else len(self.data))

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the report on what is not measured at every step or on every example."""
        if not self._streams:
            return ()
        few = "Curves have points at evenly spaced numbers of neurons, as the network is large."
        return (*([few] if self.readout is not None else ()), *self.sample.notes)

    def by_group(self, values: Tensor) -> np.ndarray:
        """Sums of ``(two, example)`` values, as labelled and by the true label, ``(group, two)``, in float64."""
        return group_sums(values.double(), self.group).T.cpu().numpy()


def group_sums(values: Tensor, group: Tensor) -> Tensor:
    """Sums of ``(…, example)`` values over the examples of each group, ``(…, group)``."""
    sums = values.new_zeros(*values.shape[:-1], len(GROUPS), dtype=torch.float64)
    return sums.index_add_(-1, group, values.double())


def both_margins(
    logits: Logits, labels: Int[Tensor, " row"], true_labels: Int[Tensor, " row"]
) -> Float[Tensor, "two row"]:
    """Margins of the label as trained on, and of the true one."""
    if not isinstance(logits, Tensor):
        return by_rows(both_margins, logits, labels, true_labels)
    true = margins(logits, true_labels)
    rows = (labels != true_labels).nonzero()[:, 0]
    if not len(rows):
        return true.expand(2, -1)
    return torch.stack([true.index_copy(0, rows, margins(logits[rows], labels[rows])), true])

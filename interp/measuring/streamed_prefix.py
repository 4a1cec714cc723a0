"""A forward pass up to a site that is run again for whichever examples are asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from interp.hooks import evaluation_mode
from interp.measuring.logits import Rows, Streamed, blocks_of
from interp.models import HookedModel, Prefix, prefix_at
from interp.modes import make_intervention, parse_mode


@dataclass(frozen=True, eq=False)
class StreamedPrefix:
    """A `Prefix` that is run again for every block of examples: the network must stay as it is, hooks included.

    Attributes:
        model: The network.
        hook: Hook name of the site.
        inputs: Of every example, on the model's device.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> model, inputs = analytic_mlp("add", p=13), ModularTask("add", p=13).dataset.inputs
        >>> prefix = StreamedPrefix(model, "blocks.0.mlp.hook_post", inputs)
        >>> prefix.activations.shape, tuple(prefix.logits(rows=slice(5)).shape)
        ((169, 200), (5, 13))
    """

    model: HookedModel
    hook: str
    inputs: Shaped[Tensor, "example ..."]

    def of(self, rows: Rows) -> Prefix:
        """The forward pass of some examples; the last one is kept, as several arrays are made of it."""
        key = (rows.start, rows.stop, rows.step) if isinstance(rows, slice) else None
        if key is not None and key in self._last:
            return self._last[key]
        with evaluation_mode(self.model):
            prefix = prefix_at(self.model, self.hook, self.inputs[rows])
        if key is not None:
            self._last.clear()
            self._last[key] = prefix
        return prefix

    @cached_property
    def _last(self) -> dict[tuple[int | None, ...], Prefix]:
        return {}

    @cached_property
    def _first(self) -> Prefix:
        return self.of(slice(1))

    @property
    def needs(self) -> int:
        """Numbers of one example that a forward pass holds: input, activations and what follows them."""
        one = self._first
        return max(self.inputs[:1].numel(), one.activations.numel(), one.stream.numel())

    @property
    def has_positions(self) -> bool:
        """True if the second axis of `activations` is the token position."""
        return self._first.has_positions

    @property
    def in_loop(self) -> bool:
        """True if the site is passed once a step."""
        return self._first.in_loop

    @cached_property
    def activations(self) -> Streamed:
        """Of the neurons, neurons last."""
        one = self._first.activations
        shape = (len(self.inputs), *one.shape[1:])
        return Streamed(shape, one.device, lambda rows: self.of(rows).activations, one.dtype, self.needs)

    def logits(
        self, activations: Tensor | None = None, rows: Rows | None = None
    ) -> Float[Tensor, "example output"]:
        """As `Prefix.logits`."""
        return self.of(slice(None) if rows is None else rows).logits(activations)

    def logits_shifted(self, neurons: Tensor, shift: Tensor, rows: Tensor) -> Float[Tensor, "example output"]:
        """As `Prefix.logits_shifted`."""
        return self.of(rows).logits_shifted(neurons, shift, torch.arange(len(shift), device=shift.device))


AnyPrefix = Prefix | StreamedPrefix


def streamed_change(mode: str, activations: Streamed, seed: int) -> Streamed:
    """The change of activations that an intervention makes, as it is of all examples at once.

    Args:
        mode: One of `interp.modes.MODES`.
        seed: Of the examples that a resampling mode draws.
    """
    known, _ = parse_mode(mode)
    if known.by_example:
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randint(len(activations), (len(activations),), generator=generator)
        drawn = drawn.to(activations.device)

        def resampled(rows: Rows) -> Tensor:
            return activations[drawn[rows]] - activations[rows]

        return replace(activations, compute=resampled)
    reference = _mean(activations)[None] if known.from_examples else None
    change = make_intervention(mode, reference, seed=seed).start()
    return activations.map(lambda block: change(block) - block)


def _mean(activations: Streamed) -> Shaped[Tensor, ...]:
    """Mean over all examples."""
    sums = torch.stack([activations[rows].double().sum(0) for rows in blocks_of(activations)])
    return (sums.sum(0) / len(activations)).to(activations.dtype)

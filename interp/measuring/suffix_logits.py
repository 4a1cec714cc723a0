"""Logits after a change of one neuron, for many neurons and examples at once, where the rest is known in parts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.measuring.suffix_kernels import normed_logits
from interp.measuring.through_block import PAIRS, TABLE, Array, Pairs, ThroughBlock
from interp.models import Prefix
from interp.models.suffix import Affine, LastBlock


def followed(prefix: Prefix) -> bool:
    """True where changes of single neurons can be followed through the parts of the rest of the network."""
    if prefix.suffix is None or not followable(prefix.activations):
        return False
    return isinstance(prefix.suffix, LastBlock) or prefix.suffix.eps is not None


def followable(activations: Tensor) -> bool:
    """True for numbers that the compiled loops take."""
    return activations.device.type == "cpu" and activations.dtype == torch.float32


def logits_of_pairs(
    prefix: Prefix, change: Any, neurons: slice, blocks: Iterator[int] | None = None
) -> Iterator[tuple[slice, Pairs, Float[np.ndarray, "pair output"]]]:
    """Blocks of examples, neurons and examples of them whose activation changes, and the logits after it.

    Neurons are counted from the first of them. The arrays are used again: work on them before the next ones.

    Args:
        prefix: One that `followed` is true of.
        change: What is added to each activation, ``(example, …, neuron)``; rows of it are asked for.
        neurons: Which of them are changed, each alone.
        blocks: Numbers of blocks of examples, from 0 without end; callers with the same iterator share the work.
    """
    suffix, source = prefix.suffix, prefix.whole or prefix
    assert suffix is not None
    assert source.writes is not None
    writes = source.writes[neurons].detach()
    kind = ThroughBlock if isinstance(suffix, LastBlock) else _ThroughNorm
    part = kind(suffix, writes)  # type: ignore[arg-type]
    n = len(source.activations)
    for block in count() if blocks is None else blocks:
        if (start := block * part.examples) >= n:
            return
        rows = slice(start, min(start + part.examples, n))
        amount = _visible(prefix, change[rows][..., neurons], part.positions)
        tables = part.tables(source.stream[rows].detach(), amount)
        changed = (amount != 0).numpy()
        for first in range(0, amount.shape[-1], step := max(1, PAIRS // len(amount))):
            some = changed[..., first : first + step]
            example, neuron = np.nonzero(some if some.ndim == 2 else some.any(1))
            if len(neuron):
                logits = part.logits((neuron + first, example), tables)
                yield rows, (neuron + first, example + start), logits


def _visible(prefix: Prefix, change: Tensor, positions: tuple[int, ...] | None) -> Tensor:
    """The change at the positions that matter, ``(example, position, neuron)``, or without that axis."""
    if positions is None:
        return change
    if prefix.position is None:
        return change[:, list(positions)]
    whole = change.new_zeros(len(change), len(positions), change.shape[-1])
    if prefix.position in positions:
        whole[:, positions.index(prefix.position)] = change
    return whole


class _ThroughNorm:
    """A norm and a matrix: both are linear but for the norm's scale, whose variance changes by a square."""

    positions = None

    def __init__(self, head: Affine, writes: Tensor) -> None:
        assert head.eps is not None
        self.head, self.writes = head, head.centred(writes)
        self.examples = min(PAIRS, max(1, TABLE // head.matrix.shape[1]))
        self.readout = (self.writes @ head.matrix).numpy()
        self.spread = self.writes.square().mean(1).numpy()
        self.bias, self.eps = head.bias.numpy(), np.float32(head.eps)

    def tables(self, stream: Tensor, change: Tensor) -> tuple[Array, ...]:
        """Change, variance, covariance with what neurons write, and the matrix's product, for some examples."""
        x = self.head.centred(stream)
        cross = x @ self.writes.T / x.shape[1]
        parts = (change, x.square().mean(1), cross, x @ self.head.matrix)
        return tuple(part.contiguous().numpy() for part in parts)

    def logits(self, pairs: Pairs, tables: tuple[Array, ...]) -> Array:
        """Logits of some pairs."""
        change, variance, cross, base = tables
        logits = np.empty((len(pairs[0]), len(self.bias)), np.float32)
        rest = (self.bias, self.eps, logits)
        normed_logits(pairs, change, variance, cross, self.spread, base, self.readout, *rest)
        return logits

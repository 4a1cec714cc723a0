"""Logits after a change of one neuron, for many neurons and examples at once, where the rest is known in parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.measuring import suffix_kernels as kernels
from interp.models import Prefix
from interp.models.suffix import Affine, LastBlock

PAIRS = 1024
"""Pairs of a neuron and an example whose logits are computed together, so that they stay in cache."""
TABLE = 200_000
"""Numbers of the tables of the examples that are worked on together."""

Array = Float[np.ndarray, "..."]
Pairs = tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]


def followed(prefix: Prefix) -> bool:
    """True where changes of single neurons can be followed through the parts of the rest of the network."""
    if prefix.suffix is None or not followable(prefix.activations):
        return False
    return isinstance(prefix.suffix, LastBlock) or prefix.suffix.eps is not None


def followable(activations: Tensor) -> bool:
    """True for numbers that the compiled loops take."""
    return activations.device.type == "cpu" and activations.dtype == torch.float32


@torch.no_grad()
def logits_of_pairs(
    prefix: Prefix, change: Any, neurons: slice, threads: int
) -> Iterator[tuple[slice, Pairs, Float[np.ndarray, "pair output"]]]:
    """Blocks of examples, neurons and examples of them whose activation changes, and the logits after it.

    Neurons are counted from the first of them. The arrays are used again: work on them before the next ones.

    Args:
        prefix: One that `followed` is true of.
        change: What is added to each activation, ``(example, …, neuron)``; rows of it are asked for.
        neurons: Which of them are changed, each alone.
        threads: That the loops run in.
    """
    suffix, source = prefix.suffix, prefix.whole or prefix
    assert suffix is not None and source.writes is not None
    writes = source.writes[neurons]
    kind = _ThroughBlock if isinstance(suffix, LastBlock) else _ThroughNorm
    part = kind(suffix, writes, threads)  # type: ignore[arg-type]
    for start in range(0, len(source.activations), part.examples):
        rows = slice(start, min(start + part.examples, len(source.activations)))
        amount = _visible(prefix, change[rows][..., neurons], part.positions)
        tables = part.tables(source.stream[rows])
        for first in range(0, amount.shape[-1], step := max(1, PAIRS // len(amount))):
            some = amount[..., first : first + step]
            example, neuron = (some if some.ndim == 2 else some.any(1)).nonzero()
            if len(neuron):
                logits = part.logits((neuron + first, example), amount, tables)
                yield rows, (neuron + first, example + start), logits


def _visible(prefix: Prefix, change: Tensor, positions: tuple[int, ...] | None) -> Array:
    """The change at the positions that matter, ``(example, position, neuron)``; without positions where there is one."""
    if positions is None:
        return change.contiguous().numpy()
    if prefix.position is None:
        return change[:, list(positions)].numpy()
    whole = change.new_zeros(len(change), len(positions), change.shape[-1])
    if prefix.position in positions:
        whole[:, positions.index(prefix.position)] = change
    return whole.numpy()


class _ThroughNorm:
    """A norm and a matrix: both are linear but for the norm's scale, whose variance changes by a square."""

    positions = None

    def __init__(self, head: Affine, writes: Tensor, threads: int) -> None:
        assert head.eps is not None
        self.head, self.writes, self.threads = head, head.centred(writes), threads
        self.examples = min(PAIRS, max(1, TABLE // head.matrix.shape[1]))
        self.readout = (self.writes @ head.matrix).numpy()
        self.spread = self.writes.square().mean(1).numpy()
        self.bias, self.eps = head.bias.numpy(), np.float32(head.eps)

    def tables(self, stream: Tensor) -> tuple[Array, ...]:
        """Variance, covariance with what neurons write, and the matrix's product, for some examples."""
        x = self.head.centred(stream)
        return x.square().mean(1).numpy(), _covariance(x, self.writes), (x @ self.head.matrix).numpy()

    def logits(self, pairs: Pairs, change: Array, tables: tuple[Array, ...]) -> Array:
        """Logits of some pairs."""
        variance, cross, base = tables
        logits = np.empty((len(pairs[0]), len(self.bias)), np.float32)
        spread, readout, rest = self.spread, self.readout, (self.bias, self.eps, logits, self.threads)
        kernels.normed_logits(pairs, change, variance, cross, spread, base, readout, *rest)
        return logits


@dataclass(frozen=True)
class _Tables:
    """Of some examples: what the kernel calls `examples`, and the first two of its `rows`."""

    examples: tuple[Array, ...]
    base: Array
    values: Array


class _ThroughBlock:
    """A transformer's last block, then the logits.

    Without norms the columns after the block's neurons are logits; with them, the stream without its mean.
    """

    def __init__(self, block: LastBlock, writes: Tensor, threads: int) -> None:
        self.block, self.threads, self.positions = block, threads, block.visible
        head, eps = block.head, block.key.eps
        centred = block.key.centred
        onward = head.matrix if head.eps is None else centred(torch.eye(len(head.matrix)))
        reader = torch.cat([block.neurons.matrix, onward], dim=1)
        by_head = block.mix.unflatten(0, (block.n_heads, -1))
        self.reader, self.value_reader = reader, by_head @ reader
        self.outputs = block.writes @ onward
        seen = block.coeff + (1 - block.coeff) * len(block.visible)
        self.constant = (block.mix_bias + seen * block.value.bias @ block.mix) @ reader
        last = block.writes_bias @ onward + (head.bias if head.eps is None else 0)
        self.bias = torch.cat([block.neurons.bias, last]).numpy()
        self.writes = centred(writes)
        per_head = (self.writes @ block.value.matrix).unflatten(1, (block.n_heads, -1))
        through = torch.einsum("nhd,hdw->nhw", per_head, self.value_reader)
        self.written = torch.cat([through, (self.writes @ reader)[:, None]], dim=1).numpy()
        spread = self.writes.square().mean(1)
        self.neurons = tuple(
            x.numpy() for x in (spread, self.writes @ block.query.matrix, self.writes @ block.key.matrix)
        )
        self.attention = (
            block.query.bias.numpy(),
            block.key.bias.numpy(),
            block.readout,
            np.float32(block.coeff),
            np.float32(-1 if eps is None else eps),
        )
        numbers = block.n_heads * len(block.visible) * reader.shape[1]
        self.examples = min(PAIRS, max(1, TABLE // numbers))
        self.pre, self.out = torch.empty(PAIRS, len(block.writes)), torch.empty(PAIRS, onward.shape[1])

    def tables(self, stream: Tensor) -> _Tables:
        """Queries, keys and values of some examples, and what the last two parts of the block make of values."""
        block = self.block
        x = block.key.centred(stream[:, list(block.visible)])
        own = x[:, block.readout]
        values = (x @ block.value.matrix).unflatten(-1, (block.n_heads, -1))
        through = torch.einsum("ephd,hdw->ehpw", values, self.value_reader).flatten(1, 2)
        cross = _covariance(x, self.writes)
        keys, queries = (x @ block.key.matrix).numpy(), (own @ block.query.matrix).numpy()
        examples = (x.square().mean(-1).numpy(), cross, queries, keys)
        return _Tables(examples, (own @ self.reader + self.constant).numpy(), through.contiguous().numpy())

    def logits(self, pairs: Pairs, change: Array, tables: _Tables) -> Array:
        """Logits of some pairs."""
        n, head = len(pairs[0]), self.block.head
        pre, out = self.pre[:n], self.out[:n]
        rows, rest = (tables.base, tables.values, self.written), (pre.numpy(), out.numpy(), self.threads)
        kernels.block_inputs(
            pairs, change, tables.examples, self.neurons, self.attention, rows, self.bias, *rest
        )
        out = out.addmm_(self.block.activation(pre), self.outputs)
        return (out if head.eps is None else head(out)).numpy()


def _covariance(x: Tensor, writes: Tensor) -> Array:
    """Mean over the stream of its product with what each neuron writes, both without their means."""
    return (x @ writes.T / writes.shape[1]).contiguous().numpy()

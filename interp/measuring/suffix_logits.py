"""Logits after a change of one neuron, for many neurons and examples at once, where the rest is known in parts."""

from __future__ import annotations

from collections.abc import Iterator
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
        tables = part.tables(source.stream[rows], amount)
        changed = (amount != 0).numpy()
        for first in range(0, amount.shape[-1], step := max(1, PAIRS // len(amount))):
            some = changed[..., first : first + step]
            example, neuron = (some if some.ndim == 2 else some.any(1)).nonzero()
            if len(neuron):
                logits = part.logits((neuron + first, example), tables)
                yield rows, (neuron + first, example + start), logits


def _visible(prefix: Prefix, change: Tensor, positions: tuple[int, ...] | None) -> Tensor:
    """The change at the positions that matter, ``(example, position, neuron)``; without positions where there is one."""
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

    def __init__(self, head: Affine, writes: Tensor, threads: int) -> None:
        assert head.eps is not None
        self.head, self.writes, self.threads = head, head.centred(writes), threads
        self.examples = min(PAIRS, max(1, TABLE // head.matrix.shape[1]))
        self.readout = (self.writes @ head.matrix).numpy()
        self.spread = self.writes.square().mean(1).numpy()
        self.bias, self.eps = head.bias.numpy(), np.float32(head.eps)

    def tables(self, stream: Tensor, change: Tensor) -> tuple[Array, ...]:
        """Change, variance, covariance with what neurons write, and the matrix's product, for some examples."""
        x = self.head.centred(stream)
        return change.contiguous().numpy(), x.square().mean(1).numpy(), _covariance(x, self.writes), (x @ self.head.matrix).numpy()

    def logits(self, pairs: Pairs, tables: tuple[Array, ...]) -> Array:
        """Logits of some pairs."""
        change, variance, cross, base = tables
        logits = np.empty((len(pairs[0]), len(self.bias)), np.float32)
        spread, readout, rest = self.spread, self.readout, (self.bias, self.eps, logits, self.threads)
        kernels.normed_logits(pairs, change, variance, cross, spread, base, readout, *rest)
        return logits


class _ThroughBlock:
    """A transformer's last block, then the logits.

    A change moves query, key and value of a position along one vector each, which the neuron alone decides: scores are
    products of four, and what the heads write is a sum of a few vectors of the example and a few of the neuron.
    The columns of these vectors are the inputs of the block's neurons, and after them the logits, or, where there are
    norms, the stream without its mean.
    """

    def __init__(self, block: LastBlock, writes: Tensor, threads: int) -> None:
        self.block, self.threads, self.positions = block, threads, block.visible
        head, eps = block.head, block.key.eps
        centred = block.key.centred
        onward = head.matrix if head.eps is None else centred(torch.eye(len(head.matrix)))
        self.reader = torch.cat([block.neurons.matrix, onward], dim=1)
        self.value_reader = block.mix.unflatten(0, (block.n_heads, -1)) @ self.reader
        self.outputs = block.writes @ onward
        seen = block.coeff + (1 - block.coeff) * len(block.visible)
        self.constant = (block.mix_bias + seen * block.value.bias @ block.mix) @ self.reader
        last = block.writes_bias @ onward + (head.bias if head.eps is None else 0)
        self.bias, self.eps = torch.cat([block.neurons.bias, last]).numpy(), np.float32(-1 if eps is None else eps)
        self.writes = centred(writes)
        self.spread = self.writes.square().mean(1)
        through = torch.einsum("nhd,hdw->nhw", self.by_head(self.writes @ block.value.matrix), self.value_reader)
        self.written = torch.cat([through, (self.writes @ self.reader)[:, None]], dim=1).numpy()
        self.query, self.key = self.writes @ block.query.matrix, self.writes @ block.key.matrix
        self.examples = min(PAIRS, max(1, TABLE // (block.n_heads * len(block.visible) * self.reader.shape[1])))
        self.pre, self.out = torch.empty(PAIRS, len(block.writes)), torch.empty(PAIRS, onward.shape[1])

    def by_head(self, x: Float[Tensor, "*axes all"]) -> Float[Tensor, "*axes head d_head"]:
        """Projections with an axis of heads."""
        return x.unflatten(-1, (self.block.n_heads, -1))

    def tables(self, stream: Tensor, change: Tensor) -> tuple[Array, ...]:
        """For some examples how much of which vectors is added up: what the kernel takes as `gathered`, `moved`, and
        the first two of `rows`."""
        block, x = self.block, self.block.key.centred(stream[:, list(self.block.visible)])
        own = x[:, block.readout]
        values = torch.einsum("ephd,hdw->ehpw", self.by_head(x @ block.value.matrix), self.value_reader)
        gathered = self._pattern(x, own, change)
        moved = (gathered * change[:, None]).sum(2)
        moved = torch.cat([moved, change[:, None, block.readout]], dim=1)
        base = own @ self.reader + self.constant
        parts = (gathered.flatten(1, 2).mT, moved.mT, base, values.flatten(1, 2))
        return tuple(part.contiguous().numpy() for part in parts)

    def _pattern(
        self, x: Float[Tensor, "example position stream"], own: Tensor, change: Tensor
    ) -> Float[Tensor, "example head position neuron"]:
        """How much each head takes of each position's stream, with the norm's scale, after each neuron's change."""
        block, scale = self.block, self._scale(x, change)
        at, d = scale[:, None, block.readout], change[:, None]  # (example, 1, neuron), (example, 1, position, neuron)
        moved = at * change[:, None, block.readout]
        query, key = self.by_head(own @ block.query.matrix), self.by_head(x @ block.key.matrix)
        query_bias, key_bias = self.by_head(block.query.bias), self.by_head(block.key.bias)
        by_query, by_key = self.by_head(self.query), self.by_head(self.key)

        def dot(one: Tensor, other: Tensor) -> Tensor:
            return (one * other).sum(-1)

        same = torch.einsum("ehd,ephd->ehp", query, key)[..., None]
        by_query_moved = torch.einsum("nhd,ephd->ehpn", by_query, key)
        by_key_moved = torch.einsum("ehd,nhd->ehn", query, by_key)
        scores = at[:, :, None] * same + moved[:, :, None] * by_query_moved
        scores += torch.einsum("hd,ephd->ehp", query_bias, key)[..., None]
        shifted = at * by_key_moved + moved * dot(by_query, by_key).T + dot(by_key, query_bias).T
        scores = scale[:, None] * (scores + d * shifted[:, :, None])
        of_bias = at * dot(query, key_bias)[..., None] + moved * dot(by_query, key_bias).T
        scores += (of_bias + dot(query_bias, key_bias)[:, None])[:, :, None]
        pattern = (scores / key.shape[-1] ** 0.5).softmax(2)
        if block.coeff != 1:
            pattern = block.coeff * pattern + (1 - block.coeff)
        return pattern * scale[:, None]

    def _scale(self, x: Tensor, change: Tensor) -> Float[Tensor, "example position neuron"]:
        """What the norm before attention multiplies each position's stream by, after each neuron's change."""
        eps = self.block.key.eps
        if eps is None:
            return torch.ones_like(change)
        cross = x @ self.writes.T / x.shape[-1]
        variance = x.square().mean(-1, keepdim=True) + change * (2 * cross + change * self.spread)
        return (variance.clamp_(min=0) + eps).rsqrt_()

    def logits(self, pairs: Pairs, tables: tuple[Array, ...]) -> Array:
        """Logits of some pairs."""
        n, head = len(pairs[0]), self.block.head
        pre, out, (gathered, moved, *rows) = self.pre[:n], self.out[:n], tables
        rest = (self.bias, self.eps, pre.numpy(), out.numpy(), self.threads)
        kernels.block_inputs(pairs, gathered, moved, (*rows, self.written), *rest)
        out = out.addmm_(self.block.activation(pre), self.outputs)
        return (out if head.eps is None else head(out)).numpy()


def _covariance(x: Tensor, writes: Tensor) -> Array:
    """Mean over the stream of its product with what each neuron writes, both without their means."""
    return (x @ writes.T / writes.shape[1]).contiguous().numpy()

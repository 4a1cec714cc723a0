"""A change of one neuron followed through a transformer's last block to the logits, for many neurons and examples."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.measuring.suffix_kernels import block_inputs
from interp.models.suffix import LastBlock

PAIRS = 1024
"""Pairs of a neuron and an example whose logits are computed together, so that they stay in cache."""
TABLE = 200_000
"""Numbers of the tables of the examples that are worked on together."""

Array = Float[np.ndarray, "..."]
Pairs = tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]


class ThroughBlock:
    """A last block and the logits after it, for the neurons whose output weights are `writes`.

    A change moves query, key and value of a position along one vector each, which the neuron alone decides: scores are
    sums of a few products, and what the heads write is a sum of a few vectors of the example and a few of the neuron.
    The columns of these vectors are the inputs of the block's neurons, and after them the logits, or, where there are
    norms, the stream without its mean.

    Attributes:
        positions: Those that the answer's attends to.
        examples: How many are worked on together.
    """

    def __init__(self, block: LastBlock, writes: Float[Tensor, "neuron stream"]) -> None:
        self.block, self.positions = block, block.visible
        head, centred, eps = block.head, block.key.centred, block.key.eps
        onward = head.matrix if head.eps is None else centred(torch.eye(len(head.matrix)))
        self.reader = torch.cat([block.neurons.matrix, onward], dim=1)
        self.value_reader = block.mix.unflatten(0, (block.n_heads, -1)) @ self.reader
        self.outputs = block.writes @ onward
        seen = block.coeff + (1 - block.coeff) * len(block.visible)
        self.constant = (block.mix_bias + seen * block.value.bias @ block.mix) @ self.reader
        last = block.writes_bias @ onward + (head.bias if head.eps is None else 0)
        self.bias = torch.cat([block.neurons.bias, last]).numpy()
        self.eps = np.float32(-1 if eps is None else eps)
        self.writes = centred(writes)
        self.query, self.key, value = (
            block.by_head(self.writes @ part.matrix) for part in (block.query, block.key, block.value)
        )
        through = torch.einsum("nhd,hdw->nhw", value, self.value_reader)
        self.written = torch.cat([through, (self.writes @ self.reader)[:, None]], dim=1).numpy()
        numbers = block.n_heads * len(block.visible) * self.reader.shape[1]
        self.examples = min(PAIRS, max(1, TABLE // numbers))
        self.pre, self.out = torch.empty(PAIRS, len(block.writes)), torch.empty(PAIRS, onward.shape[1])

    def tables(
        self,
        stream: Float[Tensor, "example any stream"],
        change: Float[Tensor, "example position neuron"],
    ) -> tuple[Array, ...]:
        """Vectors, and their amounts, of some examples: `gathered`, `moved` and two of the `rows` of `block_inputs`."""
        block = self.block
        x = block.key.centred(stream[:, list(block.visible)])
        own = x[:, block.readout]
        values = torch.einsum("ephd,hdw->ehpw", block.by_head(x @ block.value.matrix), self.value_reader)
        gathered = self._gathered(x, own, change)
        moved = torch.cat([(gathered * change[:, None]).sum(2), change[:, None, block.readout]], dim=1)
        base = own @ self.reader + self.constant
        parts = (gathered.flatten(1, 2).mT, moved.mT, base, values.flatten(1, 2))
        return tuple(part.contiguous().numpy() for part in parts)

    def _gathered(
        self,
        x: Float[Tensor, "example position stream"],
        own: Float[Tensor, "example stream"],
        change: Float[Tensor, "example position neuron"],
    ) -> Float[Tensor, "example head position neuron"]:
        """The amount of each position's stream that each head takes, after each neuron's change: attention times norm.

        A query is ``scale * (Q + d * u) + b``, with d the neuron's change at the answer's position and u the query of
        what it writes; keys likewise.
        """
        block, scale = self.block, self._scale(x, change)
        at, d = (part[:, None, None, block.readout] for part in (scale, change))
        query, keys = block.by_head(own @ block.query.matrix), block.by_head(x @ block.key.matrix)
        query_bias, key_bias = block.by_head(block.query.bias), block.by_head(block.key.bias)

        def asked(same: Tensor, by_neuron: Tensor, by_bias: Tensor) -> Tensor:
            return at * (same + d * by_neuron) + by_bias

        of_keys = asked(
            torch.einsum("ehd,ephd->ehp", query, keys)[..., None],
            torch.einsum("nhd,ephd->ehpn", self.query, keys),
            torch.einsum("hd,ephd->ehp", query_bias, keys)[..., None],
        )
        of_moves = asked(
            torch.einsum("ehd,nhd->ehn", query, self.key)[:, :, None],
            torch.einsum("nhd,nhd->hn", self.query, self.key)[:, None],
            torch.einsum("hd,nhd->hn", query_bias, self.key)[:, None],
        )
        of_bias = asked(
            torch.einsum("ehd,hd->eh", query, key_bias)[..., None, None],
            torch.einsum("nhd,hd->hn", self.query, key_bias)[:, None],
            (query_bias * key_bias).sum(-1)[:, None, None],
        )
        scores = scale[:, None] * (of_keys + change[:, None] * of_moves) + of_bias
        pattern = (scores / query.shape[-1] ** 0.5).softmax(2)
        return (block.coeff * pattern + (1 - block.coeff)) * scale[:, None]

    def _scale(
        self, x: Float[Tensor, "example position stream"], change: Float[Tensor, "example position neuron"]
    ) -> Float[Tensor, "example position neuron"]:
        """The factor of the norm before attention, after each neuron's change."""
        eps = self.block.key.eps
        if eps is None:
            return torch.ones_like(change)
        cross, spread = x @ self.writes.T / x.shape[-1], self.writes.square().mean(1)
        variance = x.square().mean(-1, keepdim=True) + change * (2 * cross + change * spread)
        return (variance.clamp_(min=0) + eps).rsqrt_()

    def logits(self, pairs: Pairs, tables: tuple[Array, ...]) -> Float[np.ndarray, "pair output"]:
        """Logits of at most `PAIRS` pairs, in memory that is used again."""
        n, head = len(pairs[0]), self.block.head
        pre, out, (gathered, moved, *rows) = self.pre[:n], self.out[:n], tables
        columns = (self.bias, self.eps, pre.numpy(), out.numpy())
        block_inputs(pairs, gathered, moved, (*rows, self.written), *columns)
        out = out.addmm_(self.block.activation(pre), self.outputs)
        return (out if head.eps is None else head(out)).numpy()

"""The log loss of continuations, which units are located by: its value and its gradient, by blocks of logits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from interp.language.batches import Batch
from interp.language.model import LanguageModel
from interp.language.sequences import Sequences
from interp.language.token_scores import blocks_of_logits, reduce_logits


@dataclass(frozen=True, eq=False)
class Places:
    """Where a batch predicts tokens of continuations.

    Attributes:
        row, column: Of each place in the batch.
        target: The token that comes next.
        size: Places of each row.
    """

    row: Int[Tensor, " place"]
    column: Int[Tensor, " place"]
    target: Int[Tensor, " place"]
    size: Int[Tensor, " row"]

    def copied(self, copies: int) -> Places:
        """The same places in so many copies of the batch, one below the other."""
        rows = len(self.size)
        first = torch.arange(copies, device=self.row.device).repeat_interleave(len(self.row)) * rows
        return Places(
            self.row.repeat(copies) + first,
            self.column.repeat(copies),
            self.target.repeat(copies),
            self.size.repeat(copies),
        )


def places_of(batch: Batch, sequences: Sequences) -> Places:
    """Where a batch of these sequences predicts tokens of their continuations.

    Example:
        >>> from interp.language.batches import padded
        >>> from interp.language.sequences import token_sequences
        >>> sequences = token_sequences([[5, 6, 7, 8], [1, 2]], prompt=[2, 1])
        >>> places = places_of(padded(list(sequences.ids), "cpu"), sequences)
        >>> places.row.tolist(), places.column.tolist(), places.target.tolist()
        ([0, 0, 1], [1, 2, 0], [7, 8, 2])
    """
    sizes = sequences.continuation[batch.rows]
    first = batch.start + sequences.prompt[batch.rows] - 1
    columns = np.concatenate([np.arange(at, at + size) for at, size in zip(first, sizes, strict=True)])
    row, column, size = (
        torch.from_numpy(values).to(batch.ids.device)
        for values in (np.repeat(np.arange(len(sizes)), sizes), columns, sizes)
    )
    return Places(row, column, batch.ids[row, column + 1], size)


@torch.no_grad()
def losses(
    model: LanguageModel, hidden: Float[Tensor, "row token stream"], places: Places
) -> Float[Tensor, " row"]:
    """Mean log loss of each row's continuation, in nats a token and double precision."""
    logprob, _, _ = reduce_logits(model, hidden[places.row, places.column], places.target)
    return torch.zeros(len(places.size), dtype=logprob.dtype, device=logprob.device).index_add(
        0, places.row, -logprob / places.size[places.row]
    )


def loss_gradients(
    model: LanguageModel,
    hidden: Float[Tensor, "row token stream"],
    places: Places,
    factors: list[Float[Tensor, "*row unit"]],
) -> tuple[list[Float[Tensor, "*row unit"]], Float[Tensor, " row"]]:
    """The gradient of the sum of all rows' losses by the factors that `hidden` was computed with, and the losses.

    Logits are made and differentiated block by block, so that one block is held at a time.
    """
    stream = hidden[places.row, places.column]
    weight = 1 / places.size[places.row]
    total = torch.zeros(len(places.size), device=stream.device)
    gradients, start = [], 0
    for part, targets in blocks_of_logits(model, stream.detach(), places.target):
        rows, each = places.row[start : start + len(part)], weight[start : start + len(part)]
        leaf = part.requires_grad_()
        loss = cross_entropy(model.logits(leaf), targets, reduction="none") * each
        gradients.append(torch.autograd.grad(loss.sum(), leaf)[0])
        total.index_add_(0, rows, loss.detach())
        start += len(part)
    return list(torch.autograd.grad(stream, factors, torch.cat(gradients))), total

"""Sequences in batches of about as many tokens, at any number and lengths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from interp.language.model import LanguageModel
from interp.language.sequences import Sequences, mask_of
from interp.memory import budget

TOKENS = 512
"""In one batch, padding included, unless memory is short: more gains nothing on a processor."""
SHARE = 0.1
"""Of the memory budget that the activations of a batch may take."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Sequences that are run together.

    Attributes:
        rows: Which sequences.
        ids, mask: Tokens, and where there are any.
        start: The column of each row's first token: 0 unless padding is on the left.
    """

    rows: np.ndarray
    ids: Int[Tensor, "row token"]
    mask: Bool[Tensor, "row token"]
    start: np.ndarray


def batches_of(
    model: LanguageModel, sequences: Sequences, *, tokens: int | None = None, side: str = "right"
) -> Iterator[Batch]:
    """All sequences, those of like lengths together, the longest first.

    Args:
        tokens: Of one batch; `TOKENS`, or fewer where the memory budget is small, if None.
        side: Where padding goes: ``"right"`` or ``"left"``; results do not depend on it.
    """
    most = tokens or tokens_at_once(model, int(sequences.lengths.max()))
    order = np.argsort(-sequences.lengths, kind="stable")
    first = 0
    while first < len(order):
        width = int(sequences.lengths[order[first]])
        rows = order[first : first + max(1, most // width)]
        yield padded([sequences.ids[row] for row in rows], model.device, rows=rows, side=side)
        first += len(rows)


def padded(
    ids: list[np.ndarray], device: Any, *, rows: np.ndarray | None = None, side: str = "right"
) -> Batch:
    """Token sequences as one batch."""
    lengths = np.array([len(one) for one in ids])
    width = int(lengths.max())
    mask = mask_of(lengths, width, side)
    tokens = np.zeros((len(ids), width), dtype=np.int64)
    tokens[mask] = np.concatenate(ids)
    start = np.zeros(len(ids), dtype=np.int64) if side == "right" else width - lengths
    rows = np.arange(len(ids)) if rows is None else rows
    return Batch(rows, torch.from_numpy(tokens).to(device), torch.from_numpy(mask).to(device), start)


def tokens_at_once(model: LanguageModel, longest: int) -> int:
    """Tokens of a batch that fit the memory budget, at most `TOKENS` and at least one sequence of the longest."""
    config = model.network.config
    neurons = max(site.n_units * site.width for site in model.sites)
    heads = int(getattr(config, "num_attention_heads", 1))
    each = 4 * (12 * int(config.hidden_size) + 6 * neurons + 4 * heads * longest)
    return max(longest, min(TOKENS, int(SHARE * budget() / each)))

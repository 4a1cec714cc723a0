"""Effects of units along a path on which a sequence is forgotten, for losses too small to have a gradient."""

from __future__ import annotations

from dataclasses import replace
from math import log
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp.language.batches import Batch, batches_of
from interp.language.gradients import effects_at, tokens_with_gradient
from interp.language.model import LanguageModel
from interp.language.sequences import Sequences
from interp.language.sites import NEURONS, Units
from interp.progress import Report, silent

STEP = 0.2
"""By which a factor is lowered at most."""
FULL = 2000
"""One unit of so many is lowered by a full step, others by less."""
RISE = 1 / 3
"""Of the loss of a uniform guess: how far a loss must rise for a sequence to count as forgotten."""


def forgetting(
    model: LanguageModel,
    sequences: Sequences,
    rows: Any = None,
    *,
    kind: str = NEURONS,
    steps: int = 16,
    report: Report = silent,
) -> Float[np.ndarray, "sequence unit"]:
    """Mean first-order rise of each sequence's log loss by unit, along a path on which it is forgotten.

    Where a sequence is known by heart its loss is near 0 and so is its gradient, whichever units hold it. Here factors
    on all units start at 1; each step lowers those whose removal raises the loss, in proportion to the square of the
    first-order effect, until the loss has risen by a third of that of a uniform guess. Effects are averaged over the
    steps. Every sequence has a path of its own, so that effects of sequences that are exchangeable are exchangeable.

    Args:
        rows: Which sequences, by index; all if None.
        kind: One of `interp.language.sites.KINDS`.
        steps: Most steps of a path, each a backward pass.
        report: Given how many sequences are done.

    Returns:
        In nats a token, single precision; sequences in the order of `rows`, units over all layers.

    Example:
        >>> from interp.language.opening import open_language_model
        >>> from interp.language.sequences import token_sequences
        >>> from interp.language.small import small_language_model
        >>> model = open_language_model(small_language_model(d_mlp=8))
        >>> forgetting(model, token_sequences([[1, 2, 3, 4], [9, 8, 7]]), steps=2).shape
        (2, 16)
    """
    chosen = sequences if rows is None else sequences.take(rows)
    units = model.units(kind)
    effects = np.zeros((len(chosen), len(units)), dtype=np.float32)
    done = 0
    for batch in batches_of(model, chosen, tokens=tokens_with_gradient(model, int(chosen.lengths.max()))):
        effects[batch.rows] = _along_paths(model, chosen, units, batch, steps).cpu().numpy()
        done += len(batch.rows)
        report(done)
    return effects


def _along_paths(
    model: LanguageModel, sequences: Sequences, units: Units, batch: Batch, steps: int
) -> Float[Tensor, "row unit"]:
    """Mean effects of a batch; rows leave it as they are forgotten."""
    factors = torch.ones(len(batch.rows), len(units), device=model.device)
    total, taken = torch.zeros_like(factors), torch.zeros(len(factors), 1, device=model.device)
    open_rows, limit = torch.arange(len(factors), device=model.device), None
    for _ in range(steps):
        effects, loss = effects_at(model, sequences, units, batch, factors[open_rows])
        total[open_rows] += effects
        taken[open_rows] += 1
        factors[open_rows] -= _lowered(effects)
        factors.clamp_min_(0)
        limit = loss + RISE * log(model.vocab) if limit is None else limit
        known = loss < limit
        if not bool(known.any()):
            break
        open_rows, limit, batch = open_rows[known], limit[known], _rows_of(batch, known)
    return total / taken


def _lowered(effects: Float[Tensor, "row unit"]) -> Float[Tensor, "row unit"]:
    """By how much each factor is lowered in one step, from 0 to `STEP`."""
    size = effects.clamp_min(0).square()
    full = size.topk(max(1, effects.shape[1] // FULL), dim=1).values[:, -1:]
    return STEP * (size / full.clamp_min(1e-30)).clamp_max(1)


def _rows_of(batch: Batch, kept: Bool[Tensor, " row"]) -> Batch:
    rows = kept.cpu().numpy()
    return replace(
        batch, rows=batch.rows[rows], ids=batch.ids[kept], mask=batch.mask[kept], start=batch.start[rows]
    )

"""Relearning: steps that a language model needs to learn a removed memory again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from interp.language.batches import batches_of
from interp.language.edits import gates_without
from interp.language.gates import gated
from interp.language.gradients import tokens_with_gradient
from interp.language.model import LanguageModel
from interp.language.objective import loss_gradients, places_of
from interp.language.sequences import Sequences
from interp.language.sites import NEURONS
from interp.language.token_scores import token_scores
from interp.progress import Report, shifted, silent

RATE = 1e-3
"""Of Adam, on the output weights of all MLP layers."""
BACK = 0.9
"""Of its former accuracy, from which a memory counts as back."""


def relearn_sequences(
    model: LanguageModel,
    sequences: Sequences,
    rows: Any,
    controls: Any,
    removed: Any,
    *,
    steps: int,
    kind: str = NEURONS,
    report: Report = silent,
) -> dict[str, Any]:
    """Steps until removed memories are back, beside as many sequences that the model has never seen.

    The removed units stay out. Adam changes the output weights of all MLP layers, on all sequences of one kind at
    once; afterwards they are as they were. If the removed ones come back in fewer steps than the controls reach the
    same accuracy, a trace of them was left.

    Args:
        rows: Memorised sequences whose units were removed.
        controls: Sequences never seen; as many are taken of both.
        removed: Units.
        steps: At most so many for each of the two.
        report: Given steps done, of two times `steps`.

    Returns:
        ``level`` (accuracy to be reached), ``removed`` and ``unseen`` (steps, or None if not reached), ``accuracy``
        (their accuracies after every step), ``rate``.
    """
    rows = np.asarray(list(rows), dtype=np.int64)
    unseen = np.asarray(list(controls), dtype=np.int64)[: len(rows)]
    rows = rows[: len(unseen)] if len(unseen) else rows
    level = BACK * _accuracy(model, sequences.take(rows))
    curves: dict[str, list[float]] = {}
    reached: dict[str, int | None] = {}
    for place, (name, chosen) in enumerate((("removed", rows), ("unseen", unseen))):
        if not len(chosen):
            curves[name], reached[name] = [], None
            continue
        with gated(model, gates_without(model, removed, kind=kind)):
            curve = list(_learnt(model, sequences.take(chosen), level, steps, shifted(report, place * steps)))
        curves[name] = curve
        reached[name] = len(curve) - 1 if curve[-1] >= level else None
    return {"level": level, **reached, "accuracy": curves, "rate": RATE}


def _learnt(
    model: LanguageModel, sequences: Sequences, level: float, steps: int, report: Report
) -> Iterator[float]:
    """Accuracy before the first step and after every one, until the level is reached."""
    with _trainable(model) as weights:
        optimiser = torch.optim.Adam(weights, lr=RATE)
        longest = int(sequences.lengths.max())
        for step in range(steps + 1):
            accuracy = _accuracy(model, sequences)
            report(step)
            yield accuracy
            if accuracy >= level or step == steps:
                return
            for weight in weights:
                weight.grad = torch.zeros_like(weight)
            for batch in batches_of(model, sequences, tokens=tokens_with_gradient(model, longest)):
                hidden = model.hidden(batch.ids, batch.mask)
                gradients, _ = loss_gradients(model, hidden, places_of(batch, sequences), weights)
                for weight, gradient in zip(weights, gradients, strict=True):
                    weight.grad = weight.grad + gradient / len(sequences)  # type: ignore[operator]
            optimiser.step()


@contextmanager
def _trainable(model: LanguageModel) -> Iterator[list[Tensor]]:
    """Output weights of the MLP layers with gradients inside the block; their values are put back at its end."""
    readers: list[nn.Module] = [site.reader for site in model.sites if site.kind == NEURONS]
    weights: list[Tensor] = [reader.weight for reader in readers]  # type: ignore[misc]
    kept = [weight.detach().clone() for weight in weights]
    try:
        for weight in weights:
            weight.requires_grad_(True)
        yield weights
    finally:
        with torch.no_grad():
            for weight, value in zip(weights, kept, strict=True):
                weight.requires_grad_(False)
                weight.copy_(value)
                weight.grad = None


def _accuracy(model: LanguageModel, sequences: Sequences) -> float:
    scores = token_scores(model, sequences, whole=False)
    return float(scores.accuracy.mean())

"""Gradients of the log loss by factors on units: first-order effects of removal, and integrated gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.language.batches import SHARE, Batch, batches_of, tokens_at_once
from interp.language.cached_blocks import cache_blocks
from interp.language.gates import gated
from interp.language.model import LanguageModel
from interp.language.objective import loss_gradients, places_of
from interp.language.sequences import Sequences
from interp.language.sites import NEURONS, Units
from interp.memory import budget
from interp.progress import Report, silent

TOKENS = 256
"""In one backward pass, padding included, unless memory is short."""


def tokens_with_gradient(model: LanguageModel, longest: int) -> int:
    """Tokens of a batch whose backward pass fits the memory budget, at most `TOKENS` and at least the longest sequence.

    A backward pass holds the activations of all layers at once.
    """
    config = model.network.config
    neurons = max(site.n_units * site.width for site in model.sites)
    each = 4 * len(model.blocks) * (14 * int(config.hidden_size) + 6 * neurons)
    return max(longest, min(TOKENS, tokens_at_once(model, longest), int(SHARE * budget() / each)))


def first_order(
    model: LanguageModel,
    sequences: Sequences,
    rows: Any = None,
    *,
    kind: str = NEURONS,
    report: Report = silent,
) -> Float[np.ndarray, "sequence unit"]:
    """The rise of each sequence's log loss if a unit were removed, to first order: gradient times activation.

    It is minus the derivative of the mean log loss of the continuation by a factor on the unit, at 1; exact for what
    is linear in the unit, and small where the loss is saturated near 0.

    Args:
        rows: Which sequences, by index; all if None.
        kind: One of `interp.language.sites.KINDS`.
        report: Given how many sequences are done.

    Returns:
        In nats a token, single precision; sequences in the order of `rows`, units over all layers.

    Example:
        >>> from interp.language.opening import open_language_model
        >>> from interp.language.sequences import token_sequences
        >>> from interp.language.small import small_language_model
        >>> model = open_language_model(small_language_model(d_mlp=8))
        >>> first_order(model, token_sequences([[1, 2, 3, 4], [9, 8, 7]])).shape
        (2, 16)
    """
    chosen = sequences if rows is None else sequences.take(rows)
    units = model.units(kind)
    effects = np.zeros((len(chosen), len(units)), dtype=np.float32)
    done = 0
    for batch in batches_of(model, chosen, tokens=tokens_with_gradient(model, int(chosen.lengths.max()))):
        factors = torch.ones(len(batch.rows), len(units), device=model.device)
        rises, _ = effects_at(model, chosen, units, batch, factors)
        effects[batch.rows] = rises.cpu().numpy()
        done += len(batch.rows)
        report(done)
    return effects


def effects_at(
    model: LanguageModel, sequences: Sequences, units: Units, batch: Batch, factors: Float[Tensor, "row unit"]
) -> tuple[Float[Tensor, "row unit"], Float[Tensor, " row"]]:
    """First-order rises of each row's log loss where units have some factors, and the losses there."""
    gates = {
        site.hook: factors[:, units.slice_of(place)].clone().requires_grad_()
        for place, site in enumerate(units.sites)
    }
    with gated(model, gates):
        hidden = model.hidden(batch.ids, batch.mask)
    gradients, loss = loss_gradients(model, hidden, places_of(batch, sequences), list(gates.values()))
    return -torch.cat(gradients, dim=1), loss


def integrated(
    model: LanguageModel,
    sequences: Sequences,
    *,
    kind: str = NEURONS,
    steps: int = 8,
    report: Report = silent,
) -> Float[np.ndarray, " unit"]:
    """Integrated gradients of the log loss from a layer without its units to the layer as it is (arXiv 2104.08696).

    All units of one layer are scaled together from 0 to 1, the others being as they are, and the derivative by each
    factor is averaged over the midpoints of equal steps. The sum over a layer's units is the rise of the loss when the
    whole layer is removed, up to the error of the steps.

    Args:
        kind: One of `interp.language.sites.KINDS`.
        steps: Points between 0 and 1; each is a pass from that layer on.
        report: Given how many passes of sequences are done, of ``len(sequences) * layers``.

    Returns:
        In nats a token, mean over the sequences.
    """
    units = model.units(kind)
    total = np.zeros(len(units))
    midpoints = (torch.arange(steps) + 0.5) / steps
    most = tokens_with_gradient(model, int(sequences.lengths.max()))
    done = 0
    for batch in batches_of(model, sequences, tokens=max(int(sequences.lengths.max()), most // steps)):
        cached, places, n = cache_blocks(model, batch), places_of(batch, sequences), len(batch.rows)
        at_once = max(1, most // batch.ids.numel())
        for place, site in enumerate(units.sites):
            for points in midpoints.split(at_once):
                each = points.repeat_interleave(n)[:, None].to(model.device)
                factors = each.expand(-1, site.n_units).clone().requires_grad_()
                with gated(model, {site.hook: factors}):
                    hidden = cached.hidden_from(site.layer, len(points))
                (gradient,), _ = loss_gradients(model, hidden, places.copied(len(points)), [factors])
                total[units.slice_of(place)] -= gradient.sum(0).double().cpu().numpy() / steps
            done += n
            report(done)
    return total / len(sequences)

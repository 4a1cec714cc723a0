"""Learnt factors on units that keep a memory while most of them are driven to 0: slimming and hard concrete."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.language.batches import Batch, batches_of
from interp.language.gates import gated
from interp.language.gradients import tokens_with_gradient
from interp.language.model import LanguageModel
from interp.language.objective import loss_gradients, places_of
from interp.language.sequences import Sequences
from interp.language.sites import NEURONS
from interp.progress import Report, silent

LOW, HIGH, TEMPERATURE = -0.1, 1.1, 2 / 3
"""Ends and temperature of the stretched distribution of hard concrete gates (arXiv 1712.01312)."""


START = 3.0
"""Logit of a gate before it is learnt: nearly always open."""


@dataclass(frozen=True)
class MaskSettings:
    """Settings of the learnt factors.

    Attributes:
        steps: Of Adam, each on one batch of sequences.
        learning_rate: Of factors (slimming).
        penalty: Of their mean absolute value (slimming), in nats.
        gate_rate: Learning rate of the gates' logits (hard concrete).
        gate_penalty: Of the expected share of gates that are open (hard concrete), in nats.
    """

    steps: int = 100
    learning_rate: float = 0.02
    penalty: float = 100.0
    gate_rate: float = 0.1
    gate_penalty: float = 1000.0


def slimming(
    model: LanguageModel,
    sequences: Sequences,
    settings: MaskSettings,
    *,
    kind: str = NEURONS,
    seed: int = 0,
    report: Report = silent,
) -> Float[np.ndarray, " unit"]:
    """Factors from 0 to 1 that are learnt from 1 on under a penalty of their size, the model being frozen.

    Minimised is the log loss of the continuations plus the penalty times the mean factor (network slimming, arXiv
    1708.06519, as arXiv 2311.09060 uses it to locate memory). Returned is the mean over all steps: a unit scores high
    that was kept, or was let go late.
    """
    units = model.units(kind)
    factors = torch.ones(len(units), device=model.device)
    mean = torch.zeros_like(factors)
    optimizer = torch.optim.Adam([factors], lr=settings.learning_rate)
    for step, batch in enumerate(_batches(model, sequences, settings.steps, seed)):
        gradient = _gradient(model, sequences, batch, kind, factors)
        factors.grad = gradient + settings.penalty / len(units)
        optimizer.step()
        factors.clamp_(0, 1)
        mean += factors / settings.steps
        report(step + 1)
    return mean.double().cpu().numpy()


def hard_concrete(
    model: LanguageModel,
    sequences: Sequences,
    settings: MaskSettings,
    *,
    kind: str = NEURONS,
    seed: int = 0,
    report: Report = silent,
) -> Float[np.ndarray, " unit"]:
    """Logits of random gates that are learnt under a penalty of how many are open, the model being frozen.

    A gate is a stretched sigmoid of its logit plus logistic noise, clamped to 0 and 1; minimised is the log loss of the
    continuations plus the penalty times the expected share of gates above 0 (arXiv 1712.01312, as arXiv 2311.09060
    uses it to locate memory). Returned is the mean logit over all steps.
    """
    units = model.units(kind)
    logits = torch.full((len(units),), START, device=model.device)
    mean = torch.zeros_like(logits)
    optimizer = torch.optim.Adam([logits], lr=settings.gate_rate)
    generator = torch.Generator().manual_seed(seed)
    shift = TEMPERATURE * log(-LOW / HIGH)
    for step, batch in enumerate(_batches(model, sequences, settings.steps, seed)):
        uniform = torch.rand(len(units), generator=generator).clamp(1e-6, 1 - 1e-6).to(logits)
        soft = torch.sigmoid((uniform.logit() + logits) / TEMPERATURE)
        stretched = LOW + (HIGH - LOW) * soft
        gradient = _gradient(model, sequences, batch, kind, stretched.clamp(0, 1))
        inside = (stretched > 0) & (stretched < 1)
        slope = (HIGH - LOW) * soft * (1 - soft) / TEMPERATURE * inside
        open_share = torch.sigmoid(logits - shift)
        logits.grad = gradient * slope + settings.gate_penalty / len(units) * open_share * (1 - open_share)
        optimizer.step()
        mean += logits / settings.steps
        report(step + 1)
    return mean.double().cpu().numpy()


def _batches(model: LanguageModel, sequences: Sequences, steps: int, seed: int) -> Iterator[Batch]:
    """One batch a step: all batches in random order, again and again."""
    batches = list(
        batches_of(model, sequences, tokens=tokens_with_gradient(model, int(sequences.lengths.max())))
    )
    generator = np.random.default_rng(seed)
    order: list[int] = []
    for _ in range(steps):
        order = order or generator.permutation(len(batches)).tolist()
        yield batches[order.pop()]


def _gradient(
    model: LanguageModel, sequences: Sequences, batch: Batch, kind: str, factors: Tensor
) -> Float[Tensor, " unit"]:
    """The gradient of the mean log loss of a batch by factors on all units."""
    units = model.units(kind)
    gates = {
        site.hook: factors[units.slice_of(place)].detach().clone().requires_grad_()
        for place, site in enumerate(units.sites)
    }
    with gated(model, gates):
        hidden = model.hidden(batch.ids, batch.mask)
    gradients, _ = loss_gradients(model, hidden, places_of(batch, sequences), list(gates.values()))
    return torch.cat(gradients) / len(batch.rows)

"""The coefficient of an attention mixture that nothing states, found by minimising the loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from interp.data import Dataset
from interp.hooks import device_of, evaluation_mode
from interp.models import HookedModel

ROUGH, MOST = 512, 2048  # examples that the loss is measured on: for a first look, and for the result
GRID, STEPS = 10, 10  # intervals of [0, 1] that are looked at first, and halvings of what is left
SAME = 0.1  # share by which two losses may differ and count as alike
GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Mixture:
    """The coefficient c of the pattern ``c * softmax + 1 - c`` that has the smallest loss.

    Attributes:
        value: In [0, 1]; 1, ordinary attention, if that is in the interval.
        best: The one with the smallest loss.
        low, high: The interval around `best` in which the loss is at most 10 % larger.
        loss: Mean cross-entropy there.
        examples: A name of the examples that it was measured on.
    """

    value: float
    best: float
    low: float
    high: float
    loss: float
    examples: str

    def __str__(self) -> str:
        ordinary = " (ordinary attention, which is within)" if self.value != self.best else ""
        return (
            f"attn_coeff {self.value:.3g}{ordinary}, by minimising the loss, as nothing states it: {self.best:.3g} has "
            f"the smallest ({self.loss:.2g} on {self.examples}), and from {self.low:.3g} to {self.high:.3g} it is at "
            f"most {100 * SAME:.0f} % larger; --attn-coeff decides"
        )


def rough_mixture(build: Callable[[float], HookedModel], data: Dataset) -> float:
    """The coefficient in steps of 0.1 with the smallest loss on some examples; of equals the largest."""
    loss = _Loss(build, data, ROUGH)
    return min((i / GRID for i in range(GRID, -1, -1)), key=loss)


def fit_mixture(build: Callable[[float], HookedModel], data: Dataset) -> Mixture:
    """The coefficient with the smallest loss, on what was trained on if that is known.

    Args:
        build: The network with a coefficient.
        data: Its examples; of more than 2,048 as many are taken, evenly spread.

    The loss is assumed to have one minimum within a tenth of the best of 11 values.
    """
    loss = _Loss(build, data, MOST)
    values = [i / GRID for i in range(GRID, -1, -1)]
    best = min(values, key=loss)
    low, high = max(0.0, best - 1 / GRID), min(1.0, best + 1 / GRID)
    for _ in range(STEPS):  # golden section
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    best = min((best, (low + high) / 2), key=loss)
    limit = loss(best) * (1 + SAME)
    below = max((value for value in values if value < best and loss(value) > limit), default=None)
    above = min((value for value in values if value > best and loss(value) > limit), default=None)
    least = 0.0 if below is None else _edge(loss, best, below, limit)
    most = 1.0 if above is None else _edge(loss, best, above, limit)
    return Mixture(1.0 if most == 1 else best, best, least, most, loss(best), loss.examples)


def _edge(loss: _Loss, inside: float, outside: float, limit: float) -> float:
    """The place between two coefficients up to which the loss stays within a limit."""
    for _ in range(STEPS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if loss(middle) <= limit else (inside, middle)
    return inside


class _Loss:
    """Mean cross-entropy in double precision, of a network by its coefficient; each is measured once."""

    def __init__(self, build: Callable[[float], HookedModel], data: Dataset, most: int) -> None:
        chosen = data.train.nonzero()[:, 0] if data.split_known else torch.arange(len(data))
        self.examples = "what was trained on" if data.split_known else "all examples"
        if len(chosen) > most:
            chosen = chosen[torch.linspace(0, len(chosen) - 1, most).long()]
            self.examples = f"{most:,} examples"
        self.inputs, self.labels, self.build = data.inputs[chosen], data.labels[chosen], build
        self.known: dict[float, float] = {}

    def __call__(self, coefficient: float) -> float:
        if coefficient not in self.known:
            model = self.build(coefficient)
            with evaluation_mode(model), torch.no_grad():
                logits = model(self.inputs.to(device_of(model))).double()
            self.known[coefficient] = F.cross_entropy(logits, self.labels.to(logits.device)).item()
        return self.known[coefficient]

"""Leaky integrate-and-fire neurons as a loop: a spike where the potential is above 1, which is then subtracted."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Change = Callable[[str, int | None, Tensor], Tensor]
CUE = 9


def forward(module: nn.Module, inputs: Tensor, change: Change) -> Tensor:
    """Logits; `change` is given each step's spikes and potentials."""
    kept = module.neurons.beta.clamp(0, 1)
    potential = spikes = torch.zeros(len(inputs), len(kept))
    counts = torch.zeros_like(potential)
    for step in range(inputs.shape[1]):
        driven = F.linear(inputs[:, step], module.current.weight, module.current.bias)
        current = driven + F.linear(spikes, module.recurrent.weight)
        fired_before = (potential - 1.0 > 0).float()
        potential = kept * potential + current - fired_before
        spikes = change("tap:spikes", step, (potential - 1.0 > 0).float())
        potential = change("tap:membrane", step, potential)
        if step >= CUE:
            counts = counts + spikes
    return F.linear(counts, module.readout.weight, module.readout.bias)


def without(module: nn.Module, site: str, neurons: list[int]) -> nn.Module | None:
    """A copy that reads no spikes of these neurons; a potential at zero after the spike is no edit of weights."""
    if site != "tap:spikes":
        return None
    edited = deepcopy(module)
    with torch.no_grad():
        edited.recurrent.weight[:, neurons] = 0.0
        edited.readout.weight[:, neurons] = 0.0
    return edited

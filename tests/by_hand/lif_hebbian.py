"""Integrate-and-fire cells with Hebbian weights, as one loop over plain lists of tensors."""

from __future__ import annotations

import copy
from typing import Any

import torch


def forward(module: Any, inputs: torch.Tensor, change: Any) -> torch.Tensor:
    """Overlaps with the stored patterns; the cue drives the first ten of thirty steps, the last ten are read."""
    fired = [torch.zeros_like(inputs)]
    v = torch.zeros_like(inputs)
    for step in range(30):
        drive = fired[-1] @ module.recurrent
        if step < 10:
            drive = drive + 1.5 * inputs
        v = 0.6 * v * (1 - fired[-1]) + drive
        fired.append(change("tap:spikes", step, torch.where(v >= 1, 1.0, 0.0)))
    total = torch.zeros_like(inputs)
    for spikes in fired[-10:]:
        total = total + spikes / 10
    return total @ module.readout


def without(module: Any, site: str, neurons: Any) -> Any:
    """A copy in which nothing reads these cells."""
    edited = copy.deepcopy(module)
    edited.recurrent[neurons] = 0
    edited.readout[neurons] = 0
    return edited

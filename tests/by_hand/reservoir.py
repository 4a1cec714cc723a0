"""A random reservoir of integrate-and-fire units, with its spike trains drawn up before the loop."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import torch


def forward(module: Any, inputs: torch.Tensor, change: Any) -> torch.Tensor:
    """Logits of the read-out from each unit's number of spikes over twenty steps."""
    levels = [torch.floor(inputs * step) for step in range(21)]
    trains = [after - before for before, after in pairwise(levels)]
    shape = (len(inputs), module.recurrent.shape[0])
    v, fired, total = torch.zeros(shape), torch.zeros(shape), torch.zeros(shape)
    for step, train in enumerate(trains):
        kept = 0.8 * v * (1 - fired)
        v = kept + train @ module.sensory + fired @ module.recurrent
        fired = change("tap:spikes", step, torch.where(v >= 1, 1.0, 0.0))
        total = total + fired
    return torch.nn.functional.linear(total / 20, module.readout.weight, module.readout.bias)


def without(module: Any, site: str, neurons: Any) -> Any:
    """A copy in which nothing reads these units."""
    edited = copy.deepcopy(module)
    edited.recurrent[neurons] = 0
    with torch.no_grad():
        edited.readout.weight[:, neurons] = 0
    return edited

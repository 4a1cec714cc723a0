"""Integrate-and-fire units with traces of groups, one group after another."""

from __future__ import annotations

import copy
from typing import Any

import torch


def forward(module: Any, inputs: torch.Tensor, change: Any) -> torch.Tensor:
    """Logits from the spikes of the last two steps; no gradients."""
    with torch.no_grad():
        groups = module.gain.shape[0]
        size = module.recurrent.shape[0] // groups
        fired = torch.zeros(len(inputs), module.recurrent.shape[0])
        v, trace = torch.zeros_like(fired), torch.zeros(len(inputs), groups)
        late = []
        for step in range(inputs.shape[1]):
            seen = inputs[:, step] @ module.sensory
            strengths = [(1 + module.gain[g] * trace[:, g])[:, None].expand(-1, size) for g in range(groups)]
            v = 0.7 * v * (1 - fired) + (torch.cat(strengths, 1) * seen + fired @ module.recurrent)
            fired = change("tap:spikes", step, torch.where(v >= 1, 1.0, 0.0))
            shares = [fired[:, g * size : (g + 1) * size].mean(1) for g in range(groups)]
            trace = change("tap:trace", step, 0.95 * trace + (1 - 0.95) * torch.stack(shares, 1))
            late = [*late, fired][-2:]
        return torch.nn.functional.linear((late[0] + late[1]) / 2, module.readout.weight, module.readout.bias)


def without(module: Any, site: str, neurons: Any) -> Any:
    """A copy whose synapses these traces do not change; units that no weight alone makes silent have none."""
    if site != "tap:trace":
        return None
    edited = copy.deepcopy(module)
    with torch.no_grad():
        edited.gain[neurons] = 0
    return edited

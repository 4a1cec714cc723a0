"""The closed-form continuous-time cell as a loop."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Change = Callable[[str, int | None, Tensor], Tensor]


def forward(module: nn.Module, inputs: Tensor, change: Change) -> Tensor:
    """Logits; `change` is given each step's rates, gates and states."""
    cell = module.cell
    first = cell.backbone[0]

    def linear(name: str, x: Tensor) -> Tensor:
        layer = getattr(cell, name)
        return F.linear(x, layer.weight, layer.bias)

    hidden = torch.zeros(len(inputs), cell.hidden_size)
    for step in range(inputs.shape[1]):
        seen = torch.cat([inputs[:, step, :2], hidden], 1)
        x = 1.7159 * torch.tanh(0.666 * F.linear(seen, first.weight, first.bias))
        rates = change("cell.time_a:output", step, linear("time_a", x))
        gates = torch.sigmoid(rates * inputs[:, step, 2:] + linear("time_b", x))
        gates = change("cell.sigmoid:output", step, gates)
        early, late = torch.tanh(linear("ff1", x)), torch.tanh(linear("ff2", x))
        hidden = change("tap:hidden", step, early * (1.0 - gates) + gates * late)
    return F.linear(hidden, module.readout.weight, module.readout.bias)


def without(module: nn.Module, site: str, neurons: list[int]) -> nn.Module:
    """A copy with rates of zero, gates that stay shut, or both targets of the state at zero."""
    edited = deepcopy(module)
    cell = edited.cell
    names = ["ff1", "ff2"] if site == "tap:hidden" else ["time_a"]
    with torch.no_grad():
        if site == "cell.sigmoid:output":
            cell.time_b.weight[neurons] = 0.0
            cell.time_b.bias[neurons] = -torch.inf
        for name in names:
            getattr(cell, name).weight[neurons] = 0.0
            getattr(cell, name).bias[neurons] = 0.0
    return edited

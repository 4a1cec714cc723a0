"""Two layers with memory cells of PyTorch as a loop."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Change = Callable[[str, int | None, Tensor], Tensor]


def forward(module: nn.Module, inputs: Tensor, change: Change) -> Tensor:
    """Logits; `change` is given each layer's cell and hidden state in each step."""
    layer, driving = module.lstm, inputs
    for place in range(layer.num_layers):
        to_gates = getattr(layer, f"weight_ih_l{place}"), getattr(layer, f"bias_ih_l{place}")
        between = getattr(layer, f"weight_hh_l{place}"), getattr(layer, f"bias_hh_l{place}")
        hidden = cell = torch.zeros(len(inputs), layer.hidden_size)
        states = []
        for step in range(inputs.shape[1]):
            gates = F.linear(hidden, *between) + F.linear(driving[:, step], *to_gates)
            write, keep, new, show = gates.chunk(4, 1)
            cell = torch.sigmoid(keep) * cell + torch.sigmoid(write) * torch.tanh(new)
            cell = change(f"lstm:cell[{place}]", step, cell)
            hidden = change(f"lstm:hidden[{place}]", step, torch.sigmoid(show) * torch.tanh(cell))
            states.append(hidden)
        driving = torch.stack(states, 1)
    return F.linear(driving[:, -1], module.readout.weight, module.readout.bias)


def without(module: nn.Module, site: str, neurons: list[int]) -> nn.Module:
    """A copy whose cells are given nothing to add; zero for a hidden unit too, as nothing else reads its cell."""
    edited, size = deepcopy(module), module.lstm.hidden_size
    place = site.partition("[")[2][0]
    rows = [2 * size + int(neuron) for neuron in neurons]
    with torch.no_grad():
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(edited.lstm, f"{name}_l{place}")[rows] = 0.0
    return edited

"""The gated recurrent layer of PyTorch as a loop."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Change = Callable[[str, int | None, Tensor], Tensor]


def forward(module: nn.Module, inputs: Tensor, change: Change) -> Tensor:
    """Logits; `change` is given each step's hidden state."""
    layer = module.gru
    hidden = torch.zeros(len(inputs), layer.hidden_size)
    for step in range(inputs.shape[1]):
        driven = F.linear(inputs[:, step], layer.weight_ih_l0, layer.bias_ih_l0).chunk(3, 1)
        recurrent = F.linear(hidden, layer.weight_hh_l0, layer.bias_hh_l0).chunk(3, 1)
        reset = torch.sigmoid(recurrent[0] + driven[0])
        update = torch.sigmoid(recurrent[1] + driven[1])
        new = torch.tanh(driven[2] + reset * recurrent[2])
        hidden = change("gru:hidden[0]", step, (hidden - new) * update + new)
    return F.linear(hidden, module.readout.weight, module.readout.bias)


def without(module: nn.Module, site: str, neurons: list[int]) -> nn.Module:
    """A copy whose units' candidate state is 0: from 0, gates then mix zeros."""
    edited, size = deepcopy(module), module.gru.hidden_size
    rows = [2 * size + neuron for neuron in neurons]
    with torch.no_grad():
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
            getattr(edited.gru, name)[rows] = 0.0
    return edited

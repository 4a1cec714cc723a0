"""The recurrent layer of PyTorch as a loop."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Change = Callable[[str, int | None, Tensor], Tensor]


def forward(module: nn.Module, inputs: Tensor, change: Change) -> Tensor:
    """Logits; `change` is given each step's hidden state."""
    layer = module.rnn
    hidden = torch.zeros(len(inputs), layer.hidden_size)
    for step in range(inputs.shape[1]):
        driven = F.linear(inputs[:, step], layer.weight_ih_l0, layer.bias_ih_l0)
        recurrent = F.linear(hidden, layer.weight_hh_l0, layer.bias_hh_l0)
        hidden = change("rnn:hidden[0]", step, torch.tanh(recurrent + driven))
    return F.linear(hidden, module.readout.weight, module.readout.bias)


def without(module: nn.Module, site: str, neurons: list[int]) -> nn.Module:
    """A copy whose units get no input, so that tanh keeps them at zero."""
    edited = deepcopy(module)
    with torch.no_grad():
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
            getattr(edited.rnn, name)[neurons] = 0.0
    return edited

"""The leaky recurrent network, step by step from its parameters."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

Change = Callable[[str, int | None, Tensor], Tensor]


def forward(module: nn.Module, inputs: Tensor, change: Change) -> Tensor:
    """Logits at the last step."""
    weights = module.state_dict()
    tau = 1 + torch.exp(weights["log_excess"])
    rate = 1 / tau
    drive = torch.nn.functional.linear(inputs, weights["input.weight"], weights["input.bias"])
    state = torch.zeros(inputs.shape[0], tau.shape[0])
    for step in range(inputs.shape[1]):
        total = drive[:, step] + torch.nn.functional.linear(state, weights["recurrent.weight"])
        state = change("tap:hidden", step, (1 - rate) * state + rate * torch.tanh(total))
    return torch.nn.functional.linear(state, weights["readout.weight"], weights["readout.bias"])


def without(module: nn.Module, site: str, neurons: Sequence[int]) -> nn.Module | None:
    """A copy in which nothing drives these units, whose state then stays at the 0 it begins with."""
    edited = copy.deepcopy(module)
    with torch.no_grad():
        for name in ("input.weight", "input.bias", "recurrent.weight"):
            edited.get_parameter(name)[list(neurons)] = 0
    return edited

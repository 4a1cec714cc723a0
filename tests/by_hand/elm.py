"""The leaky-memory neuron, step by step from its parameters."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

Change = Callable[[str, int | None, Tensor], Tensor]


def forward(module: nn.Module, inputs: Tensor, change: Change) -> Tensor:
    """Logits at the last step."""
    w = module.state_dict()
    s = torch.zeros(inputs.shape[0], inputs.shape[2])
    m = torch.zeros(inputs.shape[0], w["k_memory"].shape[0])
    for step in range(inputs.shape[1]):
        s = change("tap:trace", step, w["k_trace"] * s + w["synapse"] * inputs[:, step])
        decayed = w["k_memory"] * m
        inner = torch.relu(linear(torch.cat((s, decayed), dim=1), w["first.weight"], w["first.bias"]))
        update = torch.tanh(linear(inner, w["second.weight"], w["second.bias"]))
        m = change("tap:memory", step, decayed + module.strength * (1 - w["k_memory"]) * update)
    return linear(m, w["readout.weight"])


def without(module: nn.Module, site: str, neurons: Sequence[int]) -> nn.Module | None:
    """A copy in which these traces or memory units are given nothing, and stay at the 0 they begin with."""
    edited = copy.deepcopy(module)
    names = ("synapse",) if site == "tap:trace" else ("second.weight", "second.bias")
    with torch.no_grad():
        for name in names:
            edited.get_parameter(name)[list(neurons)] = 0
    return edited

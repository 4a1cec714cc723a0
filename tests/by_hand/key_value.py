"""The key-value memory with its controller, step by step from its parameters."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Change = Callable[[str, int | None, Tensor], Tensor]


def forward(module: nn.Module, inputs: Tensor, change: Change) -> Tensor:
    """Logits of what the last step reads."""
    w = module.state_dict()
    width, slots = w["answer.weight"].shape[1], w["free.bias"].shape[0]
    hidden = torch.zeros(len(inputs), w["controller.weight_hh"].shape[1])
    keys, values = torch.zeros(2, len(inputs), slots, width).unbind(0)
    written, read = torch.zeros(len(inputs), slots), torch.zeros(len(inputs), width)

    def linear(name: str, x: Tensor) -> Tensor:
        return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    for step in range(inputs.shape[1]):
        driven = F.linear(
            torch.cat((inputs[:, step], read), 1), w["controller.weight_ih"], w["controller.bias_ih"]
        )
        recurrent = F.linear(hidden, w["controller.weight_hh"], w["controller.bias_hh"])
        (a, b, c), (d, e, f) = driven.chunk(3, 1), recurrent.chunk(3, 1)
        new = torch.tanh(c + torch.sigmoid(d + a) * f)
        hidden = change("tap:hidden", step, (hidden - new) * torch.sigmoid(e + b) + new)
        state = torch.cat((hidden, inputs[:, step]), 1)
        place = torch.softmax(linear("free", hidden) - w["avoid"] * written, 1)
        write = change("tap:write", step, torch.sigmoid(linear("gate", state)) * place)
        written = written + write
        kept, added = 1 - write.unsqueeze(2), linear("content", state).chunk(2, 1)
        keys = keys * kept + write.unsqueeze(2) * added[0].unsqueeze(1)
        values = values * kept + write.unsqueeze(2) * added[1].unsqueeze(1)
        memory = change("tap:memory", step, torch.cat((keys, values), 2))
        keys, values = memory[:, :, :width], memory[:, :, width:]
        match = torch.sum(keys * linear("query", state).unsqueeze(1), 2)
        weights = change("tap:read", step, torch.softmax(match, 1))
        read = torch.sum(weights.unsqueeze(2) * values, 1)
    return linear("answer", read)


def without(module: nn.Module, site: str, neurons: Sequence[int]) -> nn.Module | None:
    """A copy whose units' candidate state is 0, so that they stay at the 0 they begin with; slots have no weights."""
    if site != "tap:hidden":
        return None
    edited = copy.deepcopy(module)
    size = edited.controller.hidden_size
    with torch.no_grad():
        for parameter in edited.controller.parameters():
            parameter[[2 * size + neuron for neuron in neurons]] = 0
    return edited

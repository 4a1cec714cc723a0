"""The hypernetwork and the layer that it emits, neuron by neuron from its parameters."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Change = Callable[[str, int | None, Tensor], Tensor]


def forward(module: nn.Module, inputs: Tensor, change: Change) -> Tensor:
    """Logits of the emitted layer."""
    w = module.state_dict()
    x, n_inputs = inputs[:, 1:], inputs.shape[1] - 1
    task = change("tap:embedding", None, w["task.weight"][inputs[:, 0].to(torch.int64)])
    hidden = torch.zeros(len(inputs), w["cell.weight_hh"].shape[1])
    neurons, out = [], []
    for step in range(w["place"].shape[0]):
        driven = F.linear(task + w["place"][step], w["cell.weight_ih"], w["cell.bias_ih"])
        recurrent = F.linear(hidden, w["cell.weight_hh"], w["cell.bias_hh"])
        (a, b, c), (d, e, f) = driven.chunk(3, 1), recurrent.chunk(3, 1)
        new = torch.tanh(c + torch.sigmoid(d + a) * f)
        hidden = change("tap:hidden", step, (hidden - new) * torch.sigmoid(e + b) + new)
        row = change("tap:weights", step, F.linear(hidden, w["emit.weight"], w["emit.bias"]))
        neurons.append(torch.sum(row[:, :n_inputs] * x, 1) + row[:, n_inputs])
        out.append(row[:, n_inputs + 1 :])
    target = change("tap:target", None, torch.tanh(torch.stack(neurons, 1)))
    return torch.sum(target.unsqueeze(2) * torch.stack(out, 1), 1)


def without(module: nn.Module, site: str, neurons: Sequence[int]) -> nn.Module | None:
    """A copy without these dimensions or units; a neuron of the target has no weights of its own."""
    if site == "tap:target":
        return None
    edited, chosen = copy.deepcopy(module), list(neurons)
    size = edited.cell.hidden_size
    with torch.no_grad():
        if site == "tap:embedding":
            edited.task.weight[:, chosen] = 0
        elif site == "tap:weights":
            edited.emit.weight[chosen] = 0
            edited.emit.bias[chosen] = 0
        else:
            for parameter in edited.cell.parameters():
                parameter[[2 * size + neuron for neuron in chosen]] = 0
    return edited

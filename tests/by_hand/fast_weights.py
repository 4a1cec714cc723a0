"""The memory that learns at test time, pair by pair from the parameters around it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Change = Callable[[str, int | None, Tensor], Tensor]


def forward(module: nn.Module, inputs: Tensor, change: Change) -> Tensor:
    """Logits of what the last step's key reads."""
    w = module.state_dict()
    width = w["key.weight"].shape[1]
    keys = w["key.weight"][inputs[:, :, 0]]
    keys = keys / torch.linalg.vector_norm(keys, dim=2, keepdim=True).clamp_min(1e-12)
    values = w["value.weight"][inputs[:, :, 1]]
    memory = update = torch.zeros(len(inputs), width, width)
    for step in range(inputs.shape[1] - 1):
        key, value = keys[:, step].unsqueeze(1), values[:, step]
        pair = torch.cat((keys[:, step], value), 1)
        rate = torch.sigmoid(F.linear(pair, w["rate.weight"], w["rate.bias"]))
        error = change("tap:surprise", step, torch.sum(memory * key, 2) - value)
        step_down = rate.unsqueeze(2) * (error.unsqueeze(2) * key)
        update = change("tap:update", step, torch.sigmoid(w["momentum"]) * update - step_down)
        memory = change("tap:memory", step, (1 - torch.sigmoid(w["forget"])) * memory + update)
    read = torch.sum(memory * keys[:, -1].unsqueeze(1), 2)
    return F.linear(read, w["answer.weight"], w["answer.bias"])


def without(module: nn.Module, site: str, neurons: Sequence[int]) -> nn.Module | None:
    """A copy whose answer does not read these rows: rows of the memory never meet before it."""
    edited = copy.deepcopy(module)
    with torch.no_grad():
        edited.answer.weight[:, list(neurons)] = 0
    return edited

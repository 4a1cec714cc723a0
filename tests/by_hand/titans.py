"""A memory of one layer that learns pairs with the delta rule, its gradient written out."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Change = Callable[[str, int | None, Tensor], Tensor]
LARGEST_STEP = 4.0


def forward(module: nn.Module, inputs: Tensor, change: Change) -> Tensor:
    """Logits; `change` is given each step's key, surprise, update of the memory, and memory."""
    parts, size = module.memory, module.readout.in_features

    def linear(layer: nn.Linear, x: Tensor) -> Tensor:
        return F.linear(x, layer.weight, layer.bias)

    seen = linear(module.embedding, inputs)
    memory = parts.memory_model_parameters[0].expand(len(inputs), -1, -1)
    momentum = torch.zeros_like(memory)
    for step in range(inputs.shape[1] - 1):
        pair = F.rms_norm(seen[:, step : step + 1], (size,), parts.store_norm.weight)
        key = change("memory.to_keys:output", step, F.linear(pair, parts.to_keys.weight))
        value = F.linear(pair, parts.to_values.weight)
        rate = linear(parts.to_adaptive_step[0], pair).sigmoid() * LARGEST_STEP
        kept = 1.0 - linear(parts.to_decay_factor[0], pair).sigmoid()
        inertia = linear(parts.to_momentum[0], pair).sigmoid()
        error = key @ memory - value
        change("tap:surprise", step, error.pow(2).mean(-1))
        gradient = key.transpose(1, 2) @ (rate / size * (2 * error))
        momentum = torch.addcmul(-gradient, inertia, momentum)
        learnt = torch.addcmul(momentum, kept, memory)
        update = change("tap:update", step, learnt - memory)
        memory = change("tap:memory", step, memory + update)
    query = F.linear(F.rms_norm(seen[:, -1:], (size,), parts.retrieve_norm.weight), parts.to_queries.weight)
    return linear(module.readout, (query @ memory)[:, 0])


def without(module: nn.Module, site: str, neurons: list[int]) -> nn.Module | None:
    """A copy with no weights into these units of the keys; the memory is no weight of the network."""
    if site != "memory.to_keys:output":
        return None
    edited = deepcopy(module)
    with torch.no_grad():
        edited.memory.to_keys.weight[neurons] = 0.0
    return edited

"""A causal transformer, one layer and one head after another."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch.nn.functional import layer_norm


def forward(module: Any, inputs: torch.Tensor, change: Any) -> torch.Tensor:
    """Logits at the last position."""
    with torch.no_grad():
        length, width = inputs.shape[1], module.tokens.shape[1]
        size = width // module.heads
        x = module.tokens[inputs] + module.positions[:length]
        allowed = torch.arange(length)[:, None] >= torch.arange(length)
        for layer in range(module.layers):
            joint = layer_norm(x, (width,)) @ module.joint[layer]
            q, k, v = (
                joint[..., part * width : (part + 1) * width].unflatten(2, (-1, size)) for part in range(3)
            )
            q, k, v = (part.permute(0, 2, 1, 3).contiguous() for part in (q, k, v))
            scores = torch.matmul(q, k.mT) / size**0.5
            pattern = torch.softmax(torch.where(allowed, scores, -torch.inf), -1)
            pattern = change(f"tap:pattern{layer}", None, pattern)
            heads = change(f"tap:heads{layer}", None, torch.matmul(pattern, v).permute(0, 2, 1, 3))
            x = x + heads.flatten(2) @ module.back[layer]
            x = x + torch.relu(layer_norm(x, (width,)) @ module.wide[layer]) @ module.narrow[layer]
        return (layer_norm(x, (width,)) @ module.unembed)[:, -1]


def without(module: Any, site: str, neurons: Any) -> Any:
    """A copy that reads nothing from these heads, whose attention or output is zero."""
    layer = int(site.split("[")[0][-1])
    edited = copy.deepcopy(module)
    with torch.no_grad():
        edited.back[layer].unflatten(0, (module.heads, -1))[neurons] = 0
    return edited

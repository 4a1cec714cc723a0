"""The routed memories, pair by pair from their parameters."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Change = Callable[[str, int | None, Tensor], Tensor]


def forward(module: nn.Module, inputs: Tensor, change: Change) -> Tensor:
    """Logits of what the last step's key reads of all memories."""
    w = module.state_dict()
    keep = torch.sigmoid(w["keep"])
    slots = keep.shape[0]
    memory = torch.zeros(len(inputs), slots, w["key.weight"].shape[1], w["value.weight"].shape[1])
    for step in range(inputs.shape[1]):
        key = w["key.weight"][inputs[:, step, 0]]
        key = key / torch.linalg.vector_norm(key, dim=1, keepdim=True).clamp_min(1e-12)
        scores = torch.softmax(w["router.weight"][inputs[:, step, 0]], 1)
        chosen = torch.zeros_like(scores).scatter(1, scores.topk(module.top, 1).indices, 1.0) * scores
        share = torch.ones(len(inputs), slots)
        share[:, : scores.shape[1]] = chosen / torch.sum(chosen, 1, keepdim=True)
        share = change("tap:route", step, share)
        product = key.unsqueeze(2) * w["value.weight"][inputs[:, step, 1]].unsqueeze(1)
        each = [
            keep[slot] * memory[:, slot] + share[:, slot].reshape(-1, 1, 1) * product for slot in range(slots)
        ]
        memory = change("tap:memory", step, torch.stack(each, 1))
    mixed = torch.sum(share.reshape(len(inputs), slots, 1, 1) * memory, 1)
    read = torch.sum(key.unsqueeze(2) * mixed, 1)
    read = F.layer_norm(read, read.shape[1:], w["norm.weight"], w["norm.bias"])
    return F.linear(read, w["answer.weight"], w["answer.bias"])

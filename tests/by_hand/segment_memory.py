"""The transformer with a memory of segments, segment by segment from its parameters."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Change = Callable[[str, int | None, Tensor], Tensor]


def forward(module: nn.Module, inputs: Tensor, change: Change) -> Tensor:
    """Logits at the last token, from the memory that the module has now, which stays as it is."""
    w = dict(module.named_parameters())
    width = w["last"].shape[0]
    queue = [slot.expand(len(inputs), width) for slot in module.memory.unbind(1)]

    def linear(name: str, x: Tensor) -> Tensor:
        return F.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))

    def norm(name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, (width,), w[f"{name}.weight"], w[f"{name}.bias"])

    def attend(name: str, x: Tensor, of: Tensor) -> Tensor:
        scores = torch.matmul(linear(f"{name}.query", x), linear(f"{name}.key", of).mT) / math.sqrt(width)
        return torch.matmul(scores.softmax(-1), linear(f"{name}.value", of))

    for step in range(inputs.shape[1]):
        memory = change("tap:memory", step, torch.stack(queue, 1))
        tokens = F.embedding(inputs[:, step], w["embedding.weight"])
        ends = memory[:, -1].unsqueeze(1), w["last"].repeat(len(inputs), 1, 1)
        x = torch.cat((ends[0], tokens, ends[1]), 1) + w["position"]
        for block in range(2):
            normal = norm(f"blocks.{block}.norms.0", x)
            x = x + attend(f"blocks.{block}.own", normal, normal)
            x = x + attend(f"blocks.{block}.read", norm(f"blocks.{block}.norms.1", x), memory)
            inner = F.relu(linear(f"blocks.{block}.into", norm(f"blocks.{block}.norms.2", x)))
            x = x + linear(f"blocks.{block}.out", inner)
        x = norm("norm", x)
        queue = [*memory.unbind(1)[1:], change("tap:summary", step, x[:, -1])]
    return linear("answer", x[:, -2])

"""The frozen transformer with prompt components, from its parameters."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Change = Callable[[str, int | None, Tensor], Tensor]


def _features(w: dict[str, Tensor], images: Tensor, prompt: Tensor | None) -> Tensor:
    """Features of images; a prompt is ``(example, block, 2, length, width)``."""
    n, width = len(images), w["body.first"].shape[0]
    patches = images.reshape(n, 8, 8).unfold(1, 2, 2).unfold(2, 2, 2).reshape(n, 16, 4)

    def linear(name: str, x: Tensor) -> Tensor:
        return F.linear(x, w[f"body.{name}.weight"], w[f"body.{name}.bias"])

    def norm(name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, (width,), w[f"body.{name}.weight"], w[f"body.{name}.bias"])

    x = torch.cat((w["body.first"].repeat(n, 1, 1), linear("patch", patches)), 1) + w["body.position"]
    for block in range(sum(name.endswith("query.weight") for name in w)):
        normal = norm(f"blocks.{block}.norms.0", x)
        keys, values = (linear(f"blocks.{block}.{name}", normal) for name in ("key", "value"))
        if prompt is not None:
            keys = torch.cat((prompt[:, block, 0], keys), 1)
            values = torch.cat((prompt[:, block, 1], values), 1)
        scores = torch.matmul(linear(f"blocks.{block}.query", normal), keys.mT) / math.sqrt(width)
        x = x + torch.matmul(scores.softmax(-1), values)
        x = x + linear(
            f"blocks.{block}.out", F.relu(linear(f"blocks.{block}.into", norm(f"blocks.{block}.norms.1", x)))
        )
    return norm("norm", x[:, 0])


def forward(module: nn.Module, inputs: Tensor, change: Change) -> Tensor:
    """Logits of all classes, with the components that are active."""
    w = {name: value.detach() for name, value in module.named_parameters()}
    query = _features(w, inputs, None)
    alike = F.cosine_similarity(query.unsqueeze(1) * w["attention"], w["key"].unsqueeze(0), dim=-1)
    share = change("tap:components", None, alike)
    mixed = torch.matmul(share[:, : module.active], w["prompt"][: module.active])
    features = change("tap:features", None, _features(w, inputs, mixed.reshape(len(inputs), *module.shape)))
    return F.linear(features, w["head.weight"], w["head.bias"])


def without(module: nn.Module, site: str, neurons: Sequence[int]) -> nn.Module | None:
    """A copy whose components are empty, or whose readout does not see these features."""
    edited = copy.deepcopy(module)
    with torch.no_grad():
        if site == "tap:components":
            edited.prompt[list(neurons)] = 0
        else:
            edited.head.weight[:, list(neurons)] = 0
    return edited

"""The weights of a hooked network as a plain state dict."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from interp.models.adopted import Adopted
from interp.models.protocol import HookedModel


def own_state(model: HookedModel) -> dict[str, Tensor]:
    """Copies of a network's weights, on the CPU; of an adopted one those of the user's module, under its own names.

    Example:
        >>> from interp.models.adoption import adopt
        >>> list(own_state(adopt(torch.nn.Sequential(torch.nn.Linear(3, 2)), ["0:output"])))
        ['0.weight', '0.bias']
    """
    module: Any = model.module if isinstance(model, Adopted) else model
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in module.state_dict().items()
    }

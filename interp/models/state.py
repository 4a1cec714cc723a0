"""The weights of a hooked network as a plain state dict."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from interp.errors import InterventionError
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


def edited_state(before: HookedModel, edited: HookedModel) -> dict[str, Tensor]:
    """`own_state` of an edited copy, for a network with the weights that the original has and no others.

    Raises:
        InterventionError: The copy has a bias that the original lacks.

    Example:
        >>> from interp.models import analytic_mlp
        >>> model = analytic_mlp("add", p=13)
        >>> list(edited_state(model, model)) == list(model.state_dict())
        True
    """
    names, state = own_state(before).keys(), own_state(edited)
    for name in state.keys() - names:
        if state[name].any():
            raise InterventionError(
                f"the network has no place for the bias {name!r} that would express the edit; leave it hooked, or use "
                "a mode that only scales, such as zero"
            )
    return {name: state[name] for name in names}

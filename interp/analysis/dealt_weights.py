"""A network with the entries of its weights in random places: a control that has learnt nothing."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch

from interp.models import HookedModel


def dealt_anew(model: HookedModel, generator: np.random.Generator) -> HookedModel:
    """A copy in which the entries of every weight are in random places: it has never learnt any of the examples.

    Example:
        >>> from interp.models import HookedMLP, MLPConfig
        >>> model = HookedMLP(MLPConfig(width=4), vocab=5)
        >>> dealt = dealt_anew(model, np.random.default_rng(0))
        >>> one, other = (network.unembed.weight.flatten() for network in (model, dealt))
        >>> bool((one == other).all()), bool((one.sort().values == other.sort().values).all())
        (False, True)
    """
    copy = deepcopy(model)
    for tensor in copy.parameters():
        order = torch.as_tensor(generator.permutation(tensor.numel()), device=tensor.device)
        tensor.data = tensor.data.flatten()[order].view_as(tensor)
    return copy

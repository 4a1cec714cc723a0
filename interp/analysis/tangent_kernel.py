"""The neural tangent kernel of a network on a few examples, by one gradient for each example and direction."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from interp.errors import ConfigError
from interp.hooks import device_of, evaluation_mode
from interp.memory import check_need
from interp.models import HookedModel


def output_directions(
    n_outputs: int, most: int, generator: np.random.Generator
) -> Float[np.ndarray, "direction output"]:
    """Unit vectors of all outputs where there are no more than `most`, else so many with random signs.

    The mean kernel over random signs is that over all outputs.
    """
    if n_outputs <= most:
        return np.eye(n_outputs)
    return generator.choice([-1.0, 1.0], (most, n_outputs)) / np.sqrt(n_outputs)


def tangent_kernel(
    model: HookedModel,
    inputs: Shaped[Tensor, "example ..."],
    directions: Float[np.ndarray, "direction output"],
) -> Float[np.ndarray, "example example"]:
    """Products of the gradients of examples' outputs, summed over all parameters and over directions of the outputs.

    The network is run in evaluation mode, an example at a time, so that any module will do.

    Raises:
        ConfigError: The network has no parameters, or memory does not hold the gradients.

    Example:
        >>> from interp.models import HookedMLP, MLPConfig
        >>> model = HookedMLP(MLPConfig(width=4), vocab=5)
        >>> kernel = tangent_kernel(model, torch.tensor([[0, 1], [2, 3], [0, 3]]), np.eye(5))
        >>> kernel.shape, float(np.linalg.eigvalsh(kernel).min()) > -1e-9
        ((3, 3), True)
    """
    weights = list(model.parameters())
    size = sum(one.numel() for one in weights)
    if not size:
        raise ConfigError("the network has no parameters, so that it has no tangent kernel")
    check_need(
        8 * len(inputs) * size, "the tangent kernel", "take fewer kernel_examples, or 0 to leave it out"
    )
    kernel = np.zeros((len(inputs), len(inputs)))
    trained = [one.requires_grad for one in weights]
    device = device_of(model)
    rows = torch.as_tensor(directions, dtype=weights[0].dtype, device=device)
    try:
        for one in weights:
            one.requires_grad_(True)
        with evaluation_mode(model), torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
            for direction in rows:
                gradients = torch.stack(
                    [_gradient(model, one, direction, weights) for one in inputs.to(device).split(1)]
                )
                kernel += (gradients @ gradients.T).double().cpu().numpy()
    finally:
        for one, before in zip(weights, trained, strict=True):
            one.requires_grad_(before)
    return kernel


def _gradient(
    model: HookedModel, example: Tensor, direction: Tensor, weights: list[Tensor]
) -> Float[Tensor, " weight"]:
    output = (model(example) * direction).sum()
    parts = torch.autograd.grad(output, weights, allow_unused=True, materialize_grads=True)
    return torch.cat([part.flatten() for part in parts])

"""Means over examples of a function of each example's own gradient: squares for Fisher, absolute values for MAS."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Int, Shaped
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

CHUNK = 128  # examples whose gradients are held at once


def fisher(
    network: nn.Module, inputs: Shaped[Tensor, "example ..."], labels: Int[Tensor, " example"]
) -> dict[str, Tensor]:
    """Empirical Fisher information of each parameter: the mean square of the examples' gradients of cross-entropy.

    Labels are those that are given, not drawn from the network's answers.

    Args:
        network: Without layers that mix examples, such as batch normalisation in training mode.

    Returns:
        By the name of a parameter, its shape; 0 or more.

    Example:
        >>> network = nn.Linear(2, 2)
        >>> _ = torch.nn.init.zeros_(network.weight), torch.nn.init.zeros_(network.bias)
        >>> fisher(network, torch.tensor([[2.0, 0.0]]), torch.tensor([0]))["weight"].tolist()
        [[1.0, 0.0], [1.0, 0.0]]
    """

    def loss(logits: Tensor, label: Tensor) -> Tensor:
        return cross_entropy(logits, label)

    return _mean(network, inputs, labels, loss, torch.square)


def sensitivity(network: nn.Module, inputs: Shaped[Tensor, "example ..."]) -> dict[str, Tensor]:
    """Memory-aware importance (arXiv 1711.09601): mean absolute gradient of the squared length of the logits.

    Args:
        network: As for `fisher`.

    Returns:
        By the name of a parameter, its shape; 0 or more. No label is needed.

    Example:
        >>> network = nn.Linear(1, 1, bias=False)
        >>> _ = torch.nn.init.ones_(network.weight)
        >>> sensitivity(network, torch.tensor([[1.0], [3.0]]))["weight"].tolist()  # 2 w x**2
        [[10.0]]
    """

    def length(logits: Tensor, _: Tensor) -> Tensor:
        return logits.square().sum()

    return _mean(network, inputs, torch.zeros(len(inputs), dtype=torch.long), length, torch.abs)


def _mean(
    network: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    value: Callable[[Tensor, Tensor], Tensor],
    of: Callable[[Tensor], Tensor],
) -> dict[str, Tensor]:
    parameters = {name: one.detach() for name, one in network.named_parameters() if one.requires_grad}
    buffers = dict(network.named_buffers())

    def of_example(trained: dict[str, Tensor], one: Tensor, label: Tensor) -> Tensor:
        logits = functional_call(network, trained | buffers, (one[None],))
        return value(logits[0], label)

    gradients = vmap(grad(of_example), in_dims=(None, 0, 0))
    sums = {name: torch.zeros_like(one) for name, one in parameters.items()}
    for some, own in zip(inputs.split(CHUNK), labels.split(CHUNK), strict=True):
        for name, each in gradients(parameters, some, own).items():
            sums[name] += of(each).sum(0)
    return {name: total / len(inputs) for name, total in sums.items()}

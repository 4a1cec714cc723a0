"""Neurons that a method protects: importance for the first task against how far their weights move afterwards."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from scipy import stats
from torch import Tensor

from interp.lab.continual.sequence import Learnt


def importance_by_neuron(weights: Mapping[str, Tensor], layer: str) -> Float[np.ndarray, " neuron"]:
    """Importance of the weights into each neuron of a layer, and of its bias, in sum.

    Args:
        weights: Importance of each parameter by name, from `fisher` or `sensitivity`.

    Example:
        >>> import torch
        >>> weights = {"0.weight": torch.tensor([[1.0, 2.0], [0.0, 4.0]]), "0.bias": torch.tensor([1.0, 0.0])}
        >>> importance_by_neuron(weights, "0").tolist()
        [4.0, 4.0]
    """
    parts = [_rows(value) for name, value in weights.items() if name.rpartition(".")[0] == layer]
    return np.concatenate(parts, 1).sum(1)


def movement_by_neuron(
    before: Mapping[str, Tensor], after: Mapping[str, Tensor], layer: str
) -> Float[np.ndarray, " neuron"]:
    """Length of the change of the weights into each neuron of a layer and of its bias.

    Args:
        before, after: Parameters by name.

    Example:
        >>> import torch
        >>> before, after = {"0.weight": torch.zeros(1, 2)}, {"0.weight": torch.tensor([[3.0, 4.0]])}
        >>> movement_by_neuron(before, after, "0").tolist()
        [5.0]
    """
    parts = [_rows(after[name] - before[name]) for name in before if name.rpartition(".")[0] == layer]
    return np.linalg.norm(np.concatenate(parts, 1), axis=1)


def protection(learnt: Learnt, weights: Mapping[str, Tensor]) -> float:
    """Rank correlation of neurons' importance for the first task with how far they move after it.

    Below 0, important neurons move less than others: they are protected. It is the mean of Spearman's correlation over
    the layers but the last. Naive training is the control, as importance and movement both follow gradients.

    Args:
        weights: Importance of each parameter, measured after the first task.

    Returns:
        From -1 to 1; nan if nothing moved.
    """
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in learnt.snapshots[0]))
    first, last = learnt.snapshots[0], learnt.snapshots[-1]
    ranks = []
    for layer in layers[:-1]:
        moved, important = movement_by_neuron(first, last, layer), importance_by_neuron(weights, layer)
        constant = np.ptp(moved) == 0 or np.ptp(important) == 0
        ranks.append(np.nan if constant else float(stats.spearmanr(important, moved)[0]))
    return float(np.mean(ranks))


def _rows(value: Tensor) -> np.ndarray:
    return value.detach().double().reshape(len(value), -1).numpy()

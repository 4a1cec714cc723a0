"""Masks of the weights to keep: by size, at random, by their slope, by neuron; and distances between masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from interp.data import Dataset
from interp.errors import ConfigError
from interp.lab.tickets.masked_networks import LAYERS, Weights, gradients_of, masked, train_masked
from interp.training import TrainConfig
from probes.agreement import auc

Masks = dict[str, Tensor]


def top(scores: Shaped[Tensor, "*shape"], n: int) -> Bool[Tensor, "*shape"]:
    """A mask of the n largest scores, ties in order of place.

    Example:
        >>> top(torch.tensor([[3.0, 1.0], [2.0, 4.0]]), 2)
        tensor([[ True, False],
                [False,  True]])
    """
    mask = torch.zeros(scores.numel(), dtype=torch.bool)
    mask[scores.flatten().argsort(descending=True, stable=True)[:n]] = True
    return mask.view_as(scores)


def largest(scores: Weights, pruned: float) -> Masks:
    """A mask of each matrix's largest scores: all but a share of them, in [0, 1]."""
    if not 0 <= pruned <= 1:
        raise ConfigError(
            f"pruned={pruned} is not in [0, 1]; it is the share of the weights that a mask lacks"
        )
    return {name: top(score, score.numel() - round(pruned * score.numel())) for name, score in scores.items()}


def magnitude_mask(weights: Weights, pruned: float) -> Masks:
    """A mask of each matrix's largest absolute weights.

    Example:
        >>> magnitude_mask({"read": torch.tensor([-3.0, 1.0, 2.0, 0.5])}, 0.5)["read"].tolist()
        [True, False, True, False]
    """
    return largest({name: weight.abs() for name, weight in weights.items()}, pruned)


def snip_mask(weights: Weights, data: Dataset, pruned: float) -> Masks:
    """A mask of the weights w with the largest |w · ∂loss/∂w| (SNIP, arXiv 1810.02340), in each matrix by itself."""
    gradients = gradients_of(weights, data)
    return largest({name: (weights[name] * gradients[name]).abs() for name in LAYERS}, pruned)


def shuffled(mask: Weights, seed: int) -> Masks:
    """A mask with as many weights in each matrix, at random places.

    Example:
        >>> int(shuffled({"read": torch.tensor([True, True, False, False, False])}, seed=0)["read"].sum())
        2
    """
    generator = torch.Generator().manual_seed(seed)
    return {name: top(torch.rand(m.shape, generator=generator), int(m.sum())) for name, m in mask.items()}


def neuron_mask(priority: Float[np.ndarray, " neuron"], like: Weights) -> Masks:
    """Whole neurons in order of their priority, until as many of their weights are kept as another mask keeps.

    The last neuron is kept in part, so that the numbers are equal; the embeddings are masked as in the other mask.
    """
    ranks = torch.from_numpy(np.argsort(np.argsort(-priority, kind="stable"), kind="stable"))
    read = top(-ranks.expand(like["read"].shape), int(like["read"].sum()))
    write = top(-ranks[:, None].expand(like["write"].shape), int(like["write"].sum()))
    return {"embed": like["embed"].bool(), "read": read, "write": write}


def jaccard_distance(first: Weights, second: Weights) -> float:
    """1 − shared/joint of two masks' weights, over all matrices, in [0, 1].

    Example:
        >>> one = {"read": torch.tensor([True, True, False])}
        >>> round(jaccard_distance(one, {"read": torch.tensor([False, True, True])}), 3)
        0.667
    """
    shared = sum(int((first[name] & second[name]).sum()) for name in first)
    return 1 - shared / max(1, sum(int((first[name] | second[name]).sum()) for name in first))


def regrow(
    weights: Weights, mask: Weights, data: Dataset, share: float = 0.3
) -> tuple[dict[str, Tensor], Masks]:
    """Move a share of each matrix's weights: its smallest are cut, and as many grow where the gradient is largest.

    GraNet's zero-cost regeneration (arXiv 2106.10404). The gradient is that of the network after the cut; weights that
    are cut or have grown are 0.
    """
    n = {name: int(kept.sum()) for name, kept in mask.items()}
    sizes = {name: weights[name].abs().masked_fill(~kept, -1.0) for name, kept in mask.items()}
    rest = {name: top(sizes[name], n[name] - round(share * n[name])) for name in mask}
    left = masked(weights, rest)
    slopes = gradients_of(left, data)
    return left, {name: top(slopes[name].abs().masked_fill(rest[name], torch.inf), n[name]) for name in mask}


def with_norm(weights: Weights, mask: Weights, power: int) -> dict[str, Tensor]:
    """All weights times one number, so that their L1 or L2 norm (the power) is that of the weights which a mask keeps.

    Example:
        >>> with_norm({"read": torch.tensor([3.0, -1.0])}, {"read": torch.tensor([False, True])}, 1)["read"].tolist()
        [0.75, -0.25]
    """
    whole = sum(float(weight.abs().pow(power).sum()) for weight in weights.values())
    part = sum(float((weight * mask[name]).abs().pow(power).sum()) for name, weight in weights.items())
    return {name: weight * (part / whole) ** (1 / power) for name, weight in weights.items()}


def survival(
    mask: Weights, chosen: Bool[np.ndarray, " neuron"]
) -> tuple[float | None, float | None, float | None]:
    """Share of their weights that chosen neurons keep, and the others, and the area under the curve by their number.

    None where there are no neurons of a kind.
    """
    left = (mask["read"].double().sum(0) + mask["write"].double().sum(1)).numpy()
    size = len(mask["read"]) + mask["write"].shape[1]
    shares = [float(left[one].mean()) / size if one.any() else None for one in (chosen, ~chosen)]
    return shares[0], shares[1], auc(left, chosen)


def mask_distances(masks: Sequence[Weights], apart: int) -> dict[str, list[float | None]]:
    """Distance of each mask of a training to the last, and to the one so many before it."""
    moved = [jaccard_distance(mask, before) for before, mask in zip(masks, masks[apart:], strict=False)]
    return {
        "to_end": [jaccard_distance(mask, masks[-1]) for mask in masks],
        "moved": [None] * min(apart, len(masks)) + list(moved),
    }


def plasticity(
    data: Dataset, networks: Sequence[Weights], cut: float, how: TrainConfig
) -> list[dict[str, float]]:
    """Accuracy of each network on unseen pairs after pruning, at once and with more training, and without pruning.

    ``regrown`` is that of a network where `regrow` moved weights before the training.
    """
    starts: list[Weights] = []
    masks: list[Weights] = []
    for weights in networks:
        mask = magnitude_mask(weights, cut)
        moved, grown = regrow(weights, mask, data)
        starts += [weights, moved, weights]
        masks += [mask, grown, {name: torch.ones_like(kept) for name, kept in mask.items()}]
    trained = train_masked(data, starts, masks, how, until_generalised=False)
    triples = zip(trained[::3], trained[1::3], trained[2::3], strict=True)
    return [
        {"pruned": a.test[0], "retrained": a.test[-1], "regrown": b.test[-1], "unpruned": c.test[-1]}
        for a, b, c in triples
    ]

"""Principal subspaces of activity, learnt by Hebbian units with lateral inhibition."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from interp.errors import ConfigError

GROUP, BATCH = 2, 64
PASSES, UPDATES = 10, 200  # over the activity; more passes where these are fewer updates than that
RATE, SLOWING, MOMENTUM, SMOOTHING = 0.1, 50, 0.9, 0.05


def hebbian_units(
    activity: Float[Tensor, "example neuron"], n: int, generator: torch.Generator
) -> Float[Tensor, "unit neuron"]:
    """Weights of units that learn by Oja's subspace rule to span the directions of most activity.

    In mini-batches x the units' activity is y = H x, and H changes by y (x - Hᵀ y), with momentum and a rate that
    falls, over the greatest mean square of a unit's activity. Directions of about the same strength separate slowly, so
    few units should learn at once: `hebbian_subspace` adds them in groups.

    Returns:
        Rows that are orthonormal.

    Raises:
        ConfigError: The weights became infinite or nan.

    Example:
        >>> activity = torch.randn(200, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.1, 3.0, 0.2])
        >>> units = hebbian_units(activity, 1, torch.Generator().manual_seed(1))
        >>> units.abs().argmax().item(), bool(units.abs().max() > 0.99)
        (1, True)
    """
    start = torch.randn(activity.shape[1], n, generator=generator, dtype=activity.dtype)
    weights = torch.linalg.qr(start)[0].T
    velocity, strength, update = torch.zeros_like(weights), None, 0
    for _ in range(max(PASSES, -(-UPDATES // -(-len(activity) // BATCH)))):
        for rows in torch.randperm(len(activity), generator=generator).split(BATCH):
            x = activity[rows]
            y = x @ weights.T
            square = y.square().mean(0)
            strength = square if strength is None else torch.lerp(strength, square, SMOOTHING)
            change = y.T @ (x - y @ weights) / len(x)
            rate = RATE / (1 + update / SLOWING) / strength.max().clamp_min(1e-12)
            velocity = MOMENTUM * velocity + rate * change
            weights = weights + velocity
            update += 1
    if not weights.isfinite().all():
        raise ConfigError(
            "Hebbian units diverged; scale the activity, or remove examples far from the others"
        )
    return torch.linalg.qr(weights.T)[0].T


def hebbian_subspace(
    activity: Float[Tensor, "example neuron"],
    share: float,
    generator: torch.Generator,
    before: Float[Tensor, "known neuron"] | None = None,
) -> Float[Tensor, "unit neuron"]:
    """Units for what others leave of activity, until so much of its sum of squares is in the span of all.

    Args:
        activity: Not centred: its mean is then among the directions.
        share: In (0, 1).
        before: Orthonormal rows that are there already.

    Returns:
        Orthonormal rows, orthogonal to those of `before`; none if these are enough.

    Example:
        >>> activity = torch.randn(200, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([9, 5, 0.1, 0.1])
        >>> hebbian_subspace(activity, 0.99, torch.Generator().manual_seed(1)).shape
        torch.Size([2, 4])
    """
    known = activity.new_zeros(0, activity.shape[1]) if before is None else before
    every, total = known, activity.square().sum()
    while len(every) < activity.shape[1]:
        left = activity - (activity @ every.T) @ every
        if left.square().sum() <= (1 - share) * total:
            break
        n = min(GROUP, activity.shape[1] - len(every))
        every = orthonormal(hebbian_units(left, n, generator), every)
    return every[len(known) :]


def orthonormal(
    rows: Float[Tensor, "new neuron"], before: Float[Tensor, "known neuron"]
) -> Float[Tensor, "all neuron"]:
    """Orthonormal rows, followed by an orthonormal basis of what others add to their span."""
    for _ in range(2):  # the second time removes what rounding left
        rows = rows - (rows @ before.T) @ before
        rows = torch.linalg.qr(rows.T)[0].T
    return torch.cat([before, rows])


def subspace_overlap(one: Float[Tensor, "unit neuron"], other: Float[Tensor, "unit neuron"]) -> float:
    """Mean squared cosine of the principal angles between two subspaces of orthonormal rows: 1 if they are the same.

    Example:
        >>> subspace_overlap(torch.eye(4)[:2], torch.eye(4)[1:3])
        0.5
    """
    return float((one @ other.T).square().sum() / len(one))

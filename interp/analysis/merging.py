"""Changes of the same weights, each for another task, merged into one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from interp.errors import ConfigError


def ties(changes: Sequence[Float[Tensor, "*weight"]], density: float = 1.0) -> Float[Tensor, "*weight"]:
    """Merge changes by TIES: trim each, elect a sign for every weight, and average those changes that have it.

    Source: arXiv 2306.01708.

    Args:
        changes: What each task changes, of one shape.
        density: Share of each that is kept, the largest in absolute value; in (0, 1].

    Raises:
        ConfigError: There are no changes, or `density` is out of range.

    Example:
        >>> ties([torch.tensor([2.0, 0.0, 3.0]), torch.tensor([4.0, 1.0, -1.0])]).tolist()
        [3.0, 1.0, 3.0]
    """
    if not changes:
        raise ConfigError("there are no changes to merge; expected at least one")
    if not 0 < density <= 1:
        raise ConfigError(f"density={density} is not in (0, 1]")
    trimmed = torch.stack([_trimmed(one, density) for one in changes])
    sign = trimmed.sum(0).sign()
    agree = (trimmed.sign() == sign) & (sign != 0)
    return (trimmed * agree).sum(0) / agree.sum(0).clamp_min(1)


def _trimmed(change: Tensor, density: float) -> Tensor:
    """The largest entries in absolute value; 0 in the place of the others."""
    kept = max(1, round(density * change.numel()))
    least = change.abs().flatten().kthvalue(change.numel() - kept + 1).values
    return torch.where(change.abs() >= least, change, 0)

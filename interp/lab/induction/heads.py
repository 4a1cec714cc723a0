"""Scores of attention patterns, previous-token and induction; and patterns that heads are held at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from interp.errors import ConfigError
from interp.modes import Change

Pattern = Float[Tensor, "example head query key"]
Square = Float[Tensor, "query key"]


def uniform_pattern(n: int) -> Square:
    """Equal attention to every position up to one's own.

    Example:
        >>> uniform_pattern(2)
        tensor([[1.0000, 0.0000],
                [0.5000, 0.5000]])
    """
    visible = torch.ones(n, n).tril()
    return visible / visible.sum(-1, keepdim=True)


def previous_pattern(n: int) -> Square:
    """All attention to the position before, and of the first position to itself.

    Example:
        >>> previous_pattern(3)
        tensor([[1., 0., 0.],
                [1., 0., 0.],
                [0., 1., 0.]])
    """
    return F.one_hot((torch.arange(n) - 1).clamp_min(0), n).float()


def previous_token_scores(pattern: Pattern) -> Float[np.ndarray, " head"]:
    """Each head's mean attention to the position before, in [0, 1], over all positions but the first.

    Example:
        >>> previous_token_scores(previous_pattern(5).expand(1, 2, 5, 5)).tolist()
        [1.0, 1.0]
    """
    return pattern.diagonal(-1, 2, 3).mean((0, 2)).double().numpy(force=True)


def induction_targets(tokens: Int[Tensor, "example position"]) -> Bool[Tensor, "example query key"]:
    """Where an induction head would look: at what followed earlier occurrences of the token at hand.

    Example:
        >>> induction_targets(torch.tensor([[3, 4, 3]]))[0, 2].tolist()
        [False, True, False]
    """
    earlier = (tokens[:, :, None] == tokens[:, None, :]).tril(-1)
    return F.pad(earlier[:, :, :-1], (1, 0))


def induction_scores(pattern: Pattern, tokens: Int[Tensor, "example position"]) -> Float[np.ndarray, " head"]:
    """Each head's mean attention to `induction_targets`, in [0, 1], over positions that have any (arXiv 2404.07129).

    Example:
        >>> tokens = torch.tensor([[3, 4, 3]])
        >>> induction_scores(uniform_pattern(3).expand(1, 1, 3, 3), tokens).round(3).tolist()
        [0.333]
    """
    targets = induction_targets(tokens)
    asked = targets.any(-1)
    if not asked.any():
        raise ConfigError(
            "no token occurs twice, so no head can look at what followed it; give repeated sequences"
        )
    mass = (pattern * targets[:, None]).sum(-1).movedim(1, -1)[asked]
    return mass.mean(0).double().numpy(force=True)


@dataclass(frozen=True)
class Blind:
    """An intervention on patterns: no attention to the position before; the rest is scaled to sum to 1 again."""

    def start(self) -> Change:
        def change(x: Tensor) -> Tensor:
            before = torch.ones(x.shape[1:3], dtype=torch.bool, device=x.device).tril(-1).triu(-1)
            kept = x.masked_fill(before[..., None], 0.0)
            return kept / kept.sum(-2, keepdim=True).clamp_min(1e-9)

        return change

    def affine(self) -> None:
        return None

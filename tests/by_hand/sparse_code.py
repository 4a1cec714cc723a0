"""Recall from winner-take-all modules, one module and one stored item after another."""

from __future__ import annotations

import copy
from typing import Any

import torch


def forward(module: Any, inputs: torch.Tensor, change: Any) -> torch.Tensor:
    """Shares of modules that agree with each stored item."""
    n_modules = module.weights.shape[1]
    active = inputs.sum(1)
    columns = []
    for m in range(n_modules):
        known = inputs @ module.weights[:, m]
        chance = module.weights[:, m].mean(0)
        columns.append((known / active[:, None] - chance) / torch.clamp(1 - chance, min=0.1))
    support = change("tap:support", None, torch.stack(columns, 1))
    best = support.max(2, keepdim=True).values
    first = (support == best).float().cumsum(2).eq(1) & (
        support == best
    )  # of several that are best, the first
    code = change("tap:code", None, first.float())
    agree = [
        sum((code[:, m] * item[m]).sum(1) for m in range(n_modules)) / n_modules for item in module.codes
    ]
    return torch.stack([value.float() for value in agree], 1)


def without(module: Any, site: str, neurons: Any) -> Any:
    """A copy whose stored codes lack these modules; none for supports, as a winner is drawn of zeros, too."""
    if site.split("[")[0] != "tap:code":
        return None
    edited = copy.deepcopy(module)
    edited.codes[:, neurons] = 0
    return edited

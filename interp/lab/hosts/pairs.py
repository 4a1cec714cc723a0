"""Sequences of pairs of a key and a value, and a question for one of them."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

Pairs = tuple[Int[Tensor, "example time 2"], Int[Tensor, " example"], Int[Tensor, " example"]]
"""Pairs with the question last, the values asked for, and the steps at which these were shown."""


def random_pairs(n: int, keys: int, values: int, pairs: int, generator: torch.Generator) -> Pairs:
    """Sequences of random pairs, no key twice in one; a question is a key, and `values` in the place of the value.

    Example:
        >>> inputs, answers, steps = random_pairs(5, 8, 3, 4, torch.Generator().manual_seed(0))
        >>> inputs.shape, bool((inputs[torch.arange(5), steps, 1] == answers).all())
        (torch.Size([5, 5, 2]), True)
    """
    shown = torch.rand(n, keys, generator=generator).argsort(1)[:, :pairs]
    held = torch.randint(values, (n, pairs), generator=generator)
    asked, rows = torch.randint(pairs, (n,), generator=generator), torch.arange(n)
    question = torch.stack([shown[rows, asked], torch.full((n,), values)], 1)
    return torch.cat([torch.stack([shown, held], 2), question[:, None]], 1), held[rows, asked], asked

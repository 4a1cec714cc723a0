"""Accuracy against what answering the commonest class alone would reach."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from scipy.special import bdtrc
from torch import Tensor

from interp.data import Dataset
from interp.measuring.evaluation import margins

SIGNIFICANT = 0.01
"""Level at which an accuracy is above a base rate."""


def beats_base_rate(
    logits: Float[Tensor, "example output"], data: Dataset, leaked: Bool[Tensor, " example"]
) -> bool:
    """True if more examples are answered right than have the commonest true label, by an exact binomial test.

    Held-out examples decide, if any are left that did not leak, else all.

    Example:
        >>> from interp.data import ModularTask
        >>> data = ModularTask("add", p=5).dataset
        >>> perfect = torch.nn.functional.one_hot(data.true_labels, 5).float()
        >>> none = torch.zeros(len(data), dtype=torch.bool)
        >>> beats_base_rate(perfect, data, none), beats_base_rate(perfect[:, [1, 0, 2, 3, 4]] * 0, data, none)
        (True, False)
    """
    held_out = data.test & ~leaked
    examples = held_out if held_out.any() else torch.ones_like(held_out)
    true = data.true_labels[examples]
    share = float(torch.bincount(true, minlength=data.n_classes).max() / len(true))
    right = int((margins(logits[examples], true) > 0).sum())
    return bool(right > 0 and bdtrc(right - 1, len(true), share) <= SIGNIFICANT)

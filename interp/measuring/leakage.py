"""Held-out examples that are no test: seen in training as they are, or, by a symmetric network, in the other order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp.data import Dataset
from interp.data.operations import MAX_MODULUS
from interp.measuring.evaluation import margins
from interp.measuring.logits import Logits, blocks_of, by_rows, moments_of

SYMMETRIC = 0.01
"""Up to this relative difference between the logits of (a, b) and (b, a) a network counts as symmetric."""


@dataclass(frozen=True, eq=False)
class Leakage:
    """The held-out examples that a network has in effect been trained on.

    Attributes:
        logits: The network's.
        margins: Of the true labels; computed from the logits if None.
        moments: Sums of each output's logits and of their squares, ``(two, output)``; from the logits if None.
        asymmetry: Root mean square difference between the logits of (a, b) and (b, a), relative to their spread over
            examples; None if there are no such pairs.
    """

    data: Dataset
    logits: Logits
    margins: Float[Tensor, " example"] | None = None
    moments: Float[Tensor, "two output"] | None = None

    @cached_property
    def asymmetry(self) -> float | None:
        return swap_asymmetry(self.logits, self.data, self.moments)

    @property
    def symmetric(self) -> bool:
        """True if the network answers (a, b) and (b, a) alike."""
        return self.asymmetry is not None and self.asymmetry <= SYMMETRIC

    @cached_property
    def leaked(self) -> Bool[Tensor, " example"]:
        """Held-out examples that are trained on too, or, if the network is symmetric, their swap is."""
        leaked = self.data.leaked_by_duplication()
        return leaked | self.data.leaked_by_swapping() if self.symmetric else leaked

    def to_dict(self) -> dict[str, Any] | None:
        """The JSON's ``leakage``; None without held-out examples."""
        if not self.data.test.any():
            return None
        honest = self.data.test & ~self.leaked
        true = margins(self.logits, self.data.true_labels) if self.margins is None else self.margins
        right = true[honest] > 0
        return {
            "test_pairs": int(self.data.test.sum()),
            "leaked": int(self.leaked.sum()),
            "duplicates": int(self.data.leaked_by_duplication().sum()),
            "asymmetry": self.asymmetry,
            "accuracy_without": right.double().mean().item() if len(right) else None,
        }


def swap_asymmetry(
    logits: Logits, data: Dataset, moments: Float[Tensor, "two output"] | None = None
) -> float | None:
    """Difference between a network's answers to (a, b) and (b, a), from 0 (alike) to about 1.4 (unrelated).

    Only pairs with a and b different and both orders among the examples count; None if there are none, or more values
    than any modulus has.

    Example:
        >>> from interp.data import ModularTask
        >>> data = ModularTask("add", p=5).dataset
        >>> swap_asymmetry(data.inputs.sum(1, keepdim=True).float().expand(-1, 5), data)
        0.0
    """
    if data.inputs.shape[1:] != (2,) or data.inputs.is_floating_point():
        return None
    values, inverse = torch.unique(data.inputs, return_inverse=True)
    a, b = inverse.T
    if len(values) > MAX_MODULUS:
        return None
    row = torch.full((len(values), len(values)), -1, device=a.device)
    row[a, b] = torch.arange(len(a), device=a.device)
    swapped = row[b, a]
    both = ((swapped >= 0) & (a < b)).nonzero()[:, 0]
    if not len(both):
        return None

    def squares(block: Tensor, other: Tensor) -> Tensor:
        return (block - other).double().square().mean(1)

    differences = by_rows(
        lambda block, rows: squares(block, logits[rows]), logits, swapped[both], chosen=both
    )
    if moments is None:
        moments = torch.stack([moments_of(logits[rows]) for rows in blocks_of(logits)]).sum(0)
    mean, square = (moments / len(a)).to(torch.float64)
    spread = float((square - mean.square()).mean())
    return float((differences.mean() / max(spread, 1e-30)).sqrt())

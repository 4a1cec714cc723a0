"""Exposure of a sequence: how rare its log loss is among sequences made in the same way that were never trained on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Exposure(NamedTuple):
    """Exposure in bits, and the p-value of a loss this low; NaN without controls."""

    bits: Float[np.ndarray, " sequence"]
    p_value: Float[np.ndarray, " sequence"]


def exposure(loss: Float[np.ndarray, " sequence"], controls: Float[np.ndarray, " control"]) -> Exposure:
    """Exposure of each sequence against controls (arXiv 1802.08232): log2 of their number over the sequence's rank.

    The rank is 1 for a loss below that of every control, and equal losses rank first the controls. The p-value is the
    rank over one more than the controls: if the sequence were one of them, it would be at most x in a share x of
    cases. With n controls exposure is at most log2(n + 1).

    Args:
        loss: Mean log loss of each sequence.
        controls: The same of sequences of the same kind that the model has not seen.

    Example:
        >>> result = exposure(np.array([0.1, 2.5]), np.array([1.0, 2.0, 3.0]))
        >>> result.bits.round(3).tolist(), result.p_value.tolist()
        ([2.0, 0.415], [0.25, 0.75])
    """
    if not len(controls):
        nothing = np.full(len(loss), np.nan)
        return Exposure(nothing, nothing.copy())
    rank = 1 + (controls[None, :] <= loss[:, None]).sum(1)
    n = len(controls) + 1
    return Exposure(np.log2(n) - np.log2(rank), rank / n)

"""The mean of random draws with the interval that most of them lie in: the control beside every measurement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from interp.output import plain

COVERED = 0.95
"""Share of the draws that a band holds."""
INTERVAL = f"{100 * COVERED:g} %"


@dataclass(frozen=True, eq=False)
class Band:
    """Random draws in three numbers, or at each point of a curve in three arrays.

    Attributes:
        mean: Of the draws.
        low, high: Ends of the interval that holds `COVERED` of the draws.

    Example:
        >>> band = Band.of([0.1, 0.2, 0.3])
        >>> round(band.mean, 3), 0.2 in band, 0.5 in band
        (0.2, True, False)
    """

    mean: Any
    low: Any
    high: Any

    @classmethod
    def of(cls, draws: Sequence[np.ndarray | float | None]) -> Band | None:
        """The band of some draws, numbers or arrays of one shape; None without draws or examples."""
        known = np.asarray([draw for draw in draws if draw is not None], dtype=np.float64)
        if not len(known):
            return None
        low, high = np.quantile(known, [(1 - COVERED) / 2, (1 + COVERED) / 2], axis=0)
        band = cls(known.mean(axis=0), low, high)
        return band.map(float) if known.ndim == 1 else band

    def __contains__(self, value: float) -> bool:
        return bool(self.low <= value <= self.high)

    def map(self, function: Callable[[Any], Any]) -> Band:
        """The band with a function applied to each of the three."""
        return Band(function(self.mean), function(self.low), function(self.high))

    def to_dict(self) -> dict[str, Any]:
        """The three by name, arrays as lists; ready for JSON."""
        return plain(vars(self))

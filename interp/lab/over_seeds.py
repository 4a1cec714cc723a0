"""Numbers that are measured once for each seed, and whether two of them differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from interp.errors import ConfigError
from interp.markup import number

WIDEST = 0.1  # half the width from which an interval is too wide to agree with anything


@dataclass(frozen=True)
class OverSeeds:
    """A number measured once for each seed, and the 95 % interval of its mean (Student's t); nan for a single seed."""

    values: tuple[float, ...]
    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float] | np.ndarray) -> OverSeeds:
        """The interval of some values.

        Example:
            >>> over = OverSeeds.of([0.9, 1.0, 0.95])
            >>> round(over.mean, 2), round(over.low, 3), round(over.high, 3)
            (0.95, 0.826, 1.074)
        """
        numbers = np.asarray(values, float)
        mean, n = float(numbers.mean()), len(numbers)
        half = float(stats.t.ppf(0.975, n - 1) * numbers.std(ddof=1) / n**0.5) if n > 1 else np.nan
        return cls(tuple(numbers.tolist()), mean, mean - half, mean + half)

    @property
    def sign(self) -> int | None:
        """1 if the interval lies above 0, -1 if below, None if it holds 0 or there is none: not decided."""
        if self.low > 0:
            return 1
        return -1 if self.high < 0 else None

    def minus(self, other: OverSeeds) -> OverSeeds:
        """The difference of two numbers of the same networks, seed by seed; a `ConfigError` if these are not as many.

        Example:
            >>> OverSeeds.of([3.0, 5.0, 7.5]).minus(OverSeeds.of([1.0, 2.0, 5.0])).sign
            1
        """
        if len(self.values) != len(other.values):
            raise ConfigError(
                f"{len(self.values)} values cannot be compared seed by seed with {len(other.values)}; measure both "
                "for the same seeds"
            )
        return OverSeeds.of(np.subtract(self.values, other.values))

    def words(self, shown: Callable[[float], str] = number) -> str:
        """The mean, with its interval unless that is unknown or reads the same.

        Example:
            >>> OverSeeds.of([1.0, 2.0, 3.0]).words("{:.1f}".format), OverSeeds.of([2.0]).words()
            ('2.0 (-0.5 to 4.5)', '2')
        """
        mean, low, high = (shown(value) for value in (self.mean, self.low, self.high))
        return mean if np.isnan(self.low) or low == high else f"{mean} ({low} to {high})"

    def verdict(self, above: str, below: str, undecided: str) -> str:
        """One of three phrases: for an interval above 0, below 0, and for one that does not decide."""
        return {1: above, -1: below, None: undecided}[self.sign]

    def agrees(self, value: float, *, within: float = 0.05) -> bool | None:
        """True for a value within so much of the mean, or in the interval; None if that is too wide to tell."""
        if abs(value - self.mean) <= within:
            return True
        if not self.low <= value <= self.high:
            return False
        return True if self.high - self.mean <= WIDEST else None

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON; no interval for a single seed."""
        low, high = (None if np.isnan(end) else end for end in (self.low, self.high))
        return {"mean": self.mean, "low": low, "high": high, "values": list(self.values)}

"""Whether one thing comes sooner than another, seed by seed, where some do not come while anybody waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from interp.seeds import OverSeeds


@dataclass(frozen=True)
class Sooner:
    """Whether one thing comes sooner than another, where some are given up before they come.

    Attributes:
        seeds: How many.
        earlier: Seeds in which the first is known to come earlier.
        later: Seeds in which it is known to come later.
        difference: Steps by which it is later, over the seeds in which both came; None for fewer than two.
        p_value: Of the log-rank test, where one or the other did not come in every seed; None where all came, or none.
    """

    seeds: int
    earlier: int
    later: int
    difference: OverSeeds | None
    p_value: float | None

    @property
    def sign(self) -> int | None:
        """-1 if the first comes sooner, 1 if later, None if that is not decided."""
        if self.p_value is None:
            return None if self.difference is None else self.difference.sign
        return (
            None
            if self.p_value >= 0.05 or self.earlier == self.later
            else 1 - 2 * (self.earlier > self.later)
        )

    def words(self) -> str:
        """What is known, in words."""
        counts = f"sooner in {self.earlier} of {self.seeds}, later in {self.later}"
        if self.difference is not None:
            d = self.difference
            which = "" if self.p_value is None else " where both came"
            counts += f"; difference{which} {d.mean:+.0f} steps ({d.low:+.0f} to {d.high:+.0f})"
        return counts if self.p_value is None else f"{counts}; log-rank p = {self.p_value:.2g}"


def sooner(first: Sequence[float | None], second: Sequence[float | None], limit: float) -> Sooner:
    """Compare two times seed by seed; None is "not by the limit", which is known to be later than any time.

    The difference decides where everything came, the log-rank test (Mantel 1966, here unpaired) where not.

    Example:
        >>> found = sooner([900, 1100, 1000], [None, None, 2900], limit=3000)
        >>> found.earlier, found.sign
        (3, -1)
    """
    pairs = list(zip(first, second, strict=True))
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    filled = [[np.inf if time is None else time for time in pair] for pair in pairs]
    difference = OverSeeds.of([a - b for a, b in both]) if len(both) > 1 else None
    p_value = None
    if len(both) < len(pairs) and any(time is not None for pair in pairs for time in pair):
        groups = [
            stats.CensoredData.right_censored([limit if t is None else t for t in g], [t is None for t in g])
            for g in (first, second)
        ]
        p_value = float(stats.logrank(*groups).pvalue)
    return Sooner(
        len(pairs), sum(a < b for a, b in filled), sum(a > b for a, b in filled), difference, p_value
    )


def told(times: Sequence[float | None], limit: float) -> str:
    """Times in words: how many came, and when in the median, which is told only where more than half came.

    Example:
        >>> told([900, 1100, 1000], 3000), told([900, None, None], 3000), told([None], 3000)
        ('in 3 of 3 seeds, at 1000 in the median', 'in 1 of 3 seeds, at 900', 'in 0 of 1 seed by step 3000')
    """
    came = sorted(time for time in times if time is not None)
    text = f"in {len(came)} of {len(times)} seed{'s' * (len(times) > 1)}"
    if not came:
        return f"{text} by step {limit:g}"
    if 2 * len(came) > len(times):
        return f"{text}, at {np.median([limit if time is None else time for time in times]):g} in the median"
    return f"{text}, at {', '.join(f'{time:g}' for time in came)}"

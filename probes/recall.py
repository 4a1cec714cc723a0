"""Recall of text: right tokens among those that cannot be guessed, against sequences that were never seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

CONFIDENCE = 0.95
FEWEST_CONTROLS = 5
"""From so many on their spread is known well enough for a p-value."""


class Interval(NamedTuple):
    """A binomial share with the ends of its interval; NaN without trials."""

    share: Float[np.ndarray, " sequence"]
    low: Float[np.ndarray, " sequence"]
    high: Float[np.ndarray, " sequence"]


def wilson(right: Int[np.ndarray, " sequence"], trials: Int[np.ndarray, " sequence"]) -> Interval:
    """Share of right tokens with Wilson's interval that covers `CONFIDENCE`, if tokens are right independently.

    Example:
        >>> interval = wilson(np.array([8, 0]), np.array([10, 0]))
        >>> [round(float(end[0]), 3) for end in interval], bool(np.isnan(interval.share[1]))
        ([0.8, 0.49, 0.943], True)
    """
    z = stats.norm.ppf((1 + CONFIDENCE) / 2)
    n = np.where(trials > 0, trials, np.nan).astype(np.float64)
    share = right / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return Interval(share, middle - half, middle + half)


def recall_p_values(
    right: Int[np.ndarray, " sequence"],
    trials: Int[np.ndarray, " sequence"],
    controls: Int[np.ndarray, " control"],
) -> Float[np.ndarray, " sequence"]:
    """One-sided p-value of each sequence's share of right tokens being above that of the controls.

    Texts differ by more than independent tokens would make them: shares are made to have one variance by the arc sine
    of their roots, to which one between texts is added by the controls' moments, and Student's distribution has one
    degree of freedom fewer than there are controls. It is approximate: where controls are rarely right and uneven,
    values below .01 come in up to 3 % of cases. A control is compared with the others. NaN with fewer than
    `FEWEST_CONTROLS` others, or without trials.

    Args:
        right, trials: Right tokens and tokens of every sequence.
        controls: Which of the sequences are controls.

    Example:
        >>> right, trials = np.array([18, 4, 5, 3, 4, 6, 4]), np.full(7, 20)
        >>> p = recall_p_values(right, trials, np.arange(1, 7))
        >>> bool(p[0] < 0.001), bool((p[1:] > 0.01).all())
        (True, True)
    """
    p_values = np.full(len(right), np.nan)
    usable = controls[trials[controls] > 0]
    for row in np.flatnonzero(trials > 0):
        others = usable[usable != row]
        if len(others) >= FEWEST_CONTROLS:
            p_values[row] = _p_value(int(right[row]), int(trials[row]), right[others], trials[others])
    return p_values


def _p_value(right: int, trials: int, others: np.ndarray, of: np.ndarray) -> float:
    values, own = _stabilised(others, of), _stabilised(np.array([right]), np.array([trials]))[0]
    within = 1 / (4 * of + 2)
    between = max(0.0, float(np.var(values, ddof=1) - within.mean()))
    weight = 1 / (within + between)
    deviation = np.sqrt(1 / (4 * trials + 2) + between + 1 / weight.sum())
    difference = own - (weight * values).sum() / weight.sum()
    return float(stats.t.sf(difference / deviation, len(others) - 1))


def _stabilised(right: np.ndarray, trials: np.ndarray) -> np.ndarray:
    """The arc sine of a share's root, whose variance is 1 / (4 n + 2) at any share (Anscombe 1948)."""
    return np.arcsin(np.sqrt((right + 0.375) / (trials + 0.75)))

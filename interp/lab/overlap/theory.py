"""Formulas for overlaps of sparse patterns beside their simulation, and false matches by number of units."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from probes.overlap import (
    any_match,
    log_overlap_tail,
    overlap_tail,
    random_sets,
    sampled_overlaps,
    union_tail,
)

SIZES = ((1024, 20, 20), (512, 20, 20), (1024, 40, 30), (256, 12, 60))
"""Units, active ones, and sampled ones; the first is the paper's."""
LEAST = 1e-4
UNITS = (200, 400, 800, 1200, 1600, 2000, 3000, 4000)
ACTIVE, SAMPLED, THRESHOLD = 20, 20, 8
SPARSITY, MATCHED = 0.02, 0.5
PATTERNS = (1, 2, 5, 10, 20, 50)
UNION_THRESHOLD = 3


def formula_error(
    sizes: tuple[int, int, int], draws: int, generator: np.random.Generator
) -> tuple[float, float]:
    """Largest relative error of the formula over thresholds with a probability above `LEAST`, and the same in standard
    errors of the simulation.
    """
    overlaps = sampled_overlaps(*sizes, draws, generator)
    errors, deviations = [], []
    for threshold in range(1, min(sizes[1:]) + 1):
        p = overlap_tail(*sizes, threshold)
        if p < LEAST:
            break
        counted = float((overlaps >= threshold).mean())
        errors.append(abs(p - counted) / p)
        deviations.append(abs(p - counted) / float(np.sqrt(p * (1 - p) / len(overlaps))))
    return max(errors), max(deviations)


def false_match_curves() -> dict[str, list[float]]:
    """Logarithms to base 10 of the probability of a false match by number of units.

    ``fixed``: as many active units and the same threshold everywhere; ``growing``: active and sampled units are 2 % of
    all, the threshold half of them.
    """
    fixed = [log_overlap_tail(n, ACTIVE, SAMPLED, THRESHOLD) for n in UNITS]
    growing = []
    for n in UNITS:
        active = round(SPARSITY * n)
        growing.append(log_overlap_tail(n, active, active, round(MATCHED * active)))
    return {
        "fixed": (np.array(fixed) / np.log(10)).tolist(),
        "growing": (np.array(growing) / np.log(10)).tolist(),
    }


def straightness(x: Float[np.ndarray, " point"], y: Float[np.ndarray, " point"]) -> float:
    """Share of the variance that a straight line explains, in [0, 1].

    Example:
        >>> straightness(np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0, 4.0]))
        1.0
    """
    return round(float(np.corrcoef(x, y)[0, 1] ** 2), 12)


def shapes() -> dict[str, float]:
    """Straightness of the log-probability over n (an exponential) and over log n (a power), for both curves."""
    curves, n = false_match_curves(), np.array(UNITS, float)
    return {
        f"straight_{name}_{shape}": straightness(x, np.array(curve))
        for name, curve in curves.items()
        for shape, x in (("exponential", n), ("power", np.log(n)))
    }


def union_curves(draws: int, generator: np.random.Generator) -> dict[str, list[float]]:
    """P(match with the union of M patterns) by number of patterns: exact, simulated, and 1 - (1 - P)^M."""
    sizes = SIZES[0]
    alone = overlap_tail(*sizes, UNION_THRESHOLD)
    covered = _covered(sizes, max(PATTERNS), draws, generator)
    return {
        "exact": [union_tail(*sizes, UNION_THRESHOLD, m) for m in PATTERNS],
        "simulated": [float((covered[m - 1] >= UNION_THRESHOLD).mean()) for m in PATTERNS],
        "approximate": [any_match(alone, m) for m in PATTERNS],
    }


def _covered(
    sizes: tuple[int, int, int], patterns: int, draws: int, generator: np.random.Generator
) -> Int[np.ndarray, "pattern draw"]:
    """Units of a fixed set that are in the union of the first patterns; units are drawn one by one."""
    n, active, sampled = sizes
    covered = np.zeros((draws, sampled), bool)
    counts = np.empty((patterns, draws), np.int64)
    for pattern in range(patterns):
        units = random_sets(n, active, draws, generator)
        row, column = np.nonzero(units < sampled)
        covered[row, units[row, column]] = True
        counts[pattern] = covered.sum(1)
    return counts

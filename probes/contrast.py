"""Two groups of sequences compared unit by unit: a standardised difference, and its p-value by permutation."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
from jaxtyping import Bool, Float

from probes.permutation import drawn_orders, tail_p_values

BLOCK = 2_000_000
"""Numbers that are held at once."""
FLOOR = 0.9
"""Quantile of the standard errors over units."""


def floor_of(target: Float[np.ndarray, "sequence unit"], control: Float[np.ndarray, "other unit"]) -> float:
    """The standard error that nine units of ten stay below, groups taken together: what `welch` adds to each.

    Without it units that hardly vary, as they hardly act, would rank highest (as in Tusher et al. 2001). It does not
    depend on which sequences are the target's.

    Example:
        >>> floor_of(np.array([[0.0, 2.0]]), np.array([[0.0, 2.0], [0.0, 2.0]]))
        0.0
    """
    n = len(target) + len(control)
    total, squares = (one + other for one, other in zip(_sums(target), _sums(control), strict=True))
    spread = np.sqrt((squares - np.square(total) / n).clip(0) / (n - 1))
    return float(np.quantile(spread, FLOOR) * np.sqrt(1 / len(target) + 1 / len(control)))


def _sums(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums over the rows of values and of their squares, in double precision without a copy."""
    return values.sum(0, dtype=np.float64), np.einsum("su,su->u", values, values, dtype=np.float64)


def welch(
    target: Float[np.ndarray, "sequence unit"],
    control: Float[np.ndarray, "other unit"],
    floor: float = 0.0,
) -> Float[np.ndarray, " unit"]:
    """Difference of means over its standard error, with a variance of each group's own (Welch 1947).

    A group of one sequence is given the other's variance; NaN where both have but one, or do not vary.

    Args:
        floor: Added to the standard error; see `floor_of`.

    Example:
        >>> welch(np.array([[2.0], [4.0]]), np.array([[0.0], [2.0]])).round(3).tolist()
        [1.414]
    """
    spread = [group.var(0, ddof=1, dtype=np.float64) for group in (target, control) if len(group) > 1]
    if not spread:
        return np.full(target.shape[1], np.nan)
    error = np.sqrt(spread[0] / len(target) + spread[-1] / len(control)) + floor
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(
            error > 0, (target.mean(0, dtype=np.float64) - control.mean(0, dtype=np.float64)) / error, np.nan
        )


def least_p_value(n_target: int, n_control: int) -> float:
    """The smallest p-value that a permutation of sequences can give: one of all choices of the target's.

    Example:
        >>> least_p_value(1, 20), least_p_value(10, 10) < 1e-5
        (0.047619047619047616, True)
    """
    return 1 / comb(n_target + n_control, n_target)


def shares(effects: Float[np.ndarray, "sequence unit"]) -> Float[np.ndarray, "sequence unit"]:
    """Effects of each sequence over their root mean square, so that a saturated loss weighs as much as a large one.

    Example:
        >>> shares(np.array([[3.0, 4.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])).tolist()
        [[1.2, 1.6, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """
    size = np.sqrt(np.einsum("su,su->s", effects, effects, dtype=np.float64) / effects.shape[1])[:, None]
    return effects / np.where(size > 0, size, 1.0).astype(effects.dtype)


def permuted_welch(
    target: Float[np.ndarray, "sequence unit"],
    control: Float[np.ndarray, "other unit"],
    *,
    draws: int = 9999,
    tested: int = 1000,
    seed: int = 0,
) -> tuple[Float[np.ndarray, " unit"], Float[np.ndarray, " unit"]]:
    """Welch's statistic of each unit, with `floor_of`, and its one-sided p-value by permutation of the sequences.

    Only units with the largest root mean square over all sequences are tested, so that few tests share the rate of
    false discoveries; that choice does not depend on which sequences are the target's.

    The null is that target and control sequences are exchangeable; then p is exact as far as it is counted, and the
    statistic's own standard error keeps it close where only the spreads differ (Chung and Romano 2013). All choices are
    taken where they are no more than the draws; beyond the draws an exponential tail is fitted, which is too cautious
    for a lighter one, and p never falls below `least_p_value`. NaN where a unit is not tested or does not vary.

    Args:
        draws: Of choices, where there are more.
        tested: Most units that are tested.
        seed: Of the draws.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> values, control = rng.normal(size=(12, 2)), rng.normal(size=(12, 2))
        >>> values[:, 0] += 3
        >>> statistic, p = permuted_welch(values, control)
        >>> (p < 0.001).tolist()
        [True, False]
    """
    n, n_target = len(target) + len(control), len(target)
    if n < 3:
        return np.full(target.shape[1], np.nan), np.full(target.shape[1], np.nan)
    choices = _choices(n, n_target, draws, seed)
    floor = floor_of(target, control)
    observed, p = welch(target, control, floor), np.full(target.shape[1], np.nan)
    largest = np.argsort(-_sums(target)[1] - _sums(control)[1], kind="stable")[:tested]
    chosen = np.sort(largest[np.isfinite(observed[largest])])
    values = np.concatenate([target[:, chosen], control[:, chosen]]).astype(np.float64)
    values -= values.mean(0)
    step = max(1, BLOCK // len(choices))
    for start in range(0, len(chosen), step):
        part = chosen[start : start + step]
        drawn = _welch_of_choices(values[:, start : start + step], choices, floor)
        p[part] = _p_values(
            observed[part], np.nan_to_num(drawn, nan=-np.inf), len(choices) == comb(n, n_target)
        )
    return observed, np.maximum(p, least_p_value(n_target, len(control)))


def _p_values(observed: np.ndarray, drawn: np.ndarray, complete: bool) -> Float[np.ndarray, " unit"]:
    if not complete:
        return tail_p_values(observed, drawn)
    slack = 1e-9 * np.abs(observed)
    return (drawn >= (observed - slack)[:, None]).mean(1)


def _choices(n: int, n_target: int, draws: int, seed: int) -> Bool[np.ndarray, "choice sequence"]:
    """All ways of choosing the target's sequences, or random ones where there are more than `draws`."""
    if comb(n, n_target) <= draws:
        places = np.array(list(combinations(range(n), n_target)))
    else:
        places = drawn_orders(n, draws, seed)[:, :n_target]
    chosen = np.zeros((len(places), n), dtype=bool)
    chosen[np.arange(len(places))[:, None], places] = True
    return chosen


def _welch_of_choices(
    values: np.ndarray, choices: np.ndarray, floor: float
) -> Float[np.ndarray, "unit choice"]:
    """Welch's statistic for each choice of rows, from sums over them."""
    n, n_target = len(values), int(choices[0].sum())
    picked = choices.astype(np.float64)
    total, squares = values.sum(0)[:, None], np.square(values).sum(0)[:, None]
    one, of_one = values.T @ picked.T, np.square(values).T @ picked.T
    groups = [(one, of_one, n_target), (total - one, squares - of_one, n - n_target)]
    spread = [
        (s - m * m / k).clip(0) / (k - 1) for m, s, k in groups if k > 1
    ]  # the other's of a group of one
    error = np.sqrt(spread[0] / n_target + spread[-1] / (n - n_target)) + floor
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(error > 0, (one / n_target - (total - one) / (n - n_target)) / error, np.nan)

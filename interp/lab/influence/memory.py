"""Memorisation scores of training examples by their own presence in the training set, and neurons behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float

from interp.data import Dataset
from interp.errors import ConfigError
from interp.measuring.cached_pass import cached_pass
from interp.measuring.effects import single_effects
from interp.models import HookedModel
from interp.progress import Report, silent

Fit = Callable[[Bool[np.ndarray, " example"], int], Bool[np.ndarray, " example"]]
DRAWS = 10  # times that fewer networks are drawn for each example


@dataclass(frozen=True, eq=False)
class Memorisation:
    """Dependence of each training example on having been trained on.

    Attributes:
        score: mem(i) in [-1, 1]: 0 where the label is predicted without the example too, 1 where only with it;
            nan where an example was always or never trained on.
        error: The score's standard error, of two independent proportions; nan where fewer than two networks are on
            one side. It is 0 where all networks of a side agree: read many together, as their root mean square.
    """

    score: Float[np.ndarray, " example"]
    error: Float[np.ndarray, " example"]


def memorisation(
    correct: Bool[np.ndarray, "network example"], included: Bool[np.ndarray, "network example"]
) -> Memorisation:
    """Estimate mem(i) = P[right | i trained on] - P[right | i not trained on] (arXiv 1906.05271, 2008.03703).

    Args:
        correct: Whether each network predicts each example's label as it was trained on.
        included: Whether the example was in the network's training subset.

    Raises:
        ConfigError: The shapes differ, or there is no network.

    Example:
        >>> included = np.array([[True, True], [True, False], [False, True], [False, False]])
        >>> correct = np.array([[True, True], [True, True], [False, True], [False, True]])
        >>> memorisation(correct, included).score.tolist()
        [1.0, 0.0]
    """
    if correct.shape != included.shape or not len(correct):
        raise ConfigError(
            f"answers of shape {correct.shape} and subsets of shape {included.shape} do not belong together; give "
            "one row for each network, and one column for each example, of both"
        )
    scores, variances = [], []
    for side in (included, ~included):
        n = side.sum(0)
        share = np.where(n > 0, (correct & side).sum(0) / np.maximum(n, 1), np.nan)
        scores.append(share)
        variances.append(np.where(n > 1, share * (1 - share) / np.maximum(n - 1, 1), np.nan))
    return Memorisation(scores[0] - scores[1], np.sqrt(variances[0] + variances[1]))


def train_on_subsets(
    fit: Fit, n: int, *, networks: int = 20, share: float = 0.7, seed: int = 0, report: Report = silent
) -> tuple[Bool[np.ndarray, "network example"], Bool[np.ndarray, "network example"]]:
    """Train networks on random subsets, for `memorisation`.

    Each example is left out by equally many networks, drawn at random, so that every score is as exact.

    Args:
        fit: Given a mask of the examples to train on and the network's number, whether the trained network predicts
            the label of each of the n examples.
        share: Of the networks that are trained on each example, in (0, 1).

    Example:
        >>> knows_all_it_saw = lambda keep, number: keep
        >>> correct, included = train_on_subsets(knows_all_it_saw, 5, networks=10)
        >>> included.sum(0).tolist(), memorisation(correct, included).score.tolist()
        ([7, 7, 7, 7, 7], [1.0, 1.0, 1.0, 1.0, 1.0])
    """
    keys = np.random.default_rng((seed, 1)).random((networks, n))
    included = keys.argsort(0).argsort(0) < min(max(round(share * networks), 1), networks - 1)
    correct = np.zeros_like(included)
    for number, keep in enumerate(included):
        correct[number] = fit(keep, number)
        report(number + 1, f"network {number + 1} of {networks}")
    return correct, included


def errors_by_number(
    correct: Bool[np.ndarray, "network example"],
    included: Bool[np.ndarray, "network example"],
    *,
    share: float = 0.7,
    seed: int = 0,
) -> dict[str, list[Any]]:
    """Errors of scores by fewer networks, drawn for each example: by the formula, and from two estimates' distance.

    Of every number the same share was trained on the example: the fraction with a denominator up to 4 next to `share`.
    For each of ``networks`` it is the root mean square over examples: as ``formula`` of the standard error of
    `memorisation`, and as ``spread`` of the difference of estimates by networks that have none in common, divided by
    √2; None where there are too few networks.
    """
    keys = np.random.default_rng((seed, 2)).random((DRAWS, *correct.shape))
    order = [np.where(side, keys, 2.0).argsort(1) for side in (included, ~included)]
    answers = [np.take_along_axis(np.broadcast_to(correct, keys.shape), one, 1) for one in order]
    enough = [side.sum(0) for side in (included, ~included)]
    part = min(max(Fraction(share).limit_denominator(4), Fraction(1, 4)), Fraction(3, 4))
    base, sizes = (part.numerator, part.denominator - part.numerator), list[int]()
    formula, spread = list[float | None](), list[float | None]()
    for size in range(part.denominator, len(correct) + 1, part.denominator):
        variance, gap = np.zeros((2, DRAWS, correct.shape[1]))
        for sign, one, own, most in zip((1, -1), base, answers, enough, strict=True):
            n = one * size // part.denominator
            first, second = own[:, :n].sum(1) / n, own[:, n : 2 * n].sum(1) / n
            variance += np.where((most >= n) & (n > 1), first * (1 - first) / max(n - 1, 1), np.nan)
            gap += sign * np.where(most >= 2 * n, first - second, np.nan)
        sizes.append(size)
        formula.append(_root_mean(variance))
        spread.append(_root_mean(np.square(gap) / 2))
    return {"networks": sizes, "formula": formula, "spread": spread}


def falls_as(sizes: Sequence[int], errors: Sequence[float | None]) -> float | None:
    """The power of the number of networks that an error falls by: a straight line's slope in logarithms.

    Example:
        >>> round(falls_as([4, 9, 16], [0.5, None, 0.25]), 3)
        -0.5
    """
    known = [(size, error) for size, error in zip(sizes, errors, strict=True) if error]
    if len(known) < 2:
        return None
    x, y = np.log(known).T
    return float(np.polyfit(x, y, 1)[0])


def _root_mean(squares: np.ndarray) -> float | None:
    known = squares[~np.isnan(squares)]
    return float(np.sqrt(known.mean())) if len(known) else None


def memory_effects(
    model: HookedModel, data: Dataset, memorised: Bool[np.ndarray, " example"]
) -> Float[np.ndarray, " neuron"]:
    """Mean margin that removing each neuron costs the memorised training examples more than the others, in logits.

    No true label is used: examples are taken as labelled. Of both kinds some must be trained on, and only these count.
    """
    marked = torch.from_numpy(memorised).to(data.train.device) & data.train
    if not marked.any() or bool((marked == data.train).all()):
        raise ConfigError(
            f"{int(marked.sum())} of {int(data.train.sum())} training examples count as memorised; neurons can be "
            "told apart only if there are both kinds. Change the threshold"
        )
    cached = cached_pass(model, replace(data, true_labels=data.labels, corrupted=marked))
    drop = single_effects(cached).margin_drop
    return np.asarray(drop["corrupted_as_labelled"]) - np.asarray(drop["clean"])


def precision_at(
    score: Float[np.ndarray, " example"], wrong: Bool[np.ndarray, " example"], share: float
) -> float:
    """Share of wrong labels among that share of the examples with the highest scores; in [0, 1]. nan is lowest.

    Example:
        >>> precision_at(np.array([0.9, 0.1, np.nan, 0.8]), np.array([True, False, True, False]), 0.5)
        0.5
    """
    top = np.argsort(-np.nan_to_num(score, nan=-np.inf), kind="stable")[: max(1, round(share * len(score)))]
    return float(wrong[top].mean())


def share_from(scores: Float[np.ndarray, " example"], bars: Float[np.ndarray, " bar"]) -> list[float]:
    """Share of the examples whose score is at least each bar; in [0, 1]. Those without a score are left out.

    Example:
        >>> share_from(np.array([0.2, 0.9, np.nan]), np.array([0.0, 0.5, 0.95]))
        [1.0, 0.5, 0.0]
    """
    known = scores[~np.isnan(scores)]
    return [float((known >= bar - 1e-9).mean()) for bar in bars]  # 7/10 - 2/10 is a little less than .5

"""Two sets of inputs, and sets of neurons: taken out one after another, and searched for the best trade."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.data import Dataset
from interp.errors import ConfigError
from interp.measuring.cached_pass import CachedPass
from interp.measuring.evaluation import margins

Effect = Callable[[np.ndarray], tuple[float, float]]
"""Given neurons that are taken out: how well the network does on the first set of inputs, and on the other."""


def pareto_front(points: Float[np.ndarray, "point 2"]) -> Int[np.ndarray, " best"]:
    """Points that no other beats, in the order of their first number.

    Args:
        points: What should be low (memorisation), and what should be high (quality).

    Returns:
        Indices of the points for which no other is as good in both numbers and better in one.

    Example:
        >>> pareto_front(np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.95]])).tolist()
        [0, 2]
    """
    low, high = points[:, 0], points[:, 1]
    as_good = (low[:, None] <= low) & (high[:, None] >= high)
    better = (low[:, None] < low) | (high[:, None] > high)
    kept = np.flatnonzero(~(as_good & better).any(0))
    return kept[np.lexsort((kept, low[kept]))]


@dataclass(frozen=True)
class Candidate:
    """A set of neurons that was tried.

    Attributes:
        score: What the neurons were ranked by.
        share: How large a part of the neurons of its sites was taken, the highest first.
        sites: Which sites they were taken from.
        size: How many neurons were taken out.
        first: How well the network does on the first set of inputs without them.
        other: The same for the other set.
        best: Whether no other candidate does worse on the first set and better on the other.
    """

    score: str
    share: float
    sites: tuple[int, ...]
    size: int
    first: float
    other: float
    best: bool = False


def chosen_neurons(
    score: Float[np.ndarray, " neuron"], share: float, inside: np.ndarray | None = None
) -> Int[np.ndarray, " chosen"]:
    """The highest share of the neurons, highest first; of equal ones the first.

    Args:
        score: Of each neuron; nan is lowest.
        share: How large a part to take, in [0, 1].
        inside: Mask of the neurons to take them from; all if None.
    """
    pool = np.arange(len(score)) if inside is None else np.flatnonzero(inside)
    order = np.argsort(-np.nan_to_num(score[pool], nan=-np.inf), kind="stable")
    return pool[order[: round(share * len(pool))]]


def search_sets(
    effect: Effect,
    scores: Mapping[str, np.ndarray],
    *,
    shares: Sequence[float] = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
    site: np.ndarray | None = None,
    n_candidates: int = 60,
    seed: int = 0,
) -> list[Candidate]:
    """Try sets of neurons, by score, threshold and subset of sites, and mark those that trade best.

    Args:
        effect: What the network does without some neurons.
        scores: Of each neuron, by name.
        shares: Thresholds, as shares of the neurons.
        site: Number of the site (layer) of each neuron; all are in one if None.
        n_candidates: How many combinations are drawn; all of them where there are no more.
        seed: Of the draw.

    Raises:
        ConfigError: There are no scores, or more than 10 sites.

    Example:
        >>> memory, rule = np.array([3.0, 2.0, 0.0]), np.array([0.0, 1.0, 4.0])
        >>> effect = lambda gone: (5 - memory[gone].sum(), 5 - rule[gone].sum())
        >>> candidates = search_sets(effect, {"memory": memory, "rule": rule}, shares=[0.4])
        >>> [candidate.score for candidate in candidates if candidate.best]
        ['memory']
    """
    from sklearn.model_selection import ParameterGrid, ParameterSampler

    if not scores:
        raise ConfigError("there are no scores to search by; give at least one")
    width = len(next(iter(scores.values())))
    site = np.zeros(width, int) if site is None else np.asarray(site)
    places = [int(place) for place in np.unique(site)]
    if len(places) > 10:
        raise ConfigError(f"{len(places)} sites have too many subsets; merge them to 10 or fewer")
    subsets = list(chain.from_iterable(combinations(places, n) for n in range(1, len(places) + 1)))
    grid = {"score": list(scores), "share": list(shares), "sites": subsets}
    drawn = ParameterSampler(grid, min(n_candidates, len(ParameterGrid(grid))), random_state=seed)
    tried = []
    for one in drawn:
        gone = chosen_neurons(scores[one["score"]], one["share"], np.isin(site, one["sites"]))
        first, other = effect(gone)
        tried.append(Candidate(**one, size=len(gone), first=float(first), other=float(other)))
    best = set(pareto_front(np.array([[c.first, c.other] for c in tried])).tolist())
    return [replace(c, best=i in best) for i, c in enumerate(tried)]


@dataclass(frozen=True, eq=False)
class InputSets:
    """Two sets of a task's examples, of which the first can be known from memory only.

    Attributes:
        first: Mislabelled training examples; where there are none, the training set.
        other: Held-out examples.
        split: Which split the first set is.
    """

    first: Bool[Tensor, " example"]
    other: Bool[Tensor, " example"]
    split: str


def input_sets(data: Dataset) -> InputSets:
    """The examples that a network can only remember, and those that it cannot.

    Raises:
        ConfigError: Nobody knows which examples were trained on, or all were.
    """
    if not data.split_known or not data.test.any():
        unknown = "it is not known which examples were trained on"
        missing = "no example is held out" if data.split_known else unknown
        raise ConfigError(
            f"two sets of inputs are needed, trained on and held out, but {missing}; give the split"
        )
    if data.mislabelled.any():
        return InputSets(data.mislabelled, data.test, "corrupted_as_labelled")
    return InputSets(data.train, data.test, "train")


def effect_of(cached: CachedPass, sets: InputSets) -> Effect:
    """The accuracy on both sets, as labelled, without some neurons."""

    def effect(gone: np.ndarray) -> tuple[float, float]:
        logits = cached.logits_after(torch.as_tensor(gone, device=cached.logits.device))
        right = margins(logits, cached.data.labels) > cached.tolerance
        return float(right[sets.first].double().mean()), float(right[sets.other].double().mean())

    return effect

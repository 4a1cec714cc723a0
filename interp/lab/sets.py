"""Sets of neurons that are taken out, searched for the best trade between two sets of inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations

import numpy as np
from jaxtyping import Float, Int

from interp.errors import ConfigError

Effect = Callable[[np.ndarray], tuple[float, float]]
"""Given neurons that are taken out: how well the network does on the first set of inputs, and on the other."""


def pareto_front(points: Float[np.ndarray, "point 2"]) -> Int[np.ndarray, " best"]:
    """Indices of the points that no other beats, in the order of their first number.

    The first number should be low (memorisation), the second high (quality); no other point is as good in both and
    better in one.

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
    """A set of neurons that was tried: of its sites the share that scores highest.

    Attributes:
        first, other: How well the network does on the two sets of inputs without them.
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
    """The share of the neurons (of those inside a mask) with the highest scores, highest first; nan is lowest."""
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
        scores: Of each neuron, by name.
        shares: Thresholds, as shares of the neurons.
        site: Number of the site (layer) of each neuron, of at most 10; all are in one if None.
        n_candidates: How many combinations are drawn; all of them where there are no more.

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
    tried = []
    for one in ParameterSampler(grid, min(n_candidates, len(ParameterGrid(grid))), random_state=seed):
        gone = chosen_neurons(scores[one["score"]], one["share"], np.isin(site, one["sites"]))
        first, other = effect(gone)
        tried.append(Candidate(**one, size=len(gone), first=float(first), other=float(other)))
    best = set(pareto_front(np.array([[c.first, c.other] for c in tried])).tolist())
    return [replace(c, best=i in best) for i, c in enumerate(tried)]

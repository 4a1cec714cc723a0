"""Vectors that are constant on the cosets of a subgroup (arXiv 2312.06581), against chance and against components.

Of a product a b = c three changes leave it one: a z⁻¹ · z b = c, x a · b = x c and a · b y = c y. So a neuron can leave
a subgroup H out of account in three places: between the operands, where it is constant on the left cosets a H of the
left operand and the right cosets H b of the right one; to the left, on the right cosets H a and H c of left operand
and answer; to the right, on the left cosets b H and c H.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from probes.features import PERMUTED, sampled
from probes.finite_group import FiniteGroup
from probes.isotypic import Components
from probes.permutation import tail_p_values
from probes.subgroups import Subgroups

PLACES: dict[str, tuple[tuple[int, bool], ...]] = {
    "between": ((0, True), (1, False)),
    "left": ((0, False), (2, False)),
    "right": ((1, True), (2, True)),
}
"""By place: the vectors that are constant there (left, right, output), and if on left cosets, else on right ones."""
SUMMED, MOST_ROUNDS = 3e8, 8
"""Products that random orders of the elements are added up from, and times that neurons are put in such orders."""
ROTATED, FEWEST_ROTATIONS, MOST_ROTATIONS = 7e10, 99, 399
"""Products that random rotations add up at the most, and how many of these there are."""
PURE = 1 - 1e-6
"""A larger share counts as this one."""

Vectors = Sequence[Float[np.ndarray, "neuron element"] | None]
"""Left operand, right operand and output; None for one that does not exist."""


@dataclass(frozen=True, eq=False)
class CosetScores:
    """Each neuron's best subgroup in each place, and how likely that is.

    Attributes:
        places: Those that a vector exists for, by their names in `PLACES`.
        subgroup: Its number; -1 of a neuron with a constant vector, of which nothing is known.
        strength: The evidence for it in units of a normal distribution; nan of such a neuron.
        share: Share of the vectors' variance between its cosets, mean over the vectors, in [0, 1].
        by_component: The same of random vectors in the neuron's components, the mean.
        p_value: Of shares as unlikely for their numbers of cosets in all places, with elements permuted.
        p_beyond: The same of random vectors in the neuron's components, but not below `p_value`; 1 where components
            decide, as in a group that commutes.
    """

    places: tuple[str, ...]
    subgroup: Int[np.ndarray, "place neuron"]
    strength: Float[np.ndarray, "place neuron"]
    share: Float[np.ndarray, "place neuron"]
    by_component: Float[np.ndarray, "place neuron"]
    p_value: Float[np.ndarray, " neuron"]
    p_beyond: Float[np.ndarray, " neuron"]

    @property
    def best(self) -> Int[np.ndarray, " neuron"]:
        """The place with the strongest evidence."""
        best: np.ndarray = np.nan_to_num(self.strength).argmax(0)
        return best


def coset_scores(
    vectors: Vectors, subgroups: Subgroups, components: Components, seed: int = 0
) -> CosetScores:
    """The subgroup on whose cosets each neuron is most nearly constant in each place, and two p-values of that.

    A large share is no evidence for a subgroup with many cosets, so shares are compared as F ratios, between against
    within cosets, in units of a normal distribution (Paulson 1942). The largest over subgroups, summed over places, has
    two nulls: the elements in a random order, the same for all vectors, as in random weights; and random vectors with
    the same components, the same rank in each and the same ties between vectors: in each place what a subgroup acts on
    is rotated at random (by an orthogonal element of the group's algebra). A vector in a component of a group that does
    not commute has some share in many subgroups; only beyond the second null it prefers cosets.

    Args:
        vectors: Elements in the group's order, one row a neuron.
        subgroups: Those to test, with conjugates.
        seed: Of orders and rotations.

    Raises:
        ValueError: There is no subgroup, or no vector.

    Example:
        >>> from probes.finite_group import group_of
        >>> from probes.isotypic import components_of
        >>> from probes.subgroups import subgroups_of
        >>> table = [[0, 1, 2, 3, 4, 5], [1, 2, 0, 4, 5, 3], [2, 0, 1, 5, 3, 4]]
        >>> table += [[3, 5, 4, 0, 2, 1], [4, 3, 5, 1, 0, 2], [5, 4, 3, 2, 1, 0]]
        >>> group = group_of(np.array(table))
        >>> swapped = np.array([[1.0, 0, 0, 1, 0, 0]])   # constant on the cosets of 0 and 3
        >>> scores = coset_scores([swapped, None, None], subgroups_of(group), components_of(group))
        >>> scores.places, scores.share.round(3).tolist()
        (('between', 'left'), [[1.0], [1.0]])
    """
    if not len(subgroups) or all(vector is None for vector in vectors):
        raise ValueError("there is no subgroup or no vector; expected one of each or more")
    own, averages = _correlations(vectors, subgroups.group), _averages(subgroups)
    shares = {place: one @ averages.T for place, one in own.items()}
    values = {place: _statistic(shares[place], vectors, place, subgroups) for place in own}
    live = ~np.isnan(np.stack([one[:, 0] for one in values.values()])).any(0)
    best = {place: np.nan_to_num(one).argmax(1) for place, one in values.items()}
    observed = np.where(live, _total(values), np.nan)
    permuted = _permuted_totals(vectors, subgroups, averages, seed)
    generator, rows, rotations = np.random.default_rng(seed), np.arange(len(live)), _rotations(subgroups)
    expected, totals = np.zeros((len(own), len(live))), list[np.ndarray]()
    for _ in range(rotations):
        drawn = {place: one @ _rotated(averages, components, generator).T for place, one in own.items()}
        expected += [one[rows, best[place]] / rotations for place, one in drawn.items()]
        totals.append(_total({p: _statistic(one, vectors, p, subgroups) for p, one in drawn.items()}))
    p = _p_values(observed, np.broadcast_to(permuted, (len(live), len(permuted))))
    return CosetScores(
        places=tuple(own),
        subgroup=np.where(live, np.stack(list(best.values())), -1),
        strength=np.stack([one.max(1) for one in values.values()]),
        share=np.where(live, [one[rows, best[place]] for place, one in shares.items()], np.nan),
        by_component=np.where(live, expected, np.nan),
        p_value=p,
        p_beyond=np.maximum(_p_values(observed, np.stack(totals, axis=1)), p),
    )


def _rotations(subgroups: Subgroups) -> int:
    n = len(subgroups.group)
    return int(
        np.clip(ROTATED / (len(PLACES) * n * n * (n + 2 * len(subgroups))), FEWEST_ROTATIONS, MOST_ROTATIONS)
    )


def _p_values(observed: np.ndarray, draws: np.ndarray) -> np.ndarray:
    live = ~np.isnan(observed)
    p = np.full(len(observed), np.nan)
    p[live] = np.minimum(tail_p_values(observed[live], draws[live]), 1)
    return p


def _averages(subgroups: Subgroups) -> np.ndarray:
    """Weights that sum to 1 over the elements of each subgroup, ``(subgroup, element)``."""
    averages: np.ndarray = subgroups.members / subgroups.members.sum(1, keepdims=True)
    return averages


def _correlations(vectors: Vectors, group: FiniteGroup) -> dict[str, np.ndarray]:
    """By place, products of the vectors with themselves moved by each element, ``(neuron, element)``.

    They are 1 for the identity, means over the vectors of the place; nan where one is constant. Their mean over a
    subgroup is the share between its cosets. Places without a vector are left out.
    """
    by_vector = {
        (number, on_left): _moved_products(vector.astype(np.float64), group, on_left)
        for pairs in PLACES.values()
        for number, on_left in pairs
        if (vector := vectors[number]) is not None
    }
    present = {
        place: [by_vector[one] for one in pairs if one in by_vector] for place, pairs in PLACES.items()
    }
    return {place: np.mean(some, axis=0) for place, some in present.items() if some}


def _moved_products(vectors: np.ndarray, group: FiniteGroup, on_left: bool) -> np.ndarray:
    """Products of centred vectors with themselves, each element multiplied from one side; nan for constant ones."""
    centred = vectors - vectors.mean(1, keepdims=True)
    size = np.square(centred).sum(1, keepdims=True)
    flat = size <= 1e-24 * np.square(vectors).sum(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        centred = centred / np.where(flat, np.nan, np.sqrt(size))
    moves = (
        group.table.T if on_left else group.table
    )  # row: element that moves, column: where it takes each one
    products, at_once = np.empty_like(centred), max(1, 4_000_000 // moves.size)
    for start in range(0, len(centred), at_once):
        some = centred[start : start + at_once]
        products[start : start + at_once] = np.matmul(some[:, moves], some[:, :, None])[:, :, 0]
    return products


def _statistic(shares: np.ndarray, vectors: Vectors, place: str, subgroups: Subgroups) -> np.ndarray:
    """Shares in units of a normal distribution of chance, ``(neuron, subgroup)``, rounded to 1e-6."""
    count = sum(vectors[number] is not None for number, _ in PLACES[place])
    n, cosets = len(subgroups.group), subgroups.indices
    between, within = 2 / 9 / (count * (cosets - 1)), 2 / 9 / (count * (n - cosets))
    shares = np.clip(shares, 0, PURE)
    ratio = np.cbrt(shares * between / ((1 - shares) * within))
    value = ((1 - within) * ratio - (1 - between)) / np.sqrt(between + within * np.square(ratio))
    rounded: np.ndarray = np.round(value, 6)
    return rounded


def _total(values: Mapping[str, np.ndarray]) -> np.ndarray:
    """The largest of each neuron over subgroups, summed over places; nan of one with a constant vector."""
    total: np.ndarray = np.sum([one.max(1) for one in values.values()], axis=0)
    return total


def _permuted_totals(vectors: Vectors, subgroups: Subgroups, averages: np.ndarray, seed: int) -> np.ndarray:
    """The statistic of neurons with the elements in a random order, of all neurons together."""
    n, generator, totals = len(subgroups.group), np.random.default_rng(seed), list[np.ndarray]()
    for _ in range(int(np.clip(SUMMED / (6 * PERMUTED * n * n), 1, MOST_ROUNDS))):
        orders = generator.permuted(np.tile(np.arange(n), (PERMUTED, 1)), axis=1)
        drawn = [None if one is None else np.take_along_axis(sampled(one), orders, 1) for one in vectors]
        own = _correlations(drawn, subgroups.group)
        values = {
            place: _statistic(one @ averages.T, vectors, place, subgroups) for place, one in own.items()
        }
        totals.append(_total(values))
    joined = np.concatenate(totals)
    known = joined[~np.isnan(joined)]
    return known if len(known) else np.zeros(1)


def _rotated(averages: np.ndarray, components: Components, generator: np.random.Generator) -> np.ndarray:
    """Weights whose products with the correlations of vectors are the shares of the vectors rotated at random."""
    group, basis, starts = components.group, components.basis, components.starts
    quotients = group.table[group.inverse]  # of a and b: the inverse of a times b
    moved = generator.normal(size=len(group))[quotients] @ basis
    at_identity = np.zeros(len(group))
    for a, b in pairwise(starts):
        u, _, v = np.linalg.svd(basis[:, a:b].T @ moved[:, a:b])
        at_identity += basis[:, a:b] @ (u @ (v @ basis[group.identity, a:b]))
    weights = at_identity[group.inverse]
    rotated: np.ndarray = averages @ weights[group.table[:, group.inverse]] @ weights[quotients]
    return rotated

"""Shares between cosets against plain loops, and both nulls against vectors in which there is nothing."""

import numpy as np
import pytest

from interp.data.group_tables import cyclic, direct_product, symmetric
from probes import coset_scores as cosets
from probes.coset_scores import PLACES, coset_scores
from probes.finite_group import group_of
from probes.isotypic import components_of
from probes.subgroups import subgroups_of

S4 = group_of(symmetric(4))
SUBGROUPS, COMPONENTS = subgroups_of(S4), components_of(S4)


def between_cosets(vector: np.ndarray, members: np.ndarray, on_left: bool) -> float:
    """The share of a vector's variance between the cosets a H, or H a, one coset after another."""
    centred, total, left = vector - vector.mean(), 0.0, set(range(len(vector)))
    while left:
        element = min(left)
        coset = S4.table[element, members] if on_left else S4.table[members, element]
        total += len(coset) * centred[coset].mean() ** 2
        left -= set(coset.tolist())
    return total / (centred**2).sum()


def moved(vector: np.ndarray, weights: np.ndarray, on_left: bool) -> np.ndarray:
    """The sum of a vector's translates by each element, a z or z⁻¹ a, with these weights."""
    result = np.zeros(len(vector))
    for z in range(len(vector)):
        result += weights[z] * vector[S4.table[:, z] if on_left else S4.table[S4.inverse[z]]]
    return result


def rotation(seed: int) -> np.ndarray:
    """The weights that `probes.coset_scores` draws, from the polar decomposition of the whole matrix."""
    weights = np.random.default_rng(seed).normal(size=24)
    matrix = np.stack([moved(one, weights, on_left=True) for one in np.eye(24)], axis=1)
    u, _, v = np.linalg.svd(matrix)
    return (u @ v)[:, S4.identity][S4.inverse]


def test_shares_are_those_of_plain_loops():
    vectors = list(np.random.default_rng(0).normal(size=(3, 4, 24)))
    scores = coset_scores(vectors, SUBGROUPS, COMPONENTS)
    assert scores.places == tuple(PLACES)
    for place, pairs in enumerate(PLACES.values()):
        for neuron in range(4):
            members = SUBGROUPS.members[scores.subgroup[place, neuron]]
            each = [
                between_cosets(vectors[k][neuron], np.flatnonzero(members), on_left) for k, on_left in pairs
            ]
            assert scores.share[place, neuron] == pytest.approx(np.mean(each))


@pytest.mark.parametrize("place", PLACES)
def test_rotations_keep_components_and_move_shares_as_vectors_moved(place):
    vectors, weights = list(np.random.default_rng(1).normal(size=(3, 2, 24))), rotation(5)
    changed = [one.copy() for one in vectors]
    for k, on_left in PLACES[place]:
        changed[k] = np.stack([moved(one, weights, on_left) for one in vectors[k]])
        np.testing.assert_allclose(COMPONENTS.shares(changed[k]), COMPONENTS.shares(vectors[k]), atol=1e-12)
    averages = cosets._averages(SUBGROUPS)
    rotated = cosets._rotated(averages, COMPONENTS, np.random.default_rng(5))
    expected = cosets._correlations(changed, S4)[place] @ averages.T
    np.testing.assert_allclose(cosets._correlations(vectors, S4)[place] @ rotated.T, expected, atol=1e-12)


def test_indicators_are_beyond_their_component_and_random_vectors_are_not():
    generator = np.random.default_rng(2)
    point = int(np.argmax(SUBGROUPS.indices == 4))  # permutations that leave one point where it is
    members = np.flatnonzero(SUBGROUPS.members[point])
    values = generator.normal(size=(30, 24))
    left = np.array([[one[S4.table[members, a]].mean() for a in range(24)] for one in values])  # right cosets
    output = np.array([[one[S4.table[members, c]].mean() for c in range(24)] for one in values[::-1]])
    right = np.array([[one[S4.table[b, members]].mean() for b in range(24)] for one in values])
    scores = coset_scores([left, right, output], SUBGROUPS, COMPONENTS)
    at = scores.places.index("left")
    assert (scores.share[at] > 1 - 1e-9).all()
    assert (SUBGROUPS.indices[scores.subgroup[at]] <= 4).all()
    assert (scores.by_component[at] < 0.9).all()
    assert (scores.p_value < 1e-3).all()
    assert np.median(scores.p_beyond) < 0.05
    weights = [generator.normal(size=(30, 9)) @ COMPONENTS.basis[:, -9:].T for _ in range(3)]
    random = coset_scores(weights, SUBGROUPS, COMPONENTS)
    assert (random.p_value < 0.05).mean() > 0.5  # a component of its own lies in the cosets of some subgroups
    assert (random.p_beyond < 0.05).mean() < 0.2


def test_where_elements_commute_components_decide():
    group = group_of(direct_product(cyclic(2), cyclic(6)))
    vectors = list(np.random.default_rng(3).normal(size=(2, 5, 12)))
    scores = coset_scores([*vectors, None], subgroups_of(group), components_of(group))
    np.testing.assert_allclose(scores.by_component, scores.share)
    assert (scores.p_beyond == 1).all()


def test_dead_neurons_have_no_subgroup():
    vectors = np.random.default_rng(4).normal(size=(3, 3, 24))
    vectors[:, 1] = 2.0
    scores = coset_scores(list(vectors), SUBGROUPS, COMPONENTS)
    assert scores.subgroup[:, 1].tolist() == [-1, -1, -1]
    assert np.isnan(scores.p_value).tolist() == [False, True, False]
    with pytest.raises(ValueError, match="no subgroup or no vector"):
        coset_scores([None] * 3, SUBGROUPS, COMPONENTS)


@pytest.mark.parametrize("kind", ["normal", "tied", "heavy tails"])
def test_nothing_is_found_where_nothing_is(kind):
    p = []
    for seed in range(3):
        generator = np.random.default_rng(seed)
        shape = (3, 250, 24)
        vectors = (
            generator.standard_t(2, size=shape) if kind == "heavy tails" else generator.normal(size=shape)
        )
        if kind == "tied":
            vectors[1] = vectors[0]
        scores = coset_scores(list(vectors), SUBGROUPS, COMPONENTS, seed)
        p.append(np.stack([scores.p_value, scores.p_beyond]))
    p = np.concatenate(p, axis=1)
    assert (p < 0.01).mean(1).max() <= 0.02
    assert (p[0] < 0.1).mean() > 0.07

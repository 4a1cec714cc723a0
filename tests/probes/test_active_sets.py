"""Sets of active neurons: margins that draws keep, calibrated p-values, common neurons that must be noticed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from probes.active_sets import (
    matched_overlaps,
    membership_test,
    most_active,
    overlaps,
    pairs_of,
    similarity_preservation,
    traded,
)
from probes.null import benjamini_hochberg


def rated(
    generator: np.random.Generator, examples: int = 60, neurons: int = 80, spread: float = 1.5
) -> np.ndarray:
    """Sets of independent neurons, of which some are active for almost everybody."""
    values = generator.normal(size=(examples, neurons)) + spread * generator.normal(size=neurons)
    return most_active(values, 8, generator)[0]


def test_the_largest_values_are_taken_and_ties_are_broken_at_random() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=(20, 30))
    sets, ties = most_active(values, 4, generator)
    assert ties == 0
    for row, chosen in zip(values, sets, strict=True):
        assert set(np.flatnonzero(chosen)) == set(np.argsort(-row)[:4])
    flat, ties = most_active(np.zeros((2000, 10)), 3, generator)
    assert ties == 2000
    assert (flat.sum(1) == 3).all()
    assert np.abs(flat.mean(0) - 0.3).max() < 0.05
    for wrong in (0, 30):
        with pytest.raises(ValueError, match="expected 1 to 29"):
            most_active(values, wrong, generator)
    with pytest.raises(ValueError, match="nan"):
        most_active(np.array([[np.nan, 1.0]]), 1, generator)


def test_overlaps_are_those_of_a_loop() -> None:
    sets = rated(np.random.default_rng(0), 12)
    square = overlaps(sets)
    for i in range(12):
        for j in range(12):
            assert square[i, j] == len(set(np.flatnonzero(sets[i])) & set(np.flatnonzero(sets[j])))
    assert pairs_of(square).tolist() == [square[i, j] for i in range(12) for j in range(i + 1, 12)]


def test_draws_keep_both_margins_in_every_stratum_and_mix() -> None:
    generator = np.random.default_rng(0)
    sets, stratum = rated(generator), np.repeat([0, 1, 2, 7], [30, 20, 9, 1])
    for drawn in traded(sets, stratum, 4, generator):
        assert (drawn.sum(1) == sets.sum(1)).all()
        for one in np.unique(stratum):
            assert (drawn[stratum == one].sum(0) == sets[stratum == one].sum(0)).all()
        assert (drawn != sets).any()
        assert (drawn[stratum == 7] == sets[stratum == 7]).all()


def test_draws_are_uniform_over_the_few_matrices_there_are() -> None:
    """Three rows of one neuron each out of three neurons with one row each: six permutation matrices."""
    drawn = [
        tuple(one.argmax(1).tolist())
        for one in traded(np.eye(3, dtype=bool), np.zeros(3, int), 480, np.random.default_rng(0))
    ]
    counts = np.unique(drawn, axis=0, return_counts=True)[1]
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 0.001


def test_p_values_are_uniform_where_rates_explain_everything_and_the_uniform_null_is_not() -> None:
    matched, pairs, uniform = [], [], []
    for seed in range(40):
        generator = np.random.default_rng(seed)
        sets = rated(generator, 40)
        first = np.triu_indices(20, 1)
        group = matched_overlaps(sets, {"first": first}, np.zeros(40, int), 19, generator)[0]["first"]
        matched.append(group.p_value)
        pairs.append((benjamini_hochberg(group.pair_p) <= 0.05).any())
        tail = stats.hypergeom.sf(group.observed - 1, 80, 8, 8)
        uniform.append((benjamini_hochberg(tail) <= 0.05).any())
    assert 0.2 <= np.mean(np.array(matched) <= 0.5) <= 0.8
    assert np.mean(np.array(matched) <= 0.1) <= 0.25
    assert np.mean(pairs) <= 0.15
    assert np.mean(uniform) >= 0.8


def test_neurons_that_a_group_has_in_common_are_noticed_by_both_tests() -> None:
    generator = np.random.default_rng(0)
    values, first = generator.normal(size=(60, 80)) + generator.normal(size=80), np.arange(60) < 30
    values[:30, :3] = 9.0
    values[30:, :3] = -9.0
    sets, _ = most_active(values, 8, generator)
    group = matched_overlaps(sets, {"first": np.triu_indices(30, 1)}, np.zeros(60, int), 99, generator)[0][
        "first"
    ]
    assert group.p_value == 0.01
    assert group.p_fewer == 1
    difference, p, fewer = membership_test(overlaps(sets), first, np.zeros(60, int), 199, generator)
    square = overlaps(sets)
    expected = pairs_of(square[:30, :30]).mean() - pairs_of(square[30:, 30:]).mean()
    assert difference == pytest.approx(expected)
    assert (p, fewer) == (0.005, 1)


def test_membership_is_calibrated_where_neurons_are_active_in_groups() -> None:
    """Examples of two kinds with neurons of their own, which the matched null calls too significant."""
    p_values = []
    for seed in range(100):
        generator = np.random.default_rng(seed)
        kind = generator.integers(2, size=24)
        values = generator.normal(size=(24, 30)) + 2 * (np.arange(30)[None] % 2 == kind[:, None])
        sets, _ = most_active(values, 6, generator)
        p_values.append(
            membership_test(overlaps(sets), np.arange(24) < 12, np.zeros(24, int), 49, generator)[1]
        )
    assert stats.kstest(p_values, "uniform").pvalue > 0.001
    assert np.mean(np.array(p_values) <= 0.1) <= 0.2


def test_strata_are_permuted_within() -> None:
    square = overlaps(np.eye(4, dtype=bool)[[0, 0, 1, 1]])
    only = membership_test(
        square, np.array([True, False, True, False]), np.array([0, 1, 2, 3]), 20, np.random.default_rng(0)
    )
    assert only == (0.0, 1.0, 1.0)


def test_similarity_is_spearmans_and_its_p_value_is_of_examples() -> None:
    generator = np.random.default_rng(0)
    place = generator.normal(size=(30, 2))
    near = -((place[:, None] - place) ** 2).sum(2)
    sets, _ = most_active(place @ generator.normal(size=(2, 50)), 10, generator)
    rho, p = similarity_preservation(near, overlaps(sets), 99, generator)
    assert rho == pytest.approx(stats.spearmanr(pairs_of(near), pairs_of(overlaps(sets)))[0])
    assert p == 0.01
    dealt = [
        similarity_preservation(near, overlaps(sets[generator.permutation(30)]), 39, generator)[1]
        for _ in range(60)
    ]
    assert 0.25 <= np.mean(np.array(dealt, float) <= 0.5) <= 0.75
    assert similarity_preservation(np.zeros((30, 30)), overlaps(sets), 9, generator) == (None, None)

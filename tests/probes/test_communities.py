"""Communities: affinities against loops and closed forms, nulls that are calibrated, partitions of planted graphs."""

from __future__ import annotations

import networkx
import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import adjusted_rand_score

from probes.communities import (
    affinity_of,
    agreement,
    dealt_modularity,
    link_threshold,
    linked,
    modularity,
    null_affinities,
    partition,
    permuted,
    token_grid,
)


def squared_sums(
    p: int, width: int, generator: np.random.Generator, frequency: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Activations (cos + cos)² over all pairs, or of random weights without frequencies; and phases."""
    if frequency is None:
        left, right = generator.normal(size=(2, p, width))
        phases = np.zeros((2, width))
    else:
        phases = generator.uniform(-np.pi, np.pi, (2, width))
        angle = 2 * np.pi * np.outer(np.arange(p), frequency) / p
        left, right = np.cos(angle + phases[0]), np.cos(angle + phases[1])
    return ((left[:, None] + right[None]) ** 2).reshape(p * p, width), phases


def grid(p: int) -> np.ndarray:
    return token_grid(np.argwhere(np.ones((p, p))))


def planted(sizes: list[int], noise: float, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    affinity = 0.6 * (labels[:, None] == labels) + noise * generator.random((len(labels),) * 2)
    affinity = (affinity + affinity.T) / 2
    np.fill_diagonal(affinity, 0)
    return affinity, labels


def test_affinities_are_correlations_of_pairs() -> None:
    acts = np.random.default_rng(0).normal(size=(40, 6))
    acts[:, 5] = 3.0
    acts[:, 4] = 1e6 + 2 * acts[:, 0]
    squared, rectified = affinity_of(acts), affinity_of(acts, "rectified")
    for i in range(6):
        for j in range(6):
            r = stats.pearsonr(acts[:, i], acts[:, j])[0] if i != j and 5 not in (i, j) else 0.0
            assert squared[i, j] == pytest.approx(r**2, abs=1e-9)
            assert rectified[i, j] == pytest.approx(max(r, 0), abs=1e-9)
    assert squared[0, 4] == pytest.approx(1)
    np.testing.assert_allclose(affinity_of(acts[:, :4].astype(np.float32)), squared[:4, :4], atol=1e-5)


def test_neurons_of_one_frequency_correlate_by_their_phases_and_others_not() -> None:
    frequency = np.array([3, 3, 3, 3, 5, 5, 6])
    acts, phases = squared_sums(31, 7, np.random.default_rng(1), frequency)
    for i in range(7):
        for j in range(i):
            s, t = phases[:, i] - phases[:, j]
            r = 0.8 * np.cos(s) * np.cos(t) + 0.1 * (np.cos(2 * s) + np.cos(2 * t))
            expected = r**2 if frequency[i] == frequency[j] else 0.0
            assert affinity_of(acts)[i, j] == pytest.approx(expected, abs=1e-9)
    many, _ = squared_sums(11, 400, np.random.default_rng(2), np.full(400, 2))
    assert affinity_of(many).sum() / (400 * 399) == pytest.approx(0.17, abs=0.01)


def test_squared_affinity_joins_opposite_phases_that_rectifying_parts() -> None:
    frequency = np.repeat([1, 2, 3, 4], 12)
    acts, _ = squared_sums(23, 48, np.random.default_rng(3), frequency)
    both = {kind: partition(affinity_of(acts, kind)) for kind in ("squared", "rectified")}
    assert adjusted_rand_score(frequency, both["squared"]) == 1
    assert adjusted_rand_score(frequency, both["rectified"]) < 0.9


def test_permuting_operands_keeps_what_depends_on_one_and_makes_neurons_independent() -> None:
    acts, _ = squared_sums(13, 3, np.random.default_rng(4))
    acts[:, 2] = acts[:, 1]
    moved = permuted(acts, np.random.default_rng(5), grid(13))
    for neuron in range(3):
        before, after = acts[:, neuron].reshape(13, 13), moved[:, neuron].reshape(13, 13)
        for axis in (0, 1):
            np.testing.assert_allclose(np.sort(after.mean(axis)), np.sort(before.mean(axis)))
        assert not np.array_equal(before, after)
    assert affinity_of(acts)[1, 2] == pytest.approx(1)
    assert affinity_of(moved)[1, 2] < 0.5
    rows = np.array([0, 7, 100])
    same = permuted(acts, np.random.default_rng(5), grid(13), rows)
    np.testing.assert_array_equal(same, moved[rows])
    shuffled = permuted(acts, np.random.default_rng(6))
    np.testing.assert_array_equal(np.sort(shuffled, 0), np.sort(acts, 0))


def test_a_table_of_operands_is_known_in_any_order() -> None:
    pairs = np.argwhere(np.ones((4, 3)))[::-1]
    assert token_grid(pairs).tolist() == pairs.tolist()
    assert token_grid(np.c_[pairs, np.full(12, 9)]).tolist() == np.c_[pairs, np.zeros(12, int)].tolist()
    assert token_grid(pairs[:-1]) is None
    assert token_grid(np.r_[pairs[:-1], pairs[:1]]) is None
    assert token_grid(np.ones((1, 2), int)) is None


def test_the_threshold_is_that_of_a_loop() -> None:
    generator = np.random.default_rng(7)
    for _ in range(20):
        affinity, _ = planted([3, 3, 2], 0.8, generator)
        null = np.sort(generator.random(28))[::-1]
        expected = np.inf
        for value in affinity[np.triu_indices(8, 1)]:
            links = (affinity >= value).sum() / 2
            if (1 + (null >= value).sum()) / 20 <= 0.2 * links:
                expected = min(expected, value)
        assert link_threshold(affinity, null, 19, 0.2) == expected
    assert link_threshold(np.zeros((3, 3)), np.zeros(3), 19) == np.inf


def test_networks_of_random_weights_are_linked_in_a_twentieth_of_the_cases() -> None:
    generator, any_link, n = np.random.default_rng(8), 0, 100
    for _ in range(n):
        acts, _ = squared_sums(9, 8, generator)
        null = null_affinities(acts, 19, generator, grid=grid(9))
        any_link += bool(linked(affinity_of(acts), link_threshold(affinity_of(acts), null, 19)).any())
    assert stats.binom.sf(any_link - 1, n, 0.05) > 0.01
    acts, _ = squared_sums(31, 8, generator)
    by_examples = null_affinities(acts, 9, generator)
    by_operands = null_affinities(acts, 9, generator, grid=grid(31))
    assert by_operands.mean() > 2 * by_examples.mean()  # the null of permuted examples would be too low here


def test_communities_of_a_planted_graph() -> None:
    affinity, labels = planted([5, 9, 7], 0.2, np.random.default_rng(9))
    community = partition(np.pad(affinity, (0, 1)))
    assert adjusted_rand_score(labels, community[:-1]) == 1
    assert np.bincount(community[:-1]).tolist() == [9, 7, 5]
    assert community[-1] == -1
    assert partition(np.zeros((4, 4))).tolist() == [-1] * 4


def test_modularity_is_that_of_networkx() -> None:
    generator = np.random.default_rng(10)
    affinity, _ = planted([4, 4, 4], 0.5, generator)
    affinity[0] = affinity[:, 0] = 0
    for _ in range(5):
        community = generator.integers(-1, 3, 12)
        groups = [set(np.flatnonzero(community == one).tolist()) for one in (0, 1, 2)]
        groups += [{int(i)} for i in np.flatnonzero(community == -1)]
        graph = networkx.from_numpy_array(affinity)
        assert modularity(affinity, community) == pytest.approx(
            networkx.community.modularity(graph, [group for group in groups if group])
        )


def test_dealt_affinities_are_calibrated_and_below_a_planted_graph() -> None:
    generator, p_values = np.random.default_rng(11), []
    for _ in range(40):
        affinity = np.triu(generator.random((8, 8)) * (generator.random((8, 8)) < 0.5), 1)
        affinity += affinity.T
        dealt = dealt_modularity(affinity, 9, generator)
        q = modularity(affinity, partition(affinity, int(generator.integers(999))))
        p_values.append((1 + (dealt >= q).sum()) / 10)
    assert stats.kstest(p_values, "uniform").statistic < 0.25
    affinity, _ = planted([5, 5, 5], 0.1, generator)
    kept = linked(affinity, 0.3)
    assert dealt_modularity(kept, 9, generator).max() < modularity(kept, partition(kept))
    assert len(dealt_modularity(np.zeros((3, 3)), 9, generator)) == 0


def test_agreement_is_the_adjusted_rand_index_with_an_exact_p_value() -> None:
    generator, small = np.random.default_rng(12), 0
    for _ in range(150):
        labels, community = generator.integers(1, 5, 24), generator.integers(-1, 4, 24)
        own = np.where(community < 0, 10 + np.arange(24), community)
        result = agreement(community, labels, generator, 19)
        assert result.ari == pytest.approx(adjusted_rand_score(labels, own))
        small += result.p_value <= 0.1
    assert 0.001 < stats.binom.cdf(small, 150, 0.1) < 0.999
    assert agreement(np.full(6, -1), np.array([1, 1, 2, 2, 3, 3]), generator).p_value == 1
    assert agreement(np.array([0, 0, 1, 1]), np.array([4, 4, 4, 4]), generator).ari == 0


@pytest.mark.parametrize(
    ("acts", "kind", "message"),
    [
        (np.ones((9, 2)), "cosine", "unknown affinity 'cosine'"),
        (np.ones((2, 2)), "squared", "2 examples"),
        (np.full((9, 2), np.nan), "squared", "finite"),
    ],
)
def test_wrong_input_is_refused(acts: np.ndarray, kind: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        affinity_of(acts, kind)


@pytest.mark.parametrize("tied", [False, True])
def test_neurons_of_random_weights_are_linked_no_more_often_than_the_rate(tied: bool) -> None:
    """One table for both operands makes activations symmetric, and the correlations of neurons twice as variable."""
    pairs = np.argwhere(np.ones((17, 17)))
    linked_networks = 0
    for seed in range(20):
        generator = np.random.default_rng(seed)
        left, right = generator.normal(size=(2, 17, 40))
        acts = (left[pairs[:, 0]] + (left if tied else right)[pairs[:, 1]]) ** 2
        null = null_affinities(acts, 19, generator, grid=token_grid(pairs))
        linked_networks += link_threshold(affinity_of(acts), null, 19) < np.inf
    assert linked_networks <= 4

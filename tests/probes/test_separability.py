"""The generalised discrimination value against loops over pairs, and its nulls against networks without training."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from probes.separability import (
    class_separability,
    discrimination_value,
    permuted_operands,
    shuffled,
    standardised,
)


def by_loops(acts: np.ndarray, classes: np.ndarray) -> float:
    """The definition of arXiv 1811.01753, one pair of examples at a time."""
    z = np.empty(acts.shape)
    for j in range(acts.shape[1]):
        z[:, j] = 0.5 * (acts[:, j] - acts[:, j].mean()) / acts[:, j].std()
    groups = [np.flatnonzero(classes == kind) for kind in np.unique(classes)]
    within, between = [], []
    for group in groups:
        each = [np.sqrt(((z[i] - z[j]) ** 2).sum()) for i, j in combinations(group, 2)]
        within.append(2 / (len(group) * (len(group) - 1)) * sum(each))
    for one, other in combinations(groups, 2):
        each = [np.sqrt(((z[i] - z[j]) ** 2).sum()) for i in one for j in other]
        between.append(sum(each) / (len(one) * len(other)))
    n = len(groups)
    return (sum(within) / n - 2 / (n * (n - 1)) * sum(between)) / np.sqrt(acts.shape[1])


@pytest.mark.parametrize("seed", range(4))
def test_it_is_that_of_loops_for_classes_of_any_size(seed: int) -> None:
    generator = np.random.default_rng(seed)
    classes = generator.choice(6, 60, p=[0.4, 0.2, 0.2, 0.1, 0.05, 0.05])
    classes = np.concatenate([classes, np.repeat(np.arange(6), 2)]) * 7 - 3
    acts = generator.normal(size=(len(classes), 5)) + 0.5 * generator.normal(size=(43, 5))[classes + 3]
    assert discrimination_value(acts, classes) == pytest.approx(by_loops(acts, classes), abs=1e-12)
    draws = shuffled(classes, 5, generator)
    result = class_separability(acts, classes, draws)
    np.testing.assert_allclose(result.draws, [by_loops(acts, draw) for draw in draws], atol=1e-12)
    assert result.p_value == (1 + (result.draws <= result.value).sum()) / 6


def test_distant_points_are_minus_one_and_scale_and_order_do_not_matter() -> None:
    classes = np.repeat([0, 1], 40)
    acts = np.where(classes, 1.0, -1.0)[:, None] * np.ones((1, 3))
    acts += 1e-6 * np.random.default_rng(0).normal(size=acts.shape)
    assert discrimination_value(acts, classes) == pytest.approx(-1, abs=1e-4)
    generator = np.random.default_rng(1)
    acts, other = generator.normal(size=(80, 4)), generator.permutation(80)
    expected = discrimination_value(acts, classes)
    assert discrimination_value((acts * [1, 10, 0.1, 1] + 5)[other], classes[other]) == pytest.approx(
        expected
    )


def test_silent_neurons_and_classes_of_one_example_have_no_part() -> None:
    generator = np.random.default_rng(0)
    classes, acts = generator.integers(3, size=50), generator.normal(size=(50, 4)).astype(np.float32)
    quiet = np.full((50, 2), 0.1, np.float32) * (1 + 1e-7 * generator.integers(2, size=(50, 2))).astype(
        np.float32
    )
    more = np.hstack([acts, quiet, np.zeros((50, 1), np.float32)])
    assert standardised(more)[1] == 3
    result = class_separability(more, classes)
    assert result.value == discrimination_value(acts, classes)
    assert result.n_silent == 3
    alone = class_separability(np.vstack([acts, acts[:1]]), np.append(classes, 99))
    assert (alone.value, alone.n_examples, alone.n_classes) == (discrimination_value(acts, classes), 50, 3)
    assert np.isnan(class_separability(acts, np.arange(50)).value)
    assert np.isnan(class_separability(np.ones((50, 2)), classes, shuffled(classes, 3, generator)).p_value)
    with pytest.raises(ValueError, match="NaN or infinity"):
        discrimination_value(np.full((3, 1), np.nan), np.array([0, 0, 1]))


def test_p_values_of_noise_are_uniform() -> None:
    generator, p_values = np.random.default_rng(0), []
    for _ in range(200):
        classes = generator.integers(4, size=40)
        acts = generator.normal(size=(40, 3))
        p_values.append(class_separability(acts, classes, shuffled(classes, 19, generator)).p_value)
    assert 0.01 <= np.mean(np.array(p_values) <= 0.05) <= 0.1
    assert abs(np.mean(p_values) - 0.525) < 0.08


def untrained(
    p: int, tied: bool, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of operands, squared sums of random vectors, and a + b."""
    left = generator.normal(size=(p, 12))
    right = left if tied else generator.normal(size=(p, 12))
    pairs = np.stack(np.divmod(np.arange(p * p), p), axis=1)
    return pairs, (left[pairs[:, 0]] + right[pairs[:, 1]]) ** 2, pairs.sum(1) % p


@pytest.mark.parametrize("tied", [False, True])
def test_renamed_operands_are_a_null_for_untrained_networks_where_shuffled_classes_are_none(
    tied: bool,
) -> None:
    p, by_shuffling, by_renaming = 11, [], []
    table = np.add.outer(np.arange(p), np.arange(p)) % p
    for seed in range(60):
        generator = np.random.default_rng(seed)
        pairs, acts, classes = untrained(p, tied, generator)
        by_shuffling.append(class_separability(acts, classes, shuffled(classes, 19, generator)).p_value)
        renamed = permuted_operands(table, pairs, 19, generator)
        by_renaming.append(class_separability(acts, classes, renamed).p_value)
    assert np.mean(np.array(by_renaming) <= 0.05) <= 0.12
    assert 0.4 < np.mean(by_renaming) < 0.65
    wrong = np.mean(by_shuffling)
    assert wrong < 0.2 if tied else wrong > 0.8

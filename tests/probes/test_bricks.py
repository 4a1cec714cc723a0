"""Bricks: the partition of planted activities; precision against loops."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from probes.bricks import (
    NO_BRICK,
    average_precisions,
    balanced_partition,
    own_and_others,
    own_functions,
)


def planted(noise: float = 0.3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Activities of 5 groups of 8 neurons in mixed order, and the group of each."""
    generator = np.random.default_rng(seed)
    group = generator.permutation(np.repeat(np.arange(5), 8))
    source = generator.standard_normal((300, 5))
    return source[:, group] + noise * generator.standard_normal((300, 40)), group


def test_planted_groups_are_the_partition() -> None:
    for seed in range(3):
        acts, group = planted(seed=seed)
        brick = balanced_partition(acts * 10 + 3, 5, np.random.default_rng(seed))
        assert adjusted_rand_score(group, brick) == 1
        assert np.bincount(brick).tolist() == [8] * 5


def test_sizes_are_equal_and_constant_neurons_are_in_none() -> None:
    acts = np.random.default_rng(0).standard_normal((50, 13))
    acts[:, 4] = 2.5
    brick = balanced_partition(acts, 5, np.random.default_rng(0))
    assert brick[4] == NO_BRICK
    assert sorted(np.bincount(np.delete(brick, 4)).tolist()) == [2, 2, 2, 3, 3]
    for wrong in (1, 13):
        with pytest.raises(ValueError, match="cannot be"):
            balanced_partition(acts, wrong, np.random.default_rng(0))


def test_average_precision_is_a_loop_over_ranks() -> None:
    generator = np.random.default_rng(0)
    acts, member = generator.standard_normal((60, 4)), generator.random((60, 3)) < 0.3
    member[:, 2] = True
    result = average_precisions(acts, member)
    for neuron in range(4):
        order = np.argsort(-acts[:, neuron])
        for function in range(2):
            inside = member[order, function]
            precision = [inside[: place + 1].mean() for place in range(60) if inside[place]]
            assert result[function, neuron] == pytest.approx(np.mean(precision))
    assert np.isnan(result[2]).all()


def test_own_functions_are_above_their_own_chance() -> None:
    precision = np.array([[0.62, 0.62], [0.3, 0.12]])  # the first is common: 0.6 is what chance gives
    own = own_functions(precision, np.array([0.6, 0.1]), np.array([0, 1]))
    assert own.tolist() == [1, 0]


def test_own_and_others_is_a_loop_over_bricks() -> None:
    lost = np.random.default_rng(0).random((4, 3))
    own = np.array([2, 0, 0, 1])
    mine = [lost[brick, own[brick]] for brick in range(4)]
    rest = [np.mean([lost[brick, f] for f in range(3) if f != own[brick]]) for brick in range(4)]
    assert own_and_others(lost, own) == pytest.approx((np.mean(mine), np.mean(rest)))

"""Core neurons against loops, and likeness against scipy and its null."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import spearmanr

from probes.core_neurons import (
    chance_jaccard,
    core_neurons,
    jaccard,
    matrix_agreement,
    stability,
    strongest,
)


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.3, 1.0])
def test_strongest_is_a_loop_over_examples(alpha: float) -> None:
    acts = np.random.default_rng(0).standard_normal((30, 21))
    acts[0] = -1.0
    mask = strongest(acts, alpha)
    for row, marked in zip(acts, mask, strict=True):
        positive = sorted((value for value in row if value > 0), reverse=True)
        kept = positive[: int(np.ceil(round(alpha * len(positive), 9)))]
        assert sorted(row[marked], reverse=True) == kept


def test_core_is_a_loop_over_neurons_and_ties_go_to_the_most_active() -> None:
    acts = np.random.default_rng(1).standard_normal((50, 20)) + np.linspace(0, 1, 20)
    marked = strongest(acts, 0.2)
    rank = sorted(range(20), key=lambda j: (-marked[:, j].sum(), -np.maximum(acts[:, j], 0).sum()))
    assert core_neurons(acts, 0.2, 0.4).tolist() == sorted(rank[:8])
    tied = np.array([[1.0, 2.0, 3.0, 0.0]])
    assert core_neurons(tied, 1.0, 0.5).tolist() == [1, 2]


def test_a_neuron_that_is_never_strong_is_in_no_core() -> None:
    acts = np.array([[5.0, -1.0, 0.0, -2.0]])
    assert core_neurons(acts, 0.5, 1.0).tolist() == [0]
    assert len(core_neurons(-np.abs(acts), 0.5, 1.0)) == 0


def test_shares_out_of_range_are_errors() -> None:
    acts = np.ones((2, 3))
    for alpha, beta in ((0.0, 0.4), (1.1, 0.4), (0.2, 0.0), (0.2, 1.5)):
        with pytest.raises(ValueError, match="is no share"):
            core_neurons(acts, alpha, beta)


def test_chance_is_the_mean_over_all_sets() -> None:
    first = np.arange(3)
    each = [jaccard(first, np.array(other)) for other in combinations(range(6), 2)]
    assert chance_jaccard(3, 2, 6) == pytest.approx(np.mean(each))
    assert np.isnan(chance_jaccard(0, 0, 6))
    assert np.isnan(jaccard(first[:0], first[:0]))


def test_stability_is_high_for_one_source_and_at_chance_for_two() -> None:
    generator = np.random.default_rng(0)
    scale = np.where(np.arange(40) < 16, 3.0, 0.3)
    steady = np.abs(generator.standard_normal((200, 40))) * scale
    assert stability(steady) == 1.0
    moved = np.concatenate([steady[:100], steady[100:, ::-1]])
    assert stability(moved) < 0.1
    assert np.isnan(stability(steady[:1]))


def test_agreement_is_spearman_and_its_p_value_is_calibrated() -> None:
    generator = np.random.default_rng(0)
    p_values = []
    for _ in range(60):
        tables = generator.standard_normal((2, 7, 7))
        first, second = tables + tables.transpose(0, 2, 1)
        rank, p_value = matrix_agreement(first, second, generator, draws=99)
        pairs = np.triu_indices(7, 1)
        assert rank == pytest.approx(spearmanr(first[pairs], second[pairs])[0])
        p_values.append(p_value)
    assert 0.35 < np.mean(p_values) < 0.65
    assert np.mean(np.array(p_values) <= 0.1) < 0.25
    assert np.isnan(matrix_agreement(np.ones((7, 7)), first, generator)).all()
    assert np.isnan(matrix_agreement(first[:3, :3], second[:3, :3], generator)).all()

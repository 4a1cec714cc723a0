"""Operands in random orders: the profile against loops, p-values against nulls that are not white."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from probes.orders import order_p_values, sum_profile
from probes.periodicity import ipr
from probes.spectrum import power


def test_the_profile_is_the_mean_at_each_answer() -> None:
    grid = np.random.default_rng(0).normal(size=(2, 5, 5))
    expected = [
        [np.mean([grid[n, i, j] for i in range(5) for j in range(5) if (i + j) % 5 == s]) for s in range(5)]
        for n in range(2)
    ]
    np.testing.assert_allclose(sum_profile(grid), expected)
    grid[1, 2, 3] = np.nan
    np.testing.assert_allclose(sum_profile(grid), [expected[0], [0] * 5])


def test_an_operand_may_count_for_several_positions_of_the_answer() -> None:
    grid = np.random.default_rng(0).normal(size=(2, 6, 6))
    pairs = [(i, j) for i in range(6) for j in range(6)]
    expected = np.zeros((2, 6))
    for s in range(0, 6, 2):
        expected[:, s] = np.mean([grid[:, i, j] for i, j in pairs if (2 * i + 4 * j) % 6 == s], axis=0)
    expected[:, 1::2] = grid.mean((1, 2))[:, None]  # answers that no pair has
    np.testing.assert_allclose(sum_profile(grid, (2, 4)), expected)


def test_p_values_are_uniform_for_products_of_random_vectors() -> None:
    """Their profile is a circular convolution: Fisher's test rejects such far too often."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 600, 23))
    grid = np.maximum(a[:, :, None] + b[:, None, :], 0)
    for p in order_p_values(grid, seed=3).values():
        assert kstest(p, "uniform").pvalue > 0.001
        assert (p < 0.01).mean() < 0.025


def test_a_wave_is_significant_and_nothing_is_said_of_constants_and_holes() -> None:
    n, rng = 23, np.random.default_rng(0)
    wave = np.cos(2 * np.pi * 5 * (np.arange(n)[:, None] + np.arange(n)) / n) + rng.normal(size=(n, n))
    holes = np.where(np.eye(n) > 0, np.nan, wave)
    p = order_p_values(np.stack([wave, np.ones((n, n)), holes]))
    assert p["p_value"][0] < 1e-3
    assert p["p_null"][0] < 1e-3
    assert np.isnan([values[1:] for values in p.values()]).all()


def test_draws_are_seeded() -> None:
    grid = np.random.default_rng(0).normal(size=(4, 11, 11))
    first, again, other = (order_p_values(grid, seed)["p_value"] for seed in (0, 0, 1))
    assert first.tolist() == again.tolist() != other.tolist()


@pytest.mark.parametrize("steps", [(2, 1), (2, 2)])
def test_p_values_are_uniform_where_operands_count_for_several_positions(steps: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 600, 24))
    grid = np.maximum(a[:, :, None] + b[:, None, :], 0)
    for p in order_p_values(grid, seed=3, steps=steps).values():
        assert kstest(p, "uniform").pvalue > 0.001
        assert (p < 0.01).mean() < 0.025


def test_answers_that_no_pair_has_make_no_comb() -> None:
    """Random activations are as concentrated with even steps as without."""
    grid = np.random.default_rng(0).normal(5, 1, size=(300, 30, 30))
    plain, even = (ipr(power(sum_profile(grid, steps))).mean() for steps in ((1, 1), (2, 2)))
    assert abs(even - plain) < 0.03

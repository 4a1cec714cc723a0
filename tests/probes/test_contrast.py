"""Two groups of sequences: against scipy, all permutations in a loop, and calibration where there is nothing."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import ttest_ind

from probes.contrast import floor_of, least_p_value, permuted_welch, shares, welch
from probes.null import benjamini_hochberg

RNG = np.random.default_rng(0)


def test_the_statistic_is_that_of_scipy() -> None:
    one, other = RNG.normal(size=(7, 20)), RNG.normal(1, 3, size=(11, 20))
    assert np.allclose(welch(one, other), ttest_ind(one, other, equal_var=False).statistic)


def test_a_group_of_one_has_the_spread_of_the_other() -> None:
    one, other = np.array([[3.0]]), np.array([[0.0], [2.0], [1.0]])
    assert welch(one, other)[0] == pytest.approx((3 - 1) / np.sqrt(1 / 1 + 1 / 3))
    assert np.isnan(welch(one, other[:1])).all()
    assert np.isnan(permuted_welch(one, other[:1])[1]).all()


def test_few_choices_are_all_taken() -> None:
    one, other = RNG.normal(1, 1, size=(3, 4)), RNG.normal(size=(5, 4))
    values, floor = np.concatenate([one, other]), floor_of(one, other)
    statistic, p = permuted_welch(one, other)
    every = np.array([
        welch(values[list(chosen)], np.delete(values, list(chosen), axis=0), floor)
        for chosen in combinations(range(8), 3)
    ])  # fmt: skip
    assert np.allclose(p, (every >= statistic - 1e-9).mean(0))
    assert np.allclose(statistic, welch(one, other, floor))


def test_p_values_never_fall_below_what_permutations_can_give() -> None:
    one, other = RNG.normal(50, 1, size=(10, 3)), RNG.normal(size=(10, 3))
    _, p = permuted_welch(one, other, draws=499)
    assert (p >= least_p_value(10, 10)).all()
    assert (p < 1e-3).all()


@pytest.mark.parametrize("kind", ["heavy tails", "normal"])
def test_p_values_are_calibrated_where_there_is_nothing(kind: str) -> None:
    """Of 20,000: .01 below .01 and hardly any below .0001, and no false discovery."""
    below, discoveries = np.zeros(3), 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        values = rng.standard_t(2, size=(26, 2000)) if kind == "heavy tails" else rng.normal(size=(26, 2000))
        _, p = permuted_welch(values[:8], values[8:], draws=999, tested=2000, seed=seed)
        below += np.array([(p < level).mean() for level in (0.1, 0.01, 1e-4)]) / 10
        discoveries += int((benjamini_hochberg(p) <= 0.05).sum())
    assert below[0] == pytest.approx(0.1, abs=0.01)
    assert below[1] == pytest.approx(0.01, abs=0.002)
    assert below[2] <= 2e-4
    assert discoveries <= 2


def test_only_units_that_act_are_tested_whichever_group_they_act_in() -> None:
    one, other = RNG.normal(size=(6, 50)), RNG.normal(size=(6, 50))
    one[:, 7] *= 10
    other[:, 9] *= 10
    for first, second in ((one, other), (other, one)):
        _, p = permuted_welch(first, second, tested=2)
        assert np.flatnonzero(~np.isnan(p)).tolist() == [7, 9]


def test_units_that_do_not_vary_are_not_tested() -> None:
    one, other = np.zeros((5, 3)), np.zeros((6, 3))
    one[:, 1] = other[:, 1] = 2.0
    statistic, p = permuted_welch(one, other)
    assert np.isnan(statistic).all()
    assert np.isnan(p).all()


def test_shares_have_a_root_mean_square_of_one() -> None:
    effects = RNG.normal(size=(4, 30)) * np.array([[1e-6], [1.0], [1e3], [5.0]])
    assert np.allclose(np.square(shares(effects)).mean(1), 1)

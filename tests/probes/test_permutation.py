"""Tails of draws, and traces against those of every order."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from probes.permutation import permuted_traces, tail_p_values


def test_tails_are_counted_and_fitted_beyond() -> None:
    draws = np.tile(np.random.default_rng(0).exponential(size=2000), (4, 1))
    p = tail_p_values(np.array([0.7, 3.0, 12.0, 0.0]), draws)
    np.testing.assert_allclose(p[:2], np.exp([-0.7, -3.0]), rtol=0.15)
    assert np.exp(-14) < p[2] < np.exp(-10)
    assert p[3] == 1
    assert tail_p_values(np.zeros(1), np.zeros((1, 99))).tolist() == [1.0]


def test_traces_of_tables_and_of_products_are_counted_over_all_orders() -> None:
    rng = np.random.default_rng(2)
    left, right = rng.normal(size=(2, 4, 6))
    value, p = permuted_traces(left, right, 0)
    tables = left[:, :, None] * right[:, None, :]
    np.testing.assert_allclose(permuted_traces(tables, None, 0), (value, p), rtol=1e-6)
    for n in range(4):
        traces = np.array([tables[n, range(6), list(order)].sum() for order in permutations(range(6))])
        assert value[n] == pytest.approx(np.trace(tables[n]))
        assert p[n] == pytest.approx((traces >= value[n] - 1e-9).mean())

"""Exposure: its bounds, and a p-value that is uniform for sequences like the controls."""

from __future__ import annotations

import numpy as np

from probes.exposure import exposure


def test_p_values_of_controls_are_uniform() -> None:
    generator = np.random.default_rng(0)
    p = np.array(
        [exposure(generator.normal(size=1), generator.normal(size=19)).p_value[0] for _ in range(4000)]
    )
    assert set(np.unique((p * 20).round())) <= set(range(1, 21))
    assert abs((p <= 0.05).mean() - 0.05) < 0.012
    assert abs((p <= 0.5).mean() - 0.5) < 0.03


def test_ties_never_help() -> None:
    result = exposure(np.array([1.0]), np.ones(7))
    assert result.p_value[0] == 1.0
    assert result.bits[0] == 0.0


def test_most_exposure_is_the_number_of_controls() -> None:
    assert exposure(np.array([0.0]), np.arange(1.0, 16.0)).bits[0] == 4.0


def test_without_controls_nothing_is_known() -> None:
    result = exposure(np.array([1.0, 2.0]), np.empty(0))
    assert np.isnan(result.bits).all()
    assert np.isnan(result.p_value).all()

"""Recall: Wilson's interval by its definition, and p-values calibrated for texts that vary more than tokens do."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from probes.recall import FEWEST_CONTROLS, recall_p_values, wilson


@pytest.mark.parametrize(("right", "trials"), [(0, 9), (3, 10), (40, 40)])
def test_wilson_holds_the_shares_that_a_score_test_keeps(right: int, trials: int) -> None:
    interval = wilson(np.array([right]), np.array([trials]))
    z = stats.norm.ppf(0.975)
    for end in (interval.low[0], interval.high[0]):
        deviation = abs(right / trials - end)
        if 1e-9 < end < 1 - 1e-9:
            assert deviation / np.sqrt(end * (1 - end) / trials) == pytest.approx(z)
        else:
            assert deviation == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("spread", "controls"), [(0.0, 6), (0.1, 15), (0.2, 6), (0.2, 15)])
def test_unseen_texts_are_rarely_above_the_controls(spread: float, controls: int) -> None:
    """Texts whose own share of right tokens varies, as easy and hard ones do."""
    generator, p_values = np.random.default_rng(1), []
    for _ in range(1000):
        trials = generator.integers(20, 50, controls + 1)
        share = np.clip(generator.normal(0.25, spread, controls + 1), 0.02, 0.98)
        right = generator.binomial(trials, share)
        p_values.append(recall_p_values(right, trials, np.arange(1, controls + 1))[0])
    below = float((np.array(p_values) < 0.05).mean())
    assert below < 0.06
    assert below > 0.005


def test_a_control_is_compared_with_the_others_alone() -> None:
    right, trials = np.array([20, 5, 4, 6, 5, 4]), np.full(6, 20)
    alone = recall_p_values(right, trials, np.arange(6))
    assert alone[0] < 1e-3
    assert (alone[1:] > 0.05).all()


def test_too_few_controls_decide_nothing() -> None:
    right, trials = np.array([20] + [5] * (FEWEST_CONTROLS - 1)), np.full(FEWEST_CONTROLS, 20)
    assert np.isnan(recall_p_values(right, trials, np.arange(1, FEWEST_CONTROLS))).all()


def test_nothing_to_recall_has_no_p_value() -> None:
    right, trials = np.array([0, 1, 1, 1, 1, 1, 1]), np.array([0, 9, 9, 9, 9, 9, 9])
    assert np.isnan(recall_p_values(right, trials, np.arange(1, 7))[0])

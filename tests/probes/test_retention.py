"""Forgetting curves: against loops, and fits against `numpy.polyfit` and planted decays."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import curve_fit

from probes.retention import (
    acquisition,
    decay,
    explained,
    line_by_log_time,
    retainability,
    rival_fits,
    since_peak,
)

STEPS = np.array([0, 3, 7, 12, 20, 45, 90, 200])


def random_values(seed: int = 0, n: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).normal(-3, 1, (n, len(STEPS)))


def test_the_jump_is_that_of_a_loop() -> None:
    values, before = random_values(), np.linspace(-5, -4, 6)
    injected = np.array([0, 3, 4, 20, 21, 300])
    jump = acquisition(STEPS, values, before, injected, window=30)
    for fact in range(6):
        inside = [j for j, step in enumerate(STEPS) if injected[fact] <= step <= injected[fact] + 30]
        inside = inside or [j for j, step in enumerate(STEPS) if step >= injected[fact]][:1]
        if not inside:
            assert jump.peak[fact] == -1
            assert np.isnan(jump.effectivity[fact])
            continue
        best = max(inside, key=lambda j: values[fact, j])
        assert jump.peak[fact] == best
        assert jump.effectivity[fact] == values[fact, best] - before[fact]


def test_what_is_left_is_one_at_the_maximum_and_none_before() -> None:
    values, before = random_values(), np.full(6, -9.0)
    jump = acquisition(STEPS, values, before, np.zeros(6, dtype=int), window=300)
    left = retainability(values, before, jump.effectivity)
    assert np.allclose(left[np.arange(6), jump.peak], 1)
    assert np.allclose(retainability(before[:, None], before, jump.effectivity), 0)
    assert np.isnan(retainability(values, before, np.zeros(6))).all()


def test_times_are_counted_from_each_maximum() -> None:
    values = random_values()
    peak = np.array([0, 1, 2, 3, -1, 7])
    times = np.array([1.0, 4.0, 40.0])
    shown = since_peak(STEPS, values, peak, times)
    for fact in range(6):
        for place, time in enumerate(times):
            after = STEPS[peak[fact] + 1 :] - STEPS[peak[fact]] if peak[fact] >= 0 else STEPS[:0]
            if not len(after) or time > after[-1]:
                assert np.isnan(shown[fact, place])
                continue
            own = values[fact, peak[fact] :]
            if time < after[0]:
                expected = np.interp(time, [0, after[0]], own[:2])
            else:
                expected = np.interp(np.log(time), np.log(after), own[1:])
            assert shown[fact, place] == pytest.approx(expected)


def test_the_line_is_that_of_polyfit_and_its_interval_covers_the_planted_slope() -> None:
    times, covered = np.geomspace(1, 1000, 12), 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        jump = generator.uniform(1, 3, 20)
        slopes = generator.normal(-0.12, 0.03, 20)
        gains = jump[:, None] * (1 + slopes[:, None] * np.log(times)) + generator.normal(0, 0.05, (20, 12))
        fit = decay(times, gains, jump, generator, draws=300)
        assert fit is not None
        slope, level = np.polyfit(np.log(times), gains.mean(0) / jump.mean(), 1)
        assert fit.slope == pytest.approx(slope)
        assert fit.life == pytest.approx(-level / slope / np.log(10))
        assert fit.r2 == pytest.approx(explained(gains.mean(0) / jump.mean(), level + slope * np.log(times)))
        assert fit.life_low <= fit.life <= fit.life_high
        covered += fit.slope_low <= -0.12 <= fit.slope_high
    assert covered >= 33


def test_without_forgetting_no_slope_and_no_life_is_claimed() -> None:
    generator, times = np.random.default_rng(0), np.geomspace(1, 1000, 12)
    gains = 2 + generator.normal(0, 0.3, (30, 12))
    fit = decay(times, gains, np.full(30, 2.0), generator)
    assert fit is not None
    assert fit.slope_low <= 0 <= fit.slope_high
    assert fit.life_high == np.inf
    assert decay(times[:3], gains[:, :3], np.full(30, 2.0), generator) is None
    assert decay(times, gains, np.full(30, -2.0), generator) is None


@pytest.mark.parametrize("name", ["linear", "exponential", "power"])
def test_each_rival_explains_its_own_curve_and_no_less_than_a_search(name: str) -> None:
    times = np.geomspace(1, 500, 10)
    curves = {
        "linear": lambda t, a, b: a - b * t,
        "exponential": lambda t, a, b: a * np.exp(-b * t),
        "power": lambda t, a, b: a * t**-b,
    }
    rate = {"linear": 1e-3, "exponential": 0.01, "power": 0.3}[name]
    values = curves[name](times, 0.9, rate)
    assert rival_fits(times, values)[name] > 0.9995
    noisy = values + np.random.default_rng(1).normal(0, 0.05, 10)
    best, _ = curve_fit(curves[name], times, noisy, p0=(0.9, rate))
    assert rival_fits(times, noisy)[name] == pytest.approx(
        explained(noisy, curves[name](times, *best)), abs=2e-3
    )


def test_the_line_of_one_fact_has_students_interval() -> None:
    from scipy import stats

    times = np.geomspace(1, 300, 9)
    left = 1 - 0.1 * np.log(times) + np.random.default_rng(2).normal(0, 0.05, 9)
    line = line_by_log_time(times, left)
    expected = stats.linregress(np.log(times), left)
    half = stats.t.ppf(0.975, 7) * expected.stderr
    assert line.slope == pytest.approx(expected.slope)
    assert (line.low, line.high) == pytest.approx((expected.slope - half, expected.slope + half))
    assert line.r2 == pytest.approx(expected.rvalue**2)
    assert np.isnan(line_by_log_time(times[:3], left[:3]).slope)

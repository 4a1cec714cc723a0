"""Scores along time against loops, against processes of known timescale, and their errors where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from probes.timescales import SHORTEST, autocorrelation, rhythm, time_scores, timescales


def first_order(
    n: int, steps: int, width: int, a: float, generator: np.random.Generator, start: int = 100
) -> np.ndarray:
    """Stationary noise of first order, ``(n, steps, width)``."""
    value, values = np.zeros((n, width)), []
    for step in range(start + steps):
        value = a * value + generator.standard_normal((n, width))
        if step >= start:
            values.append(value)
    return np.stack(values, 1)


def test_autocorrelation_is_that_of_a_loop() -> None:
    acts = np.random.default_rng(0).standard_normal((7, 11, 3)).cumsum(1)
    expected = np.zeros((3, 6))
    for neuron in range(3):
        for lag in range(6):
            total = 0.0
            for example in range(7):
                for step in range(11 - lag):
                    pair = acts[:, [step, step + lag], neuron]
                    pair = pair - pair.mean(0)
                    total += pair[example, 0] * pair[example, 1]
            expected[neuron, lag] = total / 6 / (11 - lag)
    np.testing.assert_allclose(autocorrelation(acts), expected / expected[:, :1], atol=1e-12)


def test_one_example_is_centred_over_time() -> None:
    acts = np.random.default_rng(0).standard_normal((1, 12, 2))
    centred = acts[0] - acts[0].mean(0)
    expected = [(centred[: 12 - lag] * centred[lag:]).sum(0) / (12 - lag) for lag in range(7)]
    np.testing.assert_allclose(autocorrelation(acts), (np.array(expected) / expected[0]).T, atol=1e-12)


@pytest.mark.parametrize("tau", [0.7, 2.0, 6.0, 15.0])
def test_the_timescale_of_a_known_process(tau: float) -> None:
    acts = first_order(300, 40, 20, np.exp(-1 / tau), np.random.default_rng(1))
    assert np.median(timescales(acts)) == pytest.approx(tau, rel=0.06)
    shared = acts + 5 * np.random.default_rng(2).standard_normal((1, 40, 1))  # a time course of all examples
    np.testing.assert_allclose(timescales(shared), timescales(acts), rtol=1e-6)


def test_exact_exponentials_are_fitted_between_the_candidates() -> None:
    """Two states that are mixed so that the correlation at lag k is exp(-k / tau), for all draws."""
    steps, tau = 16, np.array([1.5, 4.0, 9.0])
    distance = np.abs(np.subtract.outer(np.arange(steps), np.arange(steps)))
    draws = np.linalg.qr(np.random.default_rng(0).standard_normal((40, steps + 1)) * [1e-9] + 1)[0][:, 1:]
    acts = np.stack([draws @ np.linalg.cholesky(np.exp(-distance / one)).T for one in tau], -1)
    np.testing.assert_allclose(timescales(acts), tau, rtol=1e-3)


def test_the_timescale_is_unknown_where_it_cannot_be_tested() -> None:
    generator = np.random.default_rng(0)
    noise = generator.standard_normal((50, 20, 4))
    noise[..., 1] = 3.0
    noise[..., 2] = noise[:, :1, 2]  # never changes: longer than the record
    noise[0, 0, 3] = np.nan
    tau = timescales(noise)
    assert tau[0] < 1
    assert tau[0] >= SHORTEST * 0.9
    assert np.isnan(tau[1:]).all()
    for short in (noise[:, :7], noise[:4]):
        assert all(np.isnan(values).all() for values in time_scores(short).values())
    assert np.isnan(rhythm(noise).p_value).tolist() == [False, True, True, True]


def test_rhythm_is_that_of_a_loop() -> None:
    acts = first_order(12, 21, 3, 0.6, np.random.default_rng(0))
    result = rhythm(acts)
    n, m = 20, 9
    cosine = np.cos(2 * np.pi * np.arange(1, m + 1) / n)
    for neuron in range(3):

        def powers(a: float, neuron: int = neuron) -> tuple[np.ndarray, np.ndarray]:
            residual = acts[:, 1:, neuron] - a * acts[:, :-1, neuron]
            basis = np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(1, m + 1)) / n)
            transformed = residual @ basis
            return (np.abs(transformed) ** 2).mean(0), transformed.mean(0)

        coarse = np.linspace(-0.99, 0.99, 401)
        best = coarse[int(np.abs([np.cov(powers(a)[0], cosine)[0, 1] for a in coarse]).argmin())]
        fine = np.linspace(best - 0.01, best + 0.01, 401)
        a = fine[int(np.abs([np.cov(powers(one)[0], cosine)[0, 1] for one in fine]).argmin())]
        power, mean = powers(a)
        share = power / power.sum()
        independent = np.clip(np.log(2) / np.median(np.abs(mean) ** 2 / power), 1, 12)
        p = min(1.0, m * stats.beta.sf(share.max(), independent, independent * (m - 1)))
        assert result.ipr[neuron] == pytest.approx((share**2).sum(), rel=1e-3)
        assert result.frequency[neuron] == pytest.approx((share.argmax() + 1) / n)
        assert result.p_value[neuron] == pytest.approx(p, rel=0.02)


@pytest.mark.parametrize("a", [-0.5, 0.0, 0.6, 0.9])
@pytest.mark.parametrize(("n", "steps"), [(1, 120), (20, 12), (40, 26)])
def test_noise_of_first_order_is_rarely_called_a_rhythm(a: float, n: int, steps: int) -> None:
    p = rhythm(first_order(n, steps, 1000, a, np.random.default_rng(3))).p_value
    for level in (0.05, 0.01):
        assert (p < level).mean() <= level + 3 * np.sqrt(level / len(p))
    assert (p < 0.2).mean() > 0.05  # and the test has not lost its power


def test_white_noise_would_be_the_wrong_null() -> None:
    """Slow units have all their power at low frequencies, which a test against white noise calls a rhythm."""
    acts = first_order(1, 120, 300, 0.9, np.random.default_rng(3))[0].T
    power = np.abs(np.fft.rfft(acts)[:, 1:60]) ** 2
    share = (power / power.sum(1, keepdims=True)).max(1)
    assert (59 * (1 - share) ** 58 < 0.01).mean() > 0.5


def test_examples_that_share_a_time_course_count_once() -> None:
    shared = np.repeat(first_order(1, 40, 1000, 0.7, np.random.default_rng(4)), 30, 0)
    assert (rhythm(shared).p_value < 0.01).mean() <= 0.02


@pytest.mark.parametrize("cycles", [2, 5, 14])
def test_a_rhythm_of_any_phase_is_seen(cycles: int) -> None:
    generator = np.random.default_rng(5)
    phases = 2 * np.pi * (cycles / 40 * np.arange(41)[:, None] + generator.random((25, 1, 50)))
    acts = np.cos(phases) + generator.standard_normal((25, 41, 50))
    result = rhythm(acts)
    assert (result.p_value < 0.01).all()
    assert np.median(result.frequency) == pytest.approx(cycles / 40)
    assert rhythm(np.cos(phases)).ipr.min() > 0.99
    assert rhythm(generator.standard_normal((25, 41, 50))).ipr.max() < 0.1

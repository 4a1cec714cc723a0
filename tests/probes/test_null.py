"""Null distributions against exact arithmetic, direct simulation and uniformity."""

from decimal import Decimal, localcontext
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.special import gammaincc
from scipy.stats import false_discovery_control

from probes.features import _fisher_g, _spectrum, _tail, joint_scores
from probes.null import (
    benjamini_hochberg,
    combine,
    fisher_tail,
    null_p_values,
    null_scores,
    quick_fisher_tail,
    stretched,
)
from probes.periodicity import ipr, peak_share
from probes.spectrum import Convention, power

P_VALUES = arrays(np.float64, st.integers(1, 20), elements=st.floats(0, 1) | st.just(np.nan))


def g_test(x: np.ndarray) -> np.ndarray:
    """The p-value of each vector alone."""
    rows = x.reshape(-1, x.shape[-1]).astype(np.float64)
    return _tail(_fisher_g(_spectrum(rows).share, x.shape[-1]), x.shape[-1]).reshape(x.shape[:-1])


def exact_tail(g: float, m: int) -> float:
    """Fisher's sum with 500 digits, more than its terms can cancel."""
    with localcontext(prec=500):
        share, total = Decimal(g), Decimal(0)
        for j in range(1, m + 1):
            if j * share >= 1:
                break
            total += (-1) ** (j - 1) * comb(m, j) * (1 - j * share) ** (m - 1)
        return float(total)


def vector_with_g(g: float, m: int) -> np.ndarray:
    """A vector of 2m+1 positions whose largest ordinate has the share g, and the others equal ones."""
    amplitude = np.sqrt(np.r_[g, np.full(m - 1, (1 - g) / max(m - 1, 1))])
    return np.fft.irfft(np.r_[0, amplitude], 2 * m + 1)


@pytest.mark.parametrize("m", [2, 3, 5, 24, 48, 200, 1000])
def test_g_test_equals_exact_arithmetic(m):
    typical = np.log(m + 1) / m * np.array([0.6, 0.8, 1, 1.3, 2])
    for g in [1.001 / m, 1.5 / m, *typical, 0.3, 0.5, 0.9]:
        if not 1 / m < g < 1:
            continue
        x = vector_with_g(g, m)
        reached, p = float(peak_share(power(x)[..., :m])), float(g_test(x))
        expected = exact_tail(reached, m)
        assert p == pytest.approx(expected, abs=1e-6)
        if 1e-250 < expected < 0.1:
            assert p == pytest.approx(expected, rel=1e-9)


def test_g_test_keeps_its_tail():
    assert 1e-62 < g_test(vector_with_g(0.95, 48)) < 1e-58
    assert g_test(np.cos(2 * np.pi * 3 * np.arange(97) / 97)) == 0
    assert g_test(vector_with_g(1 / 48 + 1e-9, 48)) == pytest.approx(1)


def test_g_test_of_the_shortest_vectors():
    x = np.random.default_rng(0).normal(size=(3, 6))
    assert [np.isnan(g_test(x[:, :n])).all() for n in (1, 2)] == [True, True]
    assert [g_test(x[:, :n]).tolist() for n in (3, 4)] == [[1, 1, 1]] * 2
    assert (g_test(x[:, :5]) < 1).all()


@pytest.mark.parametrize("n", [5, 12, 96, 97])
def test_g_test_is_uniform_for_noise(n):
    p = g_test(np.random.default_rng(n).normal(3, 0.1, (3000, n)))
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert stats.kstest(combine(p.reshape(-1, 3)), "uniform").pvalue > 0.01


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_g_test_of_dead_neurons(dtype):
    x = np.random.default_rng(0).normal(size=(3, 97)).astype(dtype)
    x[1], x[2] = 0, 0.1
    p = g_test(x)
    assert p.dtype == np.float64
    assert np.isnan(p).tolist() == [False, True, True]
    assert np.isnan(combine(np.stack([p, p], 1))).tolist() == [False, True, True]


def test_g_test_leaves_nyquist_out():
    x = np.random.default_rng(0).normal(size=(4, 10))
    interior = np.abs(np.fft.rfft(x))[:, 1:5] ** 2
    np.testing.assert_allclose(g_test(x), fisher_tail(interior.max(1) / interior.sum(1), 4))


@given(arrays(np.float64, (3, 4), elements=st.floats(1e-300, 1) | st.just(np.nan)))
def test_combine_equals_scipy(p):
    for row, value in zip(p, combine(p), strict=True):
        live = row[~np.isnan(row)]
        expected = stats.combine_pvalues(live).pvalue if len(live) else np.nan
        assert value == pytest.approx(expected, rel=1e-6, nan_ok=True)


def test_combine_of_a_certain_neuron():
    assert combine(np.array([[0.0, 0.5], [0.0, np.nan]])).tolist() == [0, 0]


def test_null_of_the_paper():
    null = null_scores((97, 97, 97), Convention(constant="keep"), 100_000)
    assert null.mean() == pytest.approx(0.040, abs=0.0006)
    assert 0.054 < np.quantile(null, 0.999) < 0.058


@pytest.mark.parametrize("sided", ["one", "two"])
@pytest.mark.parametrize("constant", ["drop", "keep"])
@pytest.mark.parametrize("lengths", [(31,), (12, 13)])
def test_null_agrees_with_transformed_noise(sided, constant, lengths):
    convention, generator = Convention(sided, constant, 3.0), np.random.default_rng(1)
    direct = np.mean([ipr(power(generator.normal(size=(4000, n)), convention), 3.0) for n in lengths], axis=0)
    assert stats.ks_2samp(null_scores(lengths, convention, 4000), direct).pvalue > 0.01


def test_null_scores_are_sorted_repeatable_and_read_only():
    null = null_scores((11, 11), n_draws=300, seed=4)
    assert null is null_scores((11, 11), n_draws=300, seed=4)
    assert (np.diff(null) >= 0).all()
    assert not np.array_equal(null, null_scores((11, 11), n_draws=300, seed=5))
    with pytest.raises(ValueError, match="read-only"):
        null[0] = 0
    assert null_scores((2,), n_draws=3).tolist() == [1, 1, 1]


def test_large_nulls_are_drawn_in_chunks(monkeypatch):
    monkeypatch.setattr("probes.null.CHUNK", 1000)
    null = null_scores((31,), n_draws=2001, seed=77)
    assert len(null) == 2001
    assert null.min() > 0
    assert null.mean() == pytest.approx(2 / 16, abs=0.005)


@given(arrays(np.float64, 8, elements=st.floats(0, 1) | st.just(np.nan)))
def test_null_p_values_count(scores):
    null = np.sort(np.r_[np.random.default_rng(0).random(50), 0.0, 1.0, 0.5, 0.5])
    p = null_p_values(scores, null)
    for score, value in zip(scores, p, strict=True):
        expected = (1 + sum(n >= score for n in null)) / 55
        assert np.isnan(value) if np.isnan(score) else value == pytest.approx(expected)


@given(P_VALUES)
def test_q_values_are_those_of_the_definition(p):
    q, live = benjamini_hochberg(p), p[~np.isnan(p)]
    for value, own in zip(q, p, strict=True):
        if np.isnan(own):
            assert np.isnan(value)
            continue
        expected = min(1, *(len(live) * x / (live <= x).sum() for x in live if x >= own), 1)
        assert value == pytest.approx(expected)


def test_bad_arguments_are_named():
    for arguments, message in [
        (((),), r"n_positions=\(\)"),
        (((97, 1),), r"n_positions=\(97, 1\)"),
        (((97,), Convention(), 0), "n_draws=0"),
        (((97,), Convention(), 5, -1), "seed=-1"),
    ]:
        with pytest.raises(ValueError, match=message):
            null_scores(*arguments)


@pytest.mark.parametrize("m", [1, 2, 5, 12, 48])
def test_fishers_tail_is_his_sum(m):
    g = np.array([0.9, 1 / m, 1.0, 0.5, 0.3, (1 + 1 / m) / 2])
    g = g[g >= 1 / m]
    exact = []
    for value in map(Fraction, g):
        terms = [(-1) ** (j - 1) * comb(m, j) * max(1 - j * value, 0) ** (m - 1) for j in range(1, m + 1)]
        exact.append(
            float(min(max(sum(t for j, t in enumerate(terms, 1) if j * value < 1), 0), 1)) if m > 1 else 1.0
        )
    assert fisher_tail(g, m)[g < 1] == pytest.approx(np.array(exact)[g < 1], rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("m", [1, 3, 4, 30, 48, 128, 300])
def test_the_quick_tail_is_the_tail(m):
    g = np.random.default_rng(m).uniform(1 / m, 1, 5000)
    exact = fisher_tail(g, m)
    assert quick_fisher_tail(g, m) == pytest.approx(exact, rel=1e-6, abs=1e-300)


def test_combined_p_values_are_a_chi_squares_tail():
    p = np.random.default_rng(0).uniform(size=(200, 4)) ** 5
    p[::3, 1] = np.nan
    p[5] = [0.0, 1e-300, 1e-300, 1e-300]
    p[6] = np.nan
    k, statistic = (~np.isnan(p)).sum(1), -np.nansum(np.log(np.maximum(p, 1e-320)), axis=1)
    expected = np.where(k > 0, gammaincc(np.maximum(k, 1), statistic), np.nan)
    assert combine(p) == pytest.approx(expected, rel=1e-9, abs=1e-300, nan_ok=True)


def test_q_values_are_scipys():
    p = np.random.default_rng(1).uniform(size=300) ** 2
    p[::7] = np.nan
    live = ~np.isnan(p)
    expected = np.full(300, np.nan)
    expected[live] = false_discovery_control(p[live])
    assert benjamini_hochberg(p) == pytest.approx(expected, rel=1e-12, nan_ok=True)
    assert len(benjamini_hochberg(np.array([]))) == 0
    with pytest.raises(ValueError, match="expected 0 to 1"):
        benjamini_hochberg(np.array([0.5, 1.5]))


def test_weights_of_two_values_are_tested_against_their_own_permutations():
    """Fisher's test alone rejects them twice as often as it says."""
    rng = np.random.default_rng(0)
    p, plain = [], []
    for _ in range(30):
        vectors = [rng.choice([-1.0, 1.0], (128, 23)) + 0.1 * rng.normal(size=(128, 23)) for _ in range(3)]
        p.append(joint_scores(vectors)["p_value"])
        plain.append(combine(np.stack([g_test(v) for v in vectors], 1)))
    assert (np.concatenate(plain) < 0.01).mean() > 0.02
    assert 0.005 < (np.concatenate(p) < 0.01).mean() < 0.0155
    assert np.median(p) == pytest.approx(0.5, abs=0.04)


def test_p_values_are_never_made_smaller():
    p = np.array([1e-6, 0.2, 1.0, np.nan])
    assert stretched(p, np.linspace(0.5, 1, 50)).tolist()[:3] == p.tolist()[:3]
    assert (stretched(p, np.linspace(0.001, 0.3, 50))[:2] > p[:2]).all()

"""Spectrum scores against plain loops and closed forms, and the contract that every score keeps."""

from math import isnan, log, pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from probes.periodicity import entropy, gini, harmonic_share, ipr, peak_share, phase_residual
from probes.spectrum import Convention, power


def first_harmonic_share(spectrum: np.ndarray) -> np.ndarray:
    """`harmonic_share` of an odd number of positions, without the fundamental."""
    return harmonic_share(spectrum, 2 * spectrum.shape[-1] + 1)[0]


SCORES = {
    "ipr": ipr,
    "ipr_3": lambda spectrum: ipr(spectrum, 3.0),
    "gini": gini,
    "peak_share": peak_share,
    "entropy": entropy,
    "harmonic_share": first_harmonic_share,
}
"""Every score ``(..., freq) -> (...)``: add one here and the contract below covers it."""

POWERS = arrays(np.float64, st.integers(1, 30), elements=st.just(0.0) | st.floats(1e-3, 1e3))
score = pytest.mark.parametrize("score", SCORES.values(), ids=SCORES)


@score
@given(spectrum=POWERS, scale=st.floats(1e-6, 1e6))
def test_scores_have_a_range_and_no_scale(score, spectrum, scale):
    value = float(score(spectrum))
    if not spectrum.any():
        assert isnan(value)
        return
    assert 0 <= value <= 1 + 1e-12
    assert float(score(scale * spectrum)) == pytest.approx(value, abs=1e-9)


@score
@given(shift=st.integers(0, 30))
def test_scores_ignore_where_a_vector_starts(score, shift):
    x = np.random.default_rng(0).normal(size=(4, 31))
    np.testing.assert_allclose(score(power(np.roll(x, shift, -1))), score(power(x)), atol=1e-9)
    np.testing.assert_allclose(score(power(-3 * x + shift)), score(power(x)), atol=1e-9)


@score
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dead_neurons_are_nan_and_leave_the_others_alone(score, dtype):
    x = np.random.default_rng(0).normal(size=(3, 97)).astype(dtype)
    alone = score(power(x[[0, 2]]))
    x[1] = 0
    values = score(power(x))
    assert values.dtype == dtype
    assert np.isnan(values[1])
    np.testing.assert_array_equal(values[[0, 2]], alone)
    np.testing.assert_allclose(values[[0, 2]], score(power(x[[0, 2]].astype(np.float64))), rtol=1e-4)


@score
def test_shapes(score):
    spectrum = power(np.random.default_rng(0).normal(size=(2, 3, 11)))
    for part in (spectrum, spectrum[0], spectrum[0, 0], spectrum[:0]):
        assert score(part).shape == part.shape[:-1]
    np.testing.assert_allclose(score(spectrum)[1, 2], score(spectrum[1, 2]))
    assert np.isnan(score(np.empty((2, 0)))).all()
    assert np.isnan(score(np.full((2, 4), np.nan))).all()


@given(POWERS.filter(np.any))
def test_scores_equal_plain_loops(spectrum):
    values = spectrum.tolist()
    m, total = len(values), sum(values)
    assert ipr(spectrum, 2.5) == pytest.approx(sum(v**2.5 for v in values) / total**2.5)
    assert peak_share(spectrum) == pytest.approx(max(values) / total)
    pairs = sum(abs(a - b) for a in values for b in values)
    assert gini(spectrum) == pytest.approx(pairs / (2 * m * total), abs=1e-12)
    surprise = -sum(v / total * log(v / total) for v in values if v)
    assert entropy(spectrum) == pytest.approx(surprise / log(m) if m > 1 else 0, abs=1e-12)


def test_known_spectra():
    i = np.arange(96)
    cosine, constant = np.cos(2 * np.pi * 5 * i / 96), np.ones(96)
    assert ipr(power(cosine)) == pytest.approx(1)
    assert ipr(power(cosine, Convention("two"))) == pytest.approx(0.5)
    assert ipr(power(constant, Convention(constant="keep"))) == pytest.approx(1)
    assert np.isnan(ipr(power(constant)))
    square = np.where((i % 24) < 12, 1.0, -1.0)
    assert ipr(power(square)) == pytest.approx(2 / 3, abs=0.02)
    flat = np.ones(7)
    assert [float(s(flat)) for s in (ipr, gini, peak_share, entropy)] == pytest.approx([1 / 7, 0, 1 / 7, 1])
    with pytest.raises(ValueError, match=r"r=1.0"):
        ipr(flat, 1.0)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 12, 31, 96, 97])
@pytest.mark.parametrize("n_harmonics", [1, 3, 5])
def test_harmonic_share_equals_a_loop_over_fundamentals(n, n_harmonics):
    spectrum = np.random.default_rng(n).random((4, n // 2))
    share, fundamental = harmonic_share(spectrum, n, n_harmonics)
    for row, value, found in zip(spectrum, share, fundamental, strict=True):
        sums = {}
        for k in range(1, n // 2 + 1):
            multiples = {min(j * k % n, -j * k % n) for j in range(1, n_harmonics + 1)} - {0}
            sums[k] = sum(row[h - 1] for h in multiples) / row.sum()
        best = max(sums.values())
        near = [k for k in sums if sums[k] >= 0.95 * best]
        assert value == pytest.approx(best)
        assert found == max(near, key=lambda k: row[k - 1])


@pytest.mark.parametrize("k", [1, 7, 48])
def test_fundamental_of_a_cosine_and_of_a_rectified_one(k):
    wave = np.cos(2 * np.pi * k * np.arange(97) / 97 + 0.3)
    noisy = wave + 0.2 * np.random.default_rng(k).normal(size=97)
    for x in (wave, noisy, np.maximum(wave, 0), np.sign(wave)):
        share, fundamental = harmonic_share(power(x), 97)
        assert fundamental == k
        assert share > 0.9


def test_harmonic_share_names_a_wrong_length():
    with pytest.raises(ValueError, match="3 columns; n=9 positions have 4"):
        harmonic_share(np.ones(3), 9)
    with pytest.raises(ValueError, match="n_harmonics=0"):
        harmonic_share(np.ones(4), 9, 0)
    share, fundamental = harmonic_share(np.empty((2, 0)), 1)
    assert np.isnan(share).all()
    assert fundamental.tolist() == [0, 0]
    assert harmonic_share(np.zeros((1, 4)), 9)[1].tolist() == [0]


@given(*[st.floats(-pi, pi)] * 3)
def test_phase_residual_is_wrapped(left, right, output):
    residual = float(phase_residual(*(np.array([x]) for x in (left, right, output)))[0])
    assert -pi < residual <= pi
    assert np.exp(1j * residual) == pytest.approx(np.exp(1j * (left + right - output)))


def test_phase_residual_at_the_seam_and_of_nan():
    tiny = np.nextafter(np.pi, 4) - np.pi
    sums = np.array([np.pi, -np.pi, 3 * np.pi, np.pi + tiny, np.nan])
    residual = phase_residual(sums, np.zeros(5), np.zeros(5))
    np.testing.assert_allclose(np.abs(residual), [np.pi] * 4 + [np.nan])
    assert (residual[:4] > -np.pi).all()

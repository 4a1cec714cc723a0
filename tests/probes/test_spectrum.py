"""Fourier conventions against an explicit sum, closed forms and Parseval's theorem."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from probes.spectrum import (
    Convention,
    energy,
    fourier,
    frequencies,
    is_flat,
    peak_frequency,
    phase,
    power,
)

CONVENTIONS = [Convention(sided, constant) for sided in ("one", "two") for constant in ("drop", "keep")]
VECTORS = arrays(np.float64, st.integers(2, 40), elements=st.floats(-100, 100, width=32))


def dominant(x: np.ndarray) -> np.ndarray:
    """The frequency that carries most of each vector's variance."""
    return peak_frequency(energy(x))


def slow_fourier(x: np.ndarray, convention: Convention) -> np.ndarray:
    """The defining sum, one frequency at a time."""
    n = len(x)
    ks = range(n // 2 + 1) if convention.sided == "one" else range(n)
    sums = [sum(x[i] * np.exp(-2j * np.pi * k * i / n) for i in range(n)) for k in ks]
    return np.array(sums[1:] if convention.constant == "drop" else sums)


@pytest.mark.parametrize("convention", CONVENTIONS, ids=str)
@pytest.mark.parametrize("n", [1, 2, 3, 8, 11])
def test_fourier_is_the_defining_sum(convention, n):
    x = np.random.default_rng(n).normal(3, 1, (2, n))
    expected = np.stack([slow_fourier(row, convention) for row in x])
    np.testing.assert_allclose(fourier(x, convention), expected, atol=1e-12)
    np.testing.assert_allclose(power(x, convention), np.abs(expected) ** 2, atol=1e-11)
    assert len(frequencies(n, convention)) == fourier(x, convention).shape[-1]


@pytest.mark.parametrize("convention", CONVENTIONS, ids=str)
@pytest.mark.parametrize("n", [7, 8])
def test_frequencies_name_the_columns(convention, n):
    for column, k in enumerate(frequencies(n, convention)):
        wave = np.exp(2j * np.pi * k * np.arange(n) / n)
        overlap = fourier(wave.real, convention)[column] + 1j * fourier(wave.imag, convention)[column]
        assert overlap == pytest.approx(n if convention.constant == "keep" or k else 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_preserved(dtype):
    x = np.random.default_rng(0).normal(size=(3, 9)).astype(dtype)
    assert fourier(x).real.dtype == power(x).dtype == energy(x).dtype == phase(x, 2).dtype == dtype


@pytest.mark.parametrize("n", [1, 2, 5, 6, 97])
def test_results_keep_the_batch_axes(n):
    for batch in [(), (2,), (2, 3), (0,)]:
        x = np.random.default_rng(0).normal(size=(*batch, n))
        assert energy(x).shape == (*batch, n // 2)
        assert dominant(x).shape == phase(x, dominant(x)).shape == is_flat(x).shape == batch


@given(VECTORS)
def test_energy_is_a_share_of_the_variance(x):
    share, n = energy(x), len(x)
    if is_flat(x):
        assert np.isnan(share).all()
        return
    assert share.sum() == pytest.approx(1)
    assert (share >= 0).all()
    i, centred = np.arange(n), x - x.mean()
    for k in range(1, n // 2 + 1):
        basis = np.stack([np.cos(2 * np.pi * k * i / n), np.sin(2 * np.pi * k * i / n)])
        basis = basis[: 1 if 2 * k == n else 2]
        explained = ((basis @ centred) ** 2 / (basis**2).sum(1)).sum()
        assert share[k - 1] == pytest.approx(explained / (centred @ centred), abs=1e-9)


@given(VECTORS, st.floats(0.01, 100), st.integers(0, 40))
def test_energy_ignores_scale_shift_and_rotation(x, scale, rotation):
    if np.ptp(x) < 1e-3:
        return
    for changed in (scale * x, x + scale, np.roll(x, rotation), -x):
        np.testing.assert_allclose(energy(changed), energy(x), atol=1e-6)


@settings(max_examples=50)
@given(st.integers(3, 60), st.floats(-3.1, 3.1), st.floats(0.1, 10), st.data())
def test_phase_and_dominant_frequency_of_a_cosine(n, angle, amplitude, data):
    k = data.draw(st.integers(1, (n - 1) // 2))
    x = amplitude * np.cos(2 * np.pi * k * np.arange(n) / n + angle) + 7
    assert dominant(x) == k
    assert phase(x, k) == pytest.approx(angle, abs=1e-6)


def test_phase_is_half_open_and_per_row():
    i = np.arange(8)
    x = np.stack([np.cos(2 * np.pi * i / 8 + np.pi), np.cos(np.pi * i), -np.cos(np.pi * i), 0.0 * i])
    angles = phase(x, np.array([1, 4, 4, 2]))
    np.testing.assert_allclose(np.abs(angles[:3]), [np.pi, 0, np.pi])
    assert (angles[:3] > -np.pi).all()
    assert np.isnan(angles[3])
    assert np.isnan(phase(x, 0)).all()
    with pytest.raises(ValueError, match="frequencies from 1 to 5; expected 0 to n//2 = 4"):
        phase(x, np.array([1, 2, 3, 5]))
    with pytest.raises(ValueError, match="frequencies from -1"):
        phase(x, -1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_flat_vectors_have_no_spectrum(dtype):
    x = np.stack([np.zeros(97), np.full(97, 0.1), np.full(97, -1e6)]).astype(dtype)
    assert is_flat(x).all()
    assert (power(x) == 0).all()
    assert np.isnan(energy(x)).all()
    assert (dominant(x) == 0).all()
    rounding = x[1] + np.finfo(dtype).eps * 0.1 * (np.arange(97) % 2)
    assert (power(rounding.astype(dtype)) == 0).all()
    assert power(x[1:], Convention(constant="keep"))[:, 0].min() > 0


def test_a_large_constant_leaves_the_rest_accurate():
    wave = np.cos(2 * np.pi * 3 * np.arange(97) / 97)
    x = (1000 + 0.1 * wave).astype(np.float32)
    assert energy(x)[2] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_diverged_vector_is_nan_and_silent(bad):
    x = np.ones((2, 5))
    x[0, 2] = bad
    x[1, 2] = 2
    assert np.isnan(energy(x)[0]).all()
    assert dominant(x).tolist()[0] == 0
    assert np.isfinite(energy(x)[1]).all()


def test_peak_frequency_of_no_columns():
    assert peak_frequency(np.empty((3, 0))).tolist() == [0, 0, 0]


def test_bad_settings_and_inputs_are_named():
    assert Convention(**Convention("two", "keep", 3.0).to_dict()) == Convention("two", "keep", 3.0)
    with pytest.raises(ValueError, match="sided='both' is unknown; expected one of one, two"):
        Convention(sided="both")
    with pytest.raises(ValueError, match="constant='none'"):
        Convention(constant="none")
    for r in (1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match=f"r={r}"):
            Convention(r=r)
    with pytest.raises(ValueError, match=r"shape \(2, 0\)"):
        power(np.empty((2, 0)))
    with pytest.raises(ValueError, match="n=0"):
        frequencies(0)

"""Fourier conventions against an explicit sum, closed forms and Parseval's theorem; both ways to transform."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from probes import spectrum
from probes.spectrum import (
    Convention,
    energy,
    fourier,
    frequencies,
    is_flat,
    peak_frequency,
    phase,
    power,
    real_dft,
)

CONVENTIONS = [Convention(sided, constant) for sided in ("one", "two") for constant in ("drop", "keep")]
LENGTHS = (1, 2, 3, 4, 5, 8, 13, 48, 97, 98, 113)
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


@pytest.fixture(params=["product", "fft"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways, whatever the length."""
    monkeypatch.setattr(spectrum, "LARGEST_PRODUCT", 10**6 if request.param == "product" else 0)
    return request.param


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize(("dtype", "close"), [(np.float32, 2e-5), (np.float64, 1e-12)])
def test_both_ways_are_numpys_transform(either: str, n: int, dtype: type, close: float) -> None:
    x = (np.random.default_rng(n).normal(size=(7, n)) + 0.3).astype(dtype)
    expected = np.fft.rfft(x.astype(np.float64))[:, 1:]
    found = real_dft(x)
    assert (found.n, found.real.dtype) == (n, dtype)
    assert found.real == pytest.approx(expected.real, abs=close * n)
    assert found.imaginary == pytest.approx(expected.imag, abs=close * n)
    assert found.power == pytest.approx(np.abs(expected) ** 2, rel=100 * close, abs=close * n)
    assert found.variation == pytest.approx((np.abs(expected) ** 2).sum(-1), rel=100 * close)
    assert found.total == pytest.approx(x.astype(np.float64).sum(-1), abs=close * n)


@pytest.mark.parametrize("n", [7, 8, 97])
def test_a_small_wave_on_a_large_constant_is_as_exact_as_by_fft(n: int) -> None:
    wave = 1e-3 * np.cos(2 * np.pi * 2 * np.arange(n) / n)
    x = np.stack([1000 + wave, wave]).astype(np.float32)
    found = real_dft(x)
    assert found.power[0] == pytest.approx(power(x)[0], rel=1e-5, abs=1e-12)
    assert found.power[1].argmax() == 1


def test_what_does_not_vary_has_no_power_at_all(either: str) -> None:
    found = real_dft(np.array([[0.1] * 9, [0.0] * 9, [1e20] * 9]))
    assert (found.power == 0).all()
    assert (found.variation == 0).all()
    assert found.total == pytest.approx([0.9, 0, 9e20])


def test_what_is_no_number_stays_in_its_row(either: str) -> None:
    x = np.random.default_rng(0).normal(size=(4, 11))
    clean = real_dft(x)
    x[1, 3], x[2, 0] = np.nan, np.inf
    found = real_dft(x)
    assert (found.power[[0, 3]] == clean.power[[0, 3]]).all()
    assert not np.isfinite(found.power[[1, 2]]).any()


@pytest.mark.parametrize("n", [12, 97])
def test_a_matrix_in_a_stack_is_transformed_as_alone_to_the_bit(n: int) -> None:
    stack = np.random.default_rng(1).normal(size=(3, 50, n)).astype(np.float32)
    stack[1, 7] = 5  # one that is transformed again, centred
    together = real_dft(stack)
    for i, matrix in enumerate(stack):
        alone = real_dft(matrix)
        for name in ("real", "imaginary", "power", "variation", "total"):
            assert (getattr(together, name)[i] == getattr(alone, name)).all(), name


def test_a_transposed_matrix_is_the_same() -> None:
    x = np.random.default_rng(2).normal(size=(97, 40))
    assert real_dft(x.T).power == pytest.approx(real_dft(x.T.copy()).power, rel=1e-12)


def test_the_convention_is_that_of_fourier() -> None:
    x = np.random.default_rng(3).normal(size=(5, 10))
    found = real_dft(x)
    assert found.real + 1j * found.imaginary == pytest.approx(fourier(x), abs=1e-12)


def test_the_variation_is_the_sum_of_the_power() -> None:
    x = np.random.default_rng(4).normal(size=(30, 97)).astype(np.float32)
    x[3] = 2.0
    found = real_dft(x)
    assert found.variation == pytest.approx(found.power.sum(-1), rel=1e-6, nan_ok=True)

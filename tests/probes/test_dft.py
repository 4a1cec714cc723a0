"""The transform by matrix product is the FFT's, for every length, layout and kind of vector."""

from __future__ import annotations

import numpy as np
import pytest

from probes import dft
from probes.dft import real_dft
from probes.periodicity import ipr
from probes.spectrum import fourier, power

LENGTHS = (1, 2, 3, 4, 5, 8, 13, 48, 97, 98, 113)


@pytest.fixture(params=["product", "fft"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways, whatever the length."""
    monkeypatch.setattr(dft, "LARGEST_PRODUCT", 10**6 if request.param == "product" else 0)
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


def test_the_ipr_of_a_transform_needs_no_other_sum() -> None:
    x = np.random.default_rng(4).normal(size=(30, 97)).astype(np.float32)
    x[3] = 2.0
    found = real_dft(x)
    assert ipr(found.power, total=found.variation) == pytest.approx(ipr(found.power), rel=1e-6, nan_ok=True)

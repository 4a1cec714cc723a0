"""The Fourier transform of many short vectors at once: a matrix product where that is faster, an FFT elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from probes.spectrum import Convention, fourier

LARGEST_PRODUCT = 600
"""Longest vectors, in positions, that a matrix product transforms faster than an FFT (tests/benchmarks/batch.py)."""
SMALL = 1e-4
"""Variation below this part of the squared mean is transformed after centring, which keeps rounding out of it."""


@lru_cache(maxsize=32)
def _basis(n: int, dtype: np.dtype) -> np.ndarray:
    """Cosines, negative sines and ones side by side, ``(position, 2 (n//2) + 1)``."""
    angle = 2 * np.pi * (np.outer(np.arange(n), np.arange(1, n // 2 + 1)) % n) / n
    return np.concatenate([np.cos(angle), -np.sin(angle), np.ones((n, 1))], axis=1).astype(dtype)


@dataclass(frozen=True, eq=False)
class Transform:
    """Transform of each vector, from `real_dft`.

    Attributes:
        n: Number of positions.
        real, imaginary: Parts of `probes.spectrum.fourier` without the constant, at frequencies 1..n//2.
        power: Their squared magnitude, as `probes.spectrum.power`.
        variation: Its sum over the frequencies.
        total: The sum of the vector's entries.
    """

    n: int
    real: Float[np.ndarray, "*batch freq"]
    imaginary: Float[np.ndarray, "*batch freq"]
    power: Float[np.ndarray, "*batch freq"]
    variation: Float[np.ndarray, "*batch"]
    total: Float[np.ndarray, "*batch"]


def real_dft(x: Float[np.ndarray, "*batch position"]) -> Transform:
    """The transform without the constant, equal to `probes.spectrum.fourier` to rounding in the vectors' own dtype.

    That of one matrix in a stack ``(*stack, vector, position)`` does not depend on the others, to the bit.

    Example:
        >>> transform = real_dft(1 + np.cos(2 * np.pi * 2 * np.arange(5) / 5))
        >>> transform.power.round(6).tolist(), float(transform.total.round(6))
        ([0.0, 6.25], 5.0)
    """
    n = x.shape[-1]
    half, by_product = n // 2, n <= LARGEST_PRODUCT
    with np.errstate(invalid="ignore", over="ignore"):
        if by_product:
            product = x @ _basis(n, x.dtype)
            real, imaginary, total = product[..., :half], product[..., half:-1], np.asarray(product[..., -1])
        else:
            (real, imaginary), total = _by_fft(x), np.asarray(x.sum(-1))
        power = np.square(real)
        power += np.square(imaginary)
        variation = np.asarray(power.sum(-1))
        doubtful = ~(variation > SMALL * np.square(total))
        if by_product and doubtful.any():
            real[doubtful], imaginary[doubtful] = _by_fft(x[doubtful])
            power[doubtful] = np.square(real[doubtful]) + np.square(imaginary[doubtful])
            variation[doubtful] = power[doubtful].sum(-1)
    return Transform(n, real, imaginary, power, variation, total)


def _by_fft(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    transformed = fourier(x, Convention())
    return transformed.real, transformed.imag

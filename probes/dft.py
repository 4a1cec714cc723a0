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
def _basis(n: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For positions 1..(n-1)//2: cosines with ones as a last column, negative sines; and what the middle one adds."""
    half, pairs = n // 2, (n - 1) // 2
    angle = 2 * np.pi * (np.outer(np.arange(1, pairs + 1), np.arange(1, half + 1)) % n) / n
    cosines = np.concatenate([np.cos(angle), np.ones((pairs, 1))], axis=1)
    middle = np.append((-1.0) ** np.arange(1, half + 1), 1.0)
    return cosines.astype(dtype), -np.sin(angle).astype(dtype), middle.astype(dtype)


@dataclass(frozen=True, eq=False)
class Transform:
    """What `real_dft` finds of each vector.

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

    What comes out for a stack of matrices ``(*stack, vector, position)`` does not depend on the stack, to the bit.

    Example:
        >>> found = real_dft(1 + np.cos(2 * np.pi * 2 * np.arange(5) / 5))
        >>> found.power.round(6).tolist(), float(found.total.round(6))
        ([0.0, 6.25], 5.0)
    """
    n = x.shape[-1]
    by_product = n <= LARGEST_PRODUCT
    with np.errstate(invalid="ignore", over="ignore"):
        if by_product:
            real, imaginary, total = _by_product(x)
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


def _by_product(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both parts and the sum. What a cosine sees of positions i and n-i is their sum, a sine their difference: two
    products of a quarter of the size do."""
    n = x.shape[-1]
    half, pairs = n // 2, (n - 1) // 2
    cosines, sines, middle = _basis(n, x.dtype)
    first, last = x[..., 1 : pairs + 1], x[..., : n - pairs - 1 : -1]
    product = (first + last) @ cosines
    product += x[..., :1]
    if n % 2 == 0:
        product += x[..., half : half + 1] * middle
    return product[..., :half], (first - last) @ sines, np.asarray(product[..., -1])


def _by_fft(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    transformed = fourier(x, Convention())
    return transformed.real, transformed.imag

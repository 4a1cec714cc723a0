"""The one home of Fourier conventions: sidedness, constant term, normalisation, ordering, dead vectors."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.fft
from jaxtyping import Bool, Complex, Float, Int, Num

SIDES = ("one", "two")
CONSTANTS = ("drop", "keep")
LARGEST_PRODUCT = 800
"""Positions up to which matrix products are faster than an FFT, whose lengths are mostly prime here."""
SMALL = 1e-4  # of the squared mean: less variation is transformed after centring, to keep rounding out of it


@dataclass(frozen=True)
class Convention:
    """The transform that a score is computed from. Scores under different conventions cannot be compared.

    The authors of arXiv 2310.13061 use the one-sided transform with the constant kept. The default here
    drops the constant, because a constant vector would otherwise look perfectly periodic.

    Args:
        sided: ``"one"`` keeps frequencies 0..n//2 of a real vector (a pure cosine has one peak), ``"two"``
            keeps all n (a pure cosine has two peaks).
        constant: ``"drop"`` leaves frequency 0 out, ``"keep"`` keeps it as the first column.
        r: Exponent of the inverse participation ratio, a finite number above 1.

    Raises:
        ValueError: A value is not one of these.

    Example:
        >>> Convention(sided="two").to_dict()
        {'sided': 'two', 'constant': 'drop', 'r': 2.0}
    """

    sided: str = "one"
    constant: str = "drop"
    r: float = 2.0

    def __post_init__(self) -> None:
        if self.sided not in SIDES:
            raise ValueError(f"sided={self.sided!r} is unknown; expected one of {', '.join(SIDES)}")
        if self.constant not in CONSTANTS:
            raise ValueError(f"constant={self.constant!r} is unknown; expected one of {', '.join(CONSTANTS)}")
        if not 1 < self.r < np.inf:
            raise ValueError(f"r={self.r} is no exponent of an IPR; expected a finite number above 1")

    def to_dict(self) -> dict[str, Any]:
        """The settings, ready for JSON; ``Convention(**settings)`` gives an equal convention back."""
        return asdict(self)


ONE_SIDED = Convention()


def _check(x: np.ndarray) -> None:
    if x.ndim < 1 or x.shape[-1] < 1:
        raise ValueError(f"the vectors have shape {x.shape}; expected at least one position on the last axis")
    if x.dtype.kind != "f":
        raise ValueError(f"the vectors have dtype {x.dtype}; expected floating-point numbers")


def is_flat(x: Float[np.ndarray, "*batch position"]) -> Bool[np.ndarray, "*batch"]:
    """Mask of vectors that are constant to rounding, so that they have no frequency; a zero vector is one.

    Assumes that the variation by rounding is below 8 units in the last place of the largest entry. A vector that holds
    a nan or an infinity is not flat.

    Example:
        >>> is_flat(np.array([[0.1, 0.1, 0.1], [0.1, 0.2, 0.1]])).tolist()
        [True, False]
    """
    _check(x)
    low, high = x.min(-1), x.max(-1)
    with np.errstate(invalid="ignore", over="ignore"):
        tolerance = 8 * np.finfo(x.dtype).eps * np.maximum(np.abs(low), np.abs(high))
        return np.asarray(np.isfinite(tolerance) & (high - low <= tolerance))


def fourier(
    x: Float[np.ndarray, "*batch position"], convention: Convention = ONE_SIDED
) -> Complex[np.ndarray, "*batch freq"]:
    """The discrete Fourier transform of the last axis, unnormalised: sum over i of x_i exp(-2 pi 1j k i/n).

    Columns are `frequencies`, complex64 of float32. With the constant dropped, the transform of a vector that `is_flat`
    is exactly 0 rather than rounding noise.

    Raises:
        ValueError: There are no positions, or the dtype is not floating.

    Example:
        >>> np.abs(fourier(np.cos(2 * np.pi * 2 * np.arange(5) / 5))).round(6).tolist()
        [0.0, 2.5]
    """
    _check(x)
    transform = scipy.fft.rfft if convention.sided == "one" else scipy.fft.fft
    if convention.constant == "keep":
        return np.asarray(transform(x, axis=-1))
    with np.errstate(invalid="ignore", over="ignore"):
        centred = x - x.mean(-1, keepdims=True)  # keeps a large constant's rounding out of the other columns
    centred[is_flat(x)] = 0
    return np.asarray(transform(centred, axis=-1)[..., 1:])


def frequencies(n: int, convention: Convention = ONE_SIDED) -> Int[np.ndarray, " freq"]:
    """The frequency of each column of `fourier`, in cycles per n positions.

    ``"one"``-sided gives 0..n//2, ``"two"``-sided 0..(n-1)//2 and then the negative ones.

    Example:
        >>> frequencies(5).tolist(), frequencies(5, Convention("two", "keep")).tolist()
        ([1, 2], [0, 1, 2, -2, -1])
    """
    if n < 1:
        raise ValueError(f"n={n} is no number of positions; expected 1 or more")
    if convention.sided == "one":
        columns = np.arange(n // 2 + 1)
    else:
        columns = np.rint(np.fft.fftfreq(n, 1 / n)).astype(np.int64)
    return columns[1:] if convention.constant == "drop" else columns


def power(
    x: Float[np.ndarray, "*batch position"], convention: Convention = ONE_SIDED
) -> Float[np.ndarray, "*batch freq"]:
    """|`fourier`| squared, 0 or more. One-sided power is unweighted, as in arXiv 2310.13061.

    Use `energy` where the columns must add up to the variance.

    Example:
        >>> power(np.cos(2 * np.pi * 2 * np.arange(5) / 5)).round(6).tolist()
        [0.0, 6.25]
    """
    transformed = fourier(x, convention)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(transformed.real**2 + transformed.imag**2)


def energy(x: Float[np.ndarray, "*batch position"]) -> Float[np.ndarray, "*batch freq"]:
    """The share of a vector's variance that each frequency 1..n//2 carries (Parseval); nan for a constant vector.

    Interior frequencies count both their sides, the highest frequency of an even n (Nyquist) has only one.

    Example:
        >>> x = 3 + np.cos(2 * np.pi * np.arange(6) / 6) + np.cos(np.pi * np.arange(6))
        >>> energy(x).round(6).tolist()   # variances 1/2 and 1
        [0.333333, 0.0, 0.666667]
    """
    weighted = power(x)
    if x.shape[-1] % 2 == 0:
        weighted[..., -1] /= 2
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        return np.asarray(weighted / weighted.sum(-1, keepdims=True))


def peak_frequency(share: Float[np.ndarray, "*batch freq"]) -> Int[np.ndarray, "*batch"]:
    """The frequency of the largest column of a one-sided spectrum without constant; 0 if it is nan or 0.

    Every live vector has one, noise too: look at the share it carries before believing it.

    Example:
        >>> peak_frequency(np.array([[0.2, 0.8], [np.nan, np.nan]])).tolist()
        [2, 0]
    """
    if share.shape[-1] == 0:
        return np.zeros(share.shape[:-1], np.int64)
    return np.where(share.max(-1) > 0, share.argmax(-1) + 1, 0)


def phase(
    x: Float[np.ndarray, "*batch position"], frequency: Int[np.ndarray, "*batch"] | int
) -> Float[np.ndarray, "*batch"]:
    """The angle f, in (-pi, pi], of a vector's component A cos(2 pi k i/n + f) at a frequency k, 0..n//2.

    It is nan where the frequency is 0 or the vector has no such component.

    Raises:
        ValueError: A frequency is outside 0..n//2.

    Example:
        >>> round(float(phase(np.cos(2 * np.pi * 3 * np.arange(11) / 11 + 0.5), 3)), 6)
        0.5
    """
    _check(x)
    k, n = np.broadcast_to(frequency, x.shape[:-1]), x.shape[-1]
    if k.size and not (k.min() >= 0 and k.max() <= n // 2):
        raise ValueError(f"frequencies from {k.min()} to {k.max()}; expected 0 to n//2 = {n // 2}")
    if n == 1:
        return np.full(k.shape, np.nan, x.dtype)
    column = np.maximum(k, 1)[..., None] - 1
    component = np.take_along_axis(fourier(x), column, -1)[..., 0]
    angle = np.angle(component)
    angle = np.where(angle <= -np.pi, -angle, angle)
    return np.where((k == 0) | (component == 0), np.asarray(np.nan, angle.dtype), angle)


@lru_cache(maxsize=32)
def _basis(n: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Cosines with a column of ones, ``(n//2, n//2 + 1)``, and negative sines, ``(n//2, n//2)``, of positions 1..n//2.

    The middle position of an even n is its own mirror image, and counts half.
    """
    places = np.arange(1, n // 2 + 1)
    angle = 2 * np.pi * (np.outer(places, places) % n) / n
    once = np.where(2 * places == n, 0.5, 1.0)[:, None]
    cosines = np.concatenate([np.cos(angle), np.ones((n // 2, 1))], axis=1) * once
    return cosines.astype(dtype), -np.sin(angle).astype(dtype)


def _by_product(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Real parts, imaginary parts and sums of vectors: sums and differences of mirrored positions halve the work."""
    n = x.shape[-1]
    half = n // 2
    cosines, sines = _basis(n, x.dtype)
    near, mirrored = x[..., 1 : half + 1], x[..., : n - half - 1 : -1]
    even = (near + mirrored) @ cosines
    even += x[..., :1]
    return even[..., :half], (near - mirrored) @ sines, np.asarray(even[..., -1])


@dataclass(frozen=True, eq=False)
class Transform:
    """Transform of each vector, from `real_dft`: `fourier` without the constant.

    Attributes:
        power: Squared magnitude, as of `power`; `variation` is its sum over the frequencies.
        total: The sum of the vector's entries.
    """

    n: int
    real: Float[np.ndarray, "*batch freq"]
    imaginary: Float[np.ndarray, "*batch freq"]
    power: Float[np.ndarray, "*batch freq"]
    variation: Float[np.ndarray, "*batch"]
    total: Float[np.ndarray, "*batch"]


def real_dft(x: Float[np.ndarray, "*batch position"]) -> Transform:
    """`fourier` without the constant, to rounding in the vectors' own dtype: by a matrix product where that is faster.

    That of one matrix in a stack ``(*stack, vector, position)`` does not depend on the others, to the bit.

    Example:
        >>> transform = real_dft(1 + np.cos(2 * np.pi * 2 * np.arange(5) / 5))
        >>> transform.power.round(6).tolist(), float(transform.total.round(6))
        ([0.0, 6.25], 5.0)
    """
    by_product = x.shape[-1] <= LARGEST_PRODUCT
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
    return Transform(x.shape[-1], real, imaginary, power, variation, total)


def _by_fft(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    transformed = fourier(x)
    return transformed.real, transformed.imag


def folded(
    frequency: Int[np.ndarray, "*batch"], step: int, n: int
) -> tuple[Int[np.ndarray, "*batch"], Int[np.ndarray, "*batch"]]:
    """The frequency of an operand whose positions count for `step` of the answer each, and the sign of its phase.

    That is the multiple of the answer's frequency; one above n/2 is its mirror image, and of the length itself it is 0.

    Example:
        >>> folded(np.array([1, 3]), 2, 7)
        (array([2, 1]), array([ 1, -1]))
    """
    multiple = frequency * step % n
    return np.minimum(multiple, n - multiple), np.where(2 * multiple > n, -1, 1)


def at_step(components: Num[np.ndarray, "neuron freq"], n: int, step: int) -> Num[np.ndarray, "neuron freq"]:
    """The components at the multiple k * step of each frequency k = 1..n//2, none where `folded` gives 0.

    Args:
        components: Complex ones, or shares, which have no phase; as from `fourier` and `energy`.
        n: Length of the vectors.

    Example:
        >>> angle = 2 * np.pi * np.arange(7) / 7
        >>> components = at_step(fourier(np.cos(6 * angle + 0.5)[None]), 7, step=2)
        >>> int(np.abs(components).argmax()) + 1, round(float(np.angle(components[0, 2])), 6)
        (3, 0.5)
    """
    if step == 1:
        return components
    frequency, sign = folded(np.arange(1, n // 2 + 1), step, n)
    taken = np.where(frequency > 0, components[..., frequency - 1], 0)
    return np.where(sign < 0, taken.conj(), taken)

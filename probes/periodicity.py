"""Concentration of a spectrum: scores of vectors, computed from their power, ``(..., freq) -> (...)``.

None depends on the scale of the power. A score is nan for a vector without power: a dead neuron has no spectrum to
judge, and shows in its norm.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

SMALLEST = 1e-15  # the square of a power between this and its inverse is a float32
NEARLY_BEST = 0.95  # part of the best share from which `harmonic_share` considers a fundamental


def _shares(power: np.ndarray) -> np.ndarray:
    """The power divided by its sum, nan where that is no positive number; no columns become one of nan."""
    if power.shape[-1] == 0:
        return np.full((*power.shape[:-1], 1), np.nan, power.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        total = power.sum(-1, keepdims=True)
        usable = (total > 0) & np.isfinite(total)
        if usable.all():
            return power / total
        return np.divide(power, total, out=np.full_like(power, np.nan), where=usable)


def ipr(power: Float[np.ndarray, "*batch freq"], r: float = 2.0) -> Float[np.ndarray, "*batch"]:
    """Inverse participation ratio, sum P^r / (sum P)^r (arXiv 2310.13061), in (0, 1].

    It is 1 for a single peak, 1/m^(r-1) for m equal columns. A pure cosine scores 1 one-sided and 1/2 two-sided; a
    square wave, with its odd harmonics, about 2/3; white noise about 2/m; a constant vector 1 if the constant was kept.

    Raises:
        ValueError: r is not above 1.

    Example:
        >>> ipr(np.array([[0.0, 4.0, 0.0], [1.0, 1.0, 2.0]])).tolist()
        [1.0, 0.375]
    """
    if not r > 1:
        raise ValueError(f"r={r} is no exponent of an IPR; expected a number above 1")
    if r != 2:
        return np.asarray((_shares(power) ** r).sum(-1))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        total = power.sum(-1)
        value = np.asarray(np.einsum("...f,...f->...", power, power) / np.square(total))
        unsafe = ~((total > SMALLEST) & (total < 1 / SMALLEST))
    if unsafe.any():
        shares = _shares(power[unsafe])
        value[unsafe] = np.einsum("...f,...f->...", shares, shares)
    return value


def gini(power: Float[np.ndarray, "*batch freq"]) -> Float[np.ndarray, "*batch"]:
    """Gini coefficient of the spectrum (arXiv 2301.05217 takes that of the norms, the root of the power).

    It is 0 for a flat spectrum and 1 - 1/m for one peak of m columns: compare it only at equal length.

    Example:
        >>> gini(np.array([[0.0, 4.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])).tolist()
        [0.75, 0.0]
    """
    m = max(power.shape[-1], 1)
    weights = ((2 * np.arange(1, m + 1) - m - 1) / m).astype(power.dtype)
    value = (np.sort(_shares(power), -1) * weights).sum(-1)
    return np.asarray(np.clip(value, 0, 1 - 1 / m))


def peak_share(power: Float[np.ndarray, "*batch freq"]) -> Float[np.ndarray, "*batch"]:
    """The largest column's share of the power, in [1/m, 1] for m columns.

    With `probes.spectrum.energy` it is the variance explained by one frequency; strong harmonics need `harmonic_share`.

    Example:
        >>> peak_share(np.array([1.0, 3.0])).tolist()
        0.75
    """
    return np.asarray(_shares(power).max(-1))


def entropy(power: Float[np.ndarray, "*batch freq"]) -> Float[np.ndarray, "*batch"]:
    """Shannon entropy of the spectrum, over that of a flat one (spectral entropy, Inouye et al. 1991).

    It is 0 for a single peak (and for a spectrum of one column), 1 for a flat one: low means periodic.

    Example:
        >>> entropy(np.array([[0.0, 2.0, 0.0], [1.0, 1.0, 1.0]])).round(6).tolist()
        [0.0, 1.0]
    """
    shares = _shares(power)
    logarithms = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    value = (shares * -logarithms).sum(-1) / np.log(max(power.shape[-1], 2))
    return np.asarray(np.clip(value, 0, 1).astype(power.dtype))


@lru_cache(maxsize=32)
def _harmonics(n: int, n_harmonics: int) -> tuple[np.ndarray, np.ndarray]:
    """Column of each harmonic (harmonic, fundamental), and whether it is a column not counted before."""
    multiples = np.outer(np.arange(1, n_harmonics + 1), np.arange(1, n // 2 + 1)) % n
    folded = np.minimum(multiples, n - multiples)
    new = folded > 0
    for j in range(1, n_harmonics):
        new[j] &= (folded[:j] != folded[j]).all(0)
    return np.maximum(folded, 1) - 1, new


def harmonic_share(
    power: Float[np.ndarray, "*batch freq"], n: int, n_harmonics: int = 5
) -> tuple[Float[np.ndarray, "*batch"], Int[np.ndarray, "*batch"]]:
    """The share, in (0, 1], of the fundamental that has most together with its harmonics; and the fundamental.

    A neuron behind a ReLU, or a square wave, is periodic but spreads its power over multiples k, 2k, 3k, .. of its
    frequency, folded modulo n. Do not use it for small n: the harmonics of one fundamental then cover most of the
    spectrum, and noise scores high. Any frequency is also a multiple of others modulo n, so among nearly equal shares
    (`NEARLY_BEST`) the fundamental with most power of its own is named; 0 without power.

    Args:
        power: One-sided spectrum without constant, columns 1..n//2.
        n_harmonics: How many multiples count, the fundamental included; 1 gives `peak_share`.

    Raises:
        ValueError: The columns do not belong to n, or n_harmonics is below 1.

    Example:
        >>> from probes.spectrum import power
        >>> square = np.sign(np.cos(2 * np.pi * 5 * np.arange(97) / 97))
        >>> share, fundamental = harmonic_share(power(square), 97)
        >>> float(share) > 0.9, int(fundamental)
        (True, 5)
    """
    if power.shape[-1] != n // 2:
        raise ValueError(
            f"the power has {power.shape[-1]} columns; n={n} positions have {n // 2} without constant"
        )
    if n_harmonics < 1:
        raise ValueError(f"n_harmonics={n_harmonics} counts no frequency; expected 1 or more")
    if n < 2:
        return np.full(power.shape[:-1], np.nan, power.dtype), np.zeros(power.shape[:-1], np.int64)
    shares = _shares(power)
    columns, new = _harmonics(n, n_harmonics)
    total = np.zeros_like(shares)
    for column, counts in zip(columns, new, strict=True):
        total += shares[..., column] * counts.astype(shares.dtype)
    best = total.max(-1)
    own = np.where(total >= NEARLY_BEST * best[..., None], shares, -1)
    fundamental = np.where(np.isnan(best), 0, own.argmax(-1) + 1)
    return np.asarray(np.minimum(best, 1)), fundamental


def phase_residual(
    left: Float[np.ndarray, "*batch"], right: Float[np.ndarray, "*batch"], output: Float[np.ndarray, "*batch"]
) -> Float[np.ndarray, "*batch"]:
    """Distance of a neuron's phases from those of the analytic solution: left + right - output, wrapped to (-pi, pi].

    A neuron that adds obeys left + right = output modulo 2 pi (arXiv 2310.13061), whatever its IPR, which makes this a
    second, independent sign of generalisation. For a random neuron it is uniform.

    Example:
        >>> phase_residual(np.array([3.0]), np.array([3.0]), np.array([6.0 - 2 * np.pi])).round(6).tolist()
        [0.0]
    """
    turn = 2 * np.pi
    wrapped = np.pi - (np.pi - (left + right - output)) % turn
    return np.asarray(np.where(wrapped <= -np.pi, -wrapped, wrapped))

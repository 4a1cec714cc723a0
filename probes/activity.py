"""Scores of a neuron's activations over the grid of all operand pairs, in the order of the task.

For a neuron whose weights cannot be read as one vector per operand, such as one of a transformer.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from jaxtyping import Float, Int

from probes.periodicity import ipr
from probes.spectrum import ONE_SIDED, Convention, is_flat


def _transform(acts: np.ndarray, constant: str = "drop") -> np.ndarray:
    """Half of the two-dimensional transform, ``(neuron, left, right//2 + 1)``; rounding alone gives 0."""
    if acts.ndim != 3 or 0 in acts.shape[1:]:
        raise ValueError(f"the activations have shape {acts.shape}; expected (neuron, left, right)")
    if constant == "keep":
        return scipy.fft.rfft2(acts)
    with np.errstate(invalid="ignore", over="ignore"):
        centred = acts - acts.mean((1, 2), keepdims=True)
    centred[is_flat(acts.reshape(len(acts), -1))] = 0
    transformed = scipy.fft.rfft2(centred)
    transformed[:, 0, 0] = 0
    return transformed


def _squared(transformed: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", over="ignore"):
        return transformed.real**2 + transformed.imag**2


def _once(n_left: int, n_right: int) -> np.ndarray:
    """Which entries of the half transform to keep so that each pair of opposite frequencies counts once."""
    keep = np.ones((n_left, n_right // 2 + 1), bool)
    own_opposite = [0] if n_right % 2 else [0, n_right // 2]
    keep[n_left // 2 + 1 :, own_opposite] = False
    return keep


def grid_power(
    acts: Float[np.ndarray, "neuron left right"], convention: Convention = ONE_SIDED
) -> Float[np.ndarray, "neuron freq"]:
    """Power of the two-dimensional Fourier transform, one column for each pair of frequencies.

    Args:
        acts: Activations over the grid.
        convention: ``"one"``-sided counts a frequency pair and its opposite once, so that cos(w(a+b)) and
            cos(wa) both have one peak; ``"two"``-sided counts both. ``"drop"`` leaves out the constant only,
            ``"keep"`` puts it first.

    Returns:
        Power, 0 or more; all 0 for a constant neuron when the constant is dropped.

    Raises:
        ValueError: The activations are not three-dimensional, or the grid is empty.

    Example:
        >>> w = 2 * np.pi * np.arange(5) / 5
        >>> grid_power(np.cos(w[:, None] + w)[None]).shape, grid_power(np.ones((1, 5, 5))).max().tolist()
        ((1, 12), 0.0)
    """
    n, n_left, n_right = acts.shape if acts.ndim == 3 else (0, 0, 0)
    half = _squared(_transform(acts, convention.constant))
    if convention.sided == "one":
        columns = half[:, _once(n_left, n_right)]
    else:
        mirrored = half[:, -np.arange(n_left) % n_left, 1 : (n_right + 1) // 2][:, :, ::-1]
        columns = np.concatenate([half, mirrored], axis=2).reshape(n, -1)
    return columns[:, 1:] if convention.constant == "drop" else columns


def grid_ipr(
    acts: Float[np.ndarray, "neuron left right"], convention: Convention = ONE_SIDED
) -> Float[np.ndarray, " neuron"]:
    """Inverse participation ratio of `grid_power` (arXiv 2310.13061, in two dimensions).

    Returns:
        Values in (0, 1], nan for a dead or constant neuron. cos(w(a+b)) scores 1 one-sided; the product
        cos(wa) cos(wb) is two waves and scores 1/2; prefer `explained_by_one_frequency` where that matters.

    Example:
        >>> w = 2 * np.pi * np.arange(5) / 5
        >>> grid_ipr(np.stack([np.cos(w[:, None] + w), np.zeros((5, 5))])).round(6).tolist()
        [1.0, nan]
    """
    return ipr(grid_power(acts, convention), convention.r)


def explained_by_one_frequency(
    acts: Float[np.ndarray, "neuron left right"],
) -> tuple[Float[np.ndarray, " neuron"], Int[np.ndarray, " neuron"]]:
    """The share of a neuron's variance in the span of {1, cos wa, sin wa} x {1, cos wb, sin wb}, best w.

    Neurons of grokked transformers explain more than .85 this way (arXiv 2301.05217). The highest frequency,
    which the loop published with that paper skips, is included. Assumes the whole grid in the order of
    the task (for multiplication, discrete logarithms). White noise explains about 8/n^2 at each frequency.

    Args:
        acts: Activations over the grid, as many left as right operands.

    Returns:
        The share, in [0, 1], and the frequency, in 1..n//2; nan and 0 for a dead or constant neuron.

    Raises:
        ValueError: The grid is not square, or smaller than 2 x 2.

    Example:
        >>> w = 2 * np.pi * 3 * np.arange(7) / 7
        >>> share, frequency = explained_by_one_frequency(1 + (np.cos(w[:, None]) + np.cos(w))[None] ** 2)
        >>> share.round(3).tolist(), frequency.tolist()   # the square has a harmonic at 2 * 3
        ([0.8], [3])
    """
    if acts.ndim != 3 or acts.shape[1] != acts.shape[2] or acts.shape[1] < 2:
        raise ValueError(
            f"the activations have shape {acts.shape}; expected (neuron, n, n) with n of 2 or more"
        )
    n = acts.shape[1]
    half = _squared(_transform(acts))
    half[:, :, 1 : (n + 1) // 2] *= 2  # the columns whose opposite the half transform leaves out
    k = np.arange(1, n // 2 + 1)
    block = half[:, 0, k] + half[:, k, 0] + half[:, k, k]
    mirrored = half[:, -k, 0] + half[:, -k, k]
    mirrored[:, 2 * k == n] = 0  # Nyquist is its own opposite
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        share = (block + mirrored) / half.sum((1, 2))[:, None]
    best = share.max(1)
    frequency = np.where(np.isnan(best), 0, share.argmax(1) + 1)
    return np.minimum(best, 1), frequency


def dead_fraction(acts: Float[np.ndarray, "neuron left right"]) -> Float[np.ndarray, " neuron"]:
    """The share of the grid on which a neuron's activation is exactly 0, as a ReLU leaves it; in [0, 1].

    Meaningless for activations that are never exactly 0, such as GELU, or after a norm.

    Example:
        >>> dead_fraction(np.array([[[0.0, 1.0], [0.0, 0.0]]])).tolist()
        [0.75]
    """
    if acts.ndim != 3 or 0 in acts.shape[1:]:
        raise ValueError(f"the activations have shape {acts.shape}; expected (neuron, left, right)")
    return (acts == 0).mean((1, 2))

"""Scores of a neuron's activations over the grid of all operand pairs, in the order of the task.

For a neuron whose weights cannot be read as one vector per operand, such as one of a transformer.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from jaxtyping import Float, Int

from probes.periodicity import ipr
from probes.spectrum import is_flat

CLUSTER_SHARE = 0.85  # of its variance, from which one frequency explains a neuron (arXiv 2301.05217)
Steps = tuple[int, int]
"""Positions of the answer that a position of each operand counts for: the operands of a neuron of frequency k have the
frequencies s k and t k. More than 1 for powers, as in a**2 * b."""


def activation_scores(
    acts: Float[np.ndarray, "neuron left right"], steps: Steps = (1, 1)
) -> dict[str, np.ndarray]:
    """Every score of activations over the grid, from one transform, which is nearly all that they cost.

    They are the columns of `probes.columns` with this source, ``(neuron,)`` each; nan, and 0 for a frequency, for a
    dead or constant neuron, or where the grid has holes (nan). A share along a + b is never above the
    ``activation_share``; white noise has about 2/n^2 at each frequency (arXiv 2301.05217). The IPR (arXiv 2310.13061,
    in two dimensions) counts a pair of frequencies and its opposite once: cos(w(a+b)) scores 1, the product cos(wa)
    cos(wb) 1/2. ``silent`` means nothing where activations are never 0, as for GELU or after a norm.

    Args:
        steps: Of the ordering, s and t; a + b stands for s a + t b, and a frequency is the answer's.

    Raises:
        ValueError: The grid is not square, or smaller than 2 x 2.

    Example:
        >>> w = 2 * np.pi * 3 * np.arange(7) / 7
        >>> scores = activation_scores(np.stack([np.cos(w[:, None] + w), np.outer(np.cos(w), np.cos(w))]))
        >>> scores["sum_share"].round(3).tolist(), scores["activation_ipr"].round(3).tolist()   # a product is half sum
        ([1.0, 0.5], [1.0, 0.5])
        >>> activation_scores(np.cos(2 * w[:, None] + w)[None], steps=(2, 1))["sum_frequency"].tolist()
        [3]
    """
    holes = np.isnan(acts).any((1, 2))
    if holes.any():
        acts = np.where(holes[:, None, None], 0, acts)
    half = _power(acts)
    n = half.shape[1]
    once = np.ones(half.shape[1:], bool)  # each pair of opposites
    once[n // 2 + 1 :, [0] if n % 2 else [0, n // 2]] = False
    periodicity = ipr(half[:, once][:, 1:])
    half, total = _energies(half)
    profile = _profile(half, total, steps)
    share, frequency = _best(profile)
    sum_share, sum_frequency = _best(_shares(_of_sums(half, steps), total))
    return {
        "activation_share": share,
        "activation_frequency": frequency,
        "activation_harmonics": with_harmonics(profile, frequency, n=n),
        "sum_share": sum_share,
        "sum_frequency": sum_frequency,
        "activation_ipr": periodicity,
        "silent": (acts == 0).mean((1, 2)),
    }


def _power(acts: np.ndarray) -> np.ndarray:
    """Power of half of the two-dimensional transform, ``(neuron, n, n//2 + 1)``; rounding alone gives 0."""
    if acts.ndim != 3 or acts.shape[1] != acts.shape[2] or acts.shape[1] < 2:
        raise ValueError(
            f"the activations have shape {acts.shape}; expected (neuron, n, n) with n of 2 or more"
        )
    with np.errstate(invalid="ignore", over="ignore"):
        centred = acts - acts.mean((1, 2), keepdims=True)
        centred[is_flat(acts.reshape(len(acts), -1))] = 0
        transformed = scipy.fft.rfft2(centred)
        transformed[:, 0, 0] = 0
        return transformed.real**2 + transformed.imag**2


def _energies(half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The half transform's power with each opposite counted where it is left out, in place; a neuron's total."""
    half[:, :, 1 : (half.shape[1] + 1) // 2] *= 2
    with np.errstate(invalid="ignore", over="ignore"):
        return half, half.sum((1, 2))[:, None]


def _shares(part: np.ndarray, total: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return np.minimum(part / total, 1)


def _best(
    profile: Float[np.ndarray, "neuron freq"],
) -> tuple[Float[np.ndarray, " neuron"], Int[np.ndarray, " neuron"]]:
    """The largest share of each row, and its frequency; nan and 0 for a dead neuron."""
    best = profile.max(1)
    return best, np.where(np.isnan(best), 0, profile.argmax(1) + 1)


def frequency_profile(
    acts: Float[np.ndarray, "neuron left right"], steps: Steps = (1, 1)
) -> Float[np.ndarray, "neuron freq"]:
    """The share, in [0, 1], of a neuron's variance in the span of {1, cos wa, sin wa} x {1, cos wb, sin wb}, for every
    w; with steps s and t in that of swa and twb.

    Frequencies are 1..n//2; the shares sum to at most 1 with steps that have no factor in common with n (else two
    frequencies may share an operand's wave), and are nan for a dead or constant neuron. Products of two
    frequencies, such as cos(w1 a) cos(w2 b), are in none of these spans. Assumes the whole grid in the order of the
    task (for multiplication, discrete logarithms). White noise explains about 8/n^2 at each frequency.

    Raises:
        ValueError: The grid is not square, or smaller than 2 x 2.

    Example:
        >>> w = 2 * np.pi * np.arange(7) / 7
        >>> acts = 1 + np.cos(w)[:, None] + np.cos(3 * (w[:, None] + w)) + np.cos(w)[:, None] * np.cos(3 * w)
        >>> frequency_profile(acts[None]).round(3).tolist()   # variances 1/2, 1/2 and, of neither, 1/4
        [[0.4, 0.0, 0.4]]
    """
    return _profile(*_energies(_power(acts)), steps)


def _profile(half: np.ndarray, total: np.ndarray, steps: Steps) -> np.ndarray:
    n = half.shape[1]
    left, right = _operands(n, steps)
    with np.errstate(invalid="ignore", over="ignore"):
        sums, differences = _at(half, left, right), _at(half, -left, right)
        sums[:, (left == 0) | (right == 0)] = (
            0  # these are waves of one operand, which are counted by themselves
        )
        differences[:, right == 0] = 0
        mirrored = half[:, -left, 0] + differences
        mirrored[:, 2 * left % n == 0] = 0  # Nyquist is its own opposite
        return _shares(_at(half, 0 * right, right) + half[:, left, 0] + sums + mirrored, total)


def _of_sums(half: np.ndarray, steps: Steps) -> np.ndarray:
    """Power of the waves of s a + t b, ``(neuron, freq)``; none where such a wave is one of a single operand."""
    n = half.shape[1]
    left, right = _operands(n, steps)
    sums = _at(half, left, right)
    apart = (2 * right % n == 0) & (2 * left % n > 0)  # in a column that holds a wave's two halves
    if apart.any():
        sums[:, apart] += _at(half, -left[apart], right[apart])
    sums[:, (left == 0) | (right == 0)] = 0
    return sums


def _operands(n: int, steps: Steps) -> tuple[Int[np.ndarray, " freq"], Int[np.ndarray, " freq"]]:
    """The frequencies of the operands, 0..n-1, for each of the answer, 1..n//2."""
    left, right = (step * np.arange(1, n // 2 + 1) % n for step in steps)
    return left, right


def _at(half: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Entries of the half transform at pairs of frequencies; one beyond the half is read at its opposite."""
    beyond = right > half.shape[1] // 2
    entries: np.ndarray = half[
        :, np.where(beyond, -left, left), np.where(beyond, -right, right) % half.shape[1]
    ]
    return entries


def explained_by_one_frequency(
    acts: Float[np.ndarray, "neuron left right"], steps: Steps = (1, 1)
) -> tuple[Float[np.ndarray, " neuron"], Int[np.ndarray, " neuron"]]:
    """The largest share of each neuron's `frequency_profile`, and its frequency; nan and 0 for a dead neuron.

    It is above `CLUSTER_SHARE` for neurons of grokked transformers (arXiv 2301.05217). The highest frequency, which the
    loop published with that paper skips, is included.

    Example:
        >>> w = 2 * np.pi * 3 * np.arange(7) / 7
        >>> share, frequency = explained_by_one_frequency(1 + (np.cos(w[:, None]) + np.cos(w))[None] ** 2)
        >>> share.round(3).tolist(), frequency.tolist()   # the square has a harmonic at 2 * 3
        ([0.8], [3])
    """
    return _best(frequency_profile(acts, steps))


def _counted(n: int, harmonics: int) -> np.ndarray:
    """Mask of the frequencies 1..n//2 (columns) that are a multiple of each fundamental 0..n//2 (rows), folded."""
    fundamentals = np.arange(n // 2 + 1)
    multiples = np.arange(1, min(harmonics, n) + 1)[:, None] * fundamentals % n
    counted = np.zeros((len(fundamentals), len(fundamentals)), bool)
    counted[fundamentals, np.minimum(multiples, n - multiples)] = True
    return counted[:, 1:]


def with_harmonics(
    profile: Float[np.ndarray, "neuron freq"],
    frequency: Int[np.ndarray, " neuron"],
    *,
    n: int,
    harmonics: int = 4,
) -> Float[np.ndarray, " neuron"]:
    """The share, in [0, 1], that a fundamental explains together with its multiples 2f, 3f, .., folded modulo n.

    A ReLU gives a wave even harmonics, which belong to its frequency. Products of the fundamental and a harmonic are
    not in the profile, so the share of a ReLU of cos(wa) + cos(wb) stays below 1. Do not use it for small n, where a
    few multiples are most frequencies.

    Args:
        frequency: The fundamental of each neuron, 1..n//2; 0 for a dead one, whose share is nan.
        harmonics: The highest multiple counted; each frequency counts once, a multiple of n not at all.

    Raises:
        ValueError: The profile does not belong to n, a frequency is outside 0..n//2, there is not one for
            each neuron, or harmonics is below 1.

    Example:
        >>> w = 2 * np.pi * 3 * np.arange(97) / 97
        >>> profile = frequency_profile(np.maximum(np.cos(w[:, None] + w), 0)[None])
        >>> [with_harmonics(profile, np.array([3]), n=97, harmonics=h).round(3).tolist() for h in (1, 2, 4)]
        [[0.841], [0.992], [0.998]]
    """
    if n < 2 or profile.ndim != 2 or profile.shape[1] != n // 2:
        expected = f"(neuron, {n // 2}) for n={n} of 2 or more"
        raise ValueError(f"the profile has shape {profile.shape}; expected {expected}")
    if frequency.shape != profile.shape[:1]:
        raise ValueError(
            f"{frequency.shape} frequencies for {profile.shape[:1]} neurons; expected one for each"
        )
    if not ((frequency >= 0) & (frequency <= n // 2)).all():
        raise ValueError(
            f"frequencies from {frequency.min()} to {frequency.max()}; expected 0 to n//2 = {n // 2}"
        )
    if harmonics < 1:
        raise ValueError(f"harmonics={harmonics} counts no frequency; expected 1 or more")
    share = np.where(_counted(n, harmonics)[frequency], profile, 0).sum(1)
    share[frequency == 0] = np.nan
    return np.minimum(share, 1)


def frequency_clusters(
    frequency: Int[np.ndarray, " neuron"], share: Float[np.ndarray, " neuron"]
) -> dict[int, np.ndarray]:
    """Ascending neurons of each frequency that explains at least `CLUSTER_SHARE` of them (arXiv 2301.05217).

    A neuron of frequency 0 or with a share of nan is in no cluster; a frequency without neurons is left out.

    Raises:
        ValueError: The lengths differ.

    Example:
        >>> clusters = frequency_clusters(np.array([5, 2, 5, 2]), np.array([0.9, 0.95, 0.99, 0.1]))
        >>> {k: neurons.tolist() for k, neurons in clusters.items()}
        {2: [1], 5: [0, 2]}
    """
    if frequency.shape != share.shape:
        raise ValueError(
            f"{frequency.shape} frequencies for {share.shape} shares; expected one for each neuron"
        )
    enough = (share >= CLUSTER_SHARE) & (frequency > 0)
    return {int(k): np.flatnonzero(enough & (frequency == k)) for k in np.unique(frequency[enough])}

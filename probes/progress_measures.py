"""Progress measures: Fourier components of logits, and of the matrices and gradients behind them.

Grids are in the order of the task, in which the right answer of left i and right j is output (i + j) % n; n may
be composite or even. Everything is computed in float64, whatever the input.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import scipy.fft
from jaxtyping import Float, Int
from scipy.special import logsumexp

from probes.periodicity import gini
from probes.spectrum import fourier, is_flat

Logits = Float[np.ndarray, "left right output"]


def _scale(n: int) -> np.ndarray:
    """Factors from the transform at 1..n//2 to coefficients along cosines and sines of norm 1."""
    return np.sqrt(np.where(2 * np.arange(1, n // 2 + 1) == n, 1, 2) / n)


def _components(matrix: np.ndarray) -> np.ndarray:
    """Coefficients ``(freq, feature)`` along cosines (real part) and sines (minus the imaginary part)."""
    if matrix.ndim != 2 or matrix.shape[0] < 2:
        raise ValueError(f"the matrix has shape {matrix.shape}; expected (position, feature), 2 rows or more")
    return fourier(matrix.T.astype(np.float64)).T * _scale(len(matrix))[:, None]


def spectrum_norms(matrix: Float[np.ndarray, "position feature"]) -> Float[np.ndarray, " freq"]:
    """The norm of the part of a matrix, such as an embedding, that each frequency 1..n//2 along its positions makes up.

    Cosine and sine and all features together: the squares sum to the squared norm of the matrix less its mean row.

    Raises:
        ValueError: The matrix is not two-dimensional, or has fewer than 2 rows.

    Example:
        >>> w = 2 * np.pi * np.arange(8) / 8
        >>> spectrum_norms(np.stack([3 * np.cos(w), 4 * np.sin(w), 5 + np.cos(4 * w)], axis=1)).round(6).tolist()
        [10.0, 0.0, 0.0, 2.828427]
    """
    return np.linalg.norm(_components(matrix), axis=1)


def spectrum_gini(matrix: Float[np.ndarray, "position feature"]) -> float:
    """Gini coefficient of the norms of a matrix along each cosine and each sine (arXiv 2301.05217).

    The constant is left out. It rises while a network groks: few frequencies of the embedding are left. In [0, 1 - 1/(n
    - 1)], so that it depends on n; nan if the rows are equal.

    Raises:
        ValueError: As for `spectrum_norms`.

    Example:
        >>> w = 2 * np.pi * np.arange(5) / 5
        >>> round(spectrum_gini(np.cos(w)[:, None]), 6), abs(round(spectrum_gini(np.eye(5)), 6))
        (0.75, 0.0)
    """
    components = _components(matrix)
    sines = np.linalg.norm(components.imag, axis=1)[: (len(matrix) - 1) // 2]  # Nyquist has none
    return float(gini(np.concatenate([np.linalg.norm(components.real, axis=1), sines])))


def key_frequencies(norms: Float[np.ndarray, " freq"], *, ratio: float = 0.1) -> tuple[int, ...]:
    """Ascending frequencies whose power, the norm squared, is at least a part, in (0, 1], of the strongest one's.

    Norms are `spectrum_norms` or `logit_profile`. Noise has key frequencies as well: see with `sum_variance_explained`
    whether they explain the logits. There are none if all norms are 0 or one is not finite.

    Raises:
        ValueError: The ratio is outside (0, 1].

    Example:
        >>> key_frequencies(np.array([0.0, 3.0, 0.9, 1.0]))
        (2, 4)
    """
    if not 0 < ratio <= 1:
        raise ValueError(f"ratio={ratio} is no part of the strongest power; expected above 0, at most 1")
    strongest = norms.max(initial=0)
    if not (strongest > 0 and np.isfinite(strongest)):
        return ()
    return tuple(int(k) for k in np.flatnonzero((norms / strongest) ** 2 >= ratio) + 1)


def _grid(logits: np.ndarray, *, answers: bool) -> np.ndarray:
    """The logits in float64, if they have one row for each pair of operands, and n outputs where needed."""
    n = logits.shape[0] if logits.ndim == 3 else 0
    if n < 2 or logits.shape != (n, n, n if answers else logits.shape[-1]):
        expected = f"(n, n, {'n' if answers else 'output'}) with n of 2 or more, every pair of operands"
        raise ValueError(f"the logits have shape {logits.shape}; expected {expected}")
    return logits.astype(np.float64)


def _distinct(frequencies: Iterable[int], n: int) -> np.ndarray:
    named = list(frequencies)
    wrong = [k for k in named if k not in range(1, n // 2 + 1)]
    if wrong:
        raise ValueError(f"no frequencies {wrong}; expected whole numbers from 1 to n//2 = {n // 2}")
    return np.unique(np.array(named, np.int64))


def _by_sum(logits: np.ndarray) -> np.ndarray:
    """The mean over all pairs with one sum, ``(sum, output)``."""
    left = np.arange(len(logits))[:, None]
    return logits[left, (np.arange(len(logits)) - left) % len(logits)].mean(0)


def _centred(logits: np.ndarray) -> np.ndarray:
    """The logits less the mean of each example and that of each output; exactly 0 if only rounding is left."""
    values = _grid(logits, answers=True)
    with np.errstate(invalid="ignore", over="ignore"):
        centred = values - values.mean(2, keepdims=True)
        centred -= centred.mean((0, 1))
        if np.abs(centred).max() <= 8 * np.finfo(logits.dtype).eps * np.abs(values).max():
            centred[:] = 0
    return centred


def _along_answer(centred: np.ndarray) -> np.ndarray:
    """Coefficients ``(freq,)`` along w(i+j-c): the cosine's is the real part, the sine's minus the imaginary."""
    k = np.arange(1, len(centred) // 2 + 1)
    with np.errstate(invalid="ignore", over="ignore"):
        return scipy.fft.fft2(_by_sum(centred))[k, -k] * _scale(len(centred))


def logit_profile(logits: Logits) -> Float[np.ndarray, " freq"]:
    """The norm of the part of the logits along cos w(i+j-c) and sin w(i+j-c), for every frequency 1..n//2.

    A network that adds has logits of cos w(i+j-c) at its key frequencies (arXiv 2301.05217). The squares sum to at most
    that of the logits' norm, centred as in `sum_variance_explained`.

    Raises:
        ValueError: The logits are not n x n x n with n of 2 or more.

    Example:
        >>> i, j, c = np.ogrid[:5, :5, :5]
        >>> logits = 3 * np.cos(2 * np.pi * 2 * (i + j - c) / 5) + c
        >>> logit_profile(logits).round(6).tolist()   # 3 * sqrt(125 / 2)
        [0.0, 23.717082]
    """
    return np.abs(_along_answer(_centred(logits)))


def sum_variance_explained(logits: Logits, frequencies: Iterable[int]) -> float:
    """The share, in [0, 1], of the variance of the logits in the span of cos w(i+j-c), w of the named frequencies.

    The variance is what is left without each example's mean, which no loss sees, and each output's mean, a bias; the
    share is nan where there is none. Sines do not count: a component that peaks beside the right answer explains less.
    A frequency that is named twice counts once.

    Raises:
        ValueError: The logits are not n x n x n with n of 2 or more, or a frequency is out of range.

    Example:
        >>> i, j, c = np.ogrid[:7, :7, :7]
        >>> logits = 2 * np.cos(2 * np.pi * (i + j - c) / 7) + np.cos(2 * np.pi * 3 * (i + j - c) / 7) + i
        >>> [round(sum_variance_explained(logits, ks), 6) for ks in ([1], [1, 3])]
        [0.8, 1.0]
    """
    centred = _centred(logits)
    columns = _distinct(frequencies, len(centred)) - 1
    with np.errstate(invalid="ignore", over="ignore"):
        total = (centred**2).sum()
        if not (total > 0 and np.isfinite(total)):
            return float("nan")
        return float(np.minimum((_along_answer(centred).real[columns] ** 2).sum() / total, 1))


def restricted_and_excluded(logits: Logits, frequencies: Iterable[int]) -> tuple[Logits, Logits]:
    """The logits restricted to their Fourier components in the sum at the named frequencies, and without these.

    Their losses are the restricted loss, of the rule alone, and, on training examples, the excluded loss, which rises
    as the rule replaces memory (arXiv 2301.05217). Each output keeps its mean in both.

    Raises:
        ValueError: There are not n x n pairs with n of 2 or more, or a frequency is out of range.

    Example:
        >>> i, j, c = np.ogrid[:5, :5, :5]
        >>> rule, memory = np.cos(2 * np.pi * 2 * (i + j - c) / 5), np.cos(2 * np.pi * i / 5)
        >>> restricted, excluded = restricted_and_excluded(rule + memory + c, [2])
        >>> bool(np.allclose(restricted, rule + c)), bool(np.allclose(excluded, memory + c))
        (True, True)
    """
    values = _grid(logits, answers=False)
    n, kept = len(values), _distinct(frequencies, len(values))
    with np.errstate(invalid="ignore", over="ignore"):
        means = _by_sum(values)
        transformed = scipy.fft.rfft(means - means.mean(0), axis=0)
    chosen = np.zeros_like(transformed)
    chosen[kept] = transformed[kept]
    along_sum = scipy.fft.irfft(chosen, n, axis=0)[np.add.outer(np.arange(n), np.arange(n)) % n]
    return values.mean((0, 1)) + along_sum, values - along_sum


def distance_irrelevance(correct: Float[np.ndarray, "left right"]) -> float:
    """Independence of the logit of the right answer from the distance of the operands, in [0, 1] (arXiv 2306.17844).

    The mean over distances d of the standard deviation over pairs with i - j = d modulo n, over that of all pairs; nan
    if the logits are constant or not finite. A Pizza network's logit of the right answer goes with |cos(w(i - j)/2)|,
    so that pairs of one distance are served alike: low. A Clock network serves every distance alike: high, near 1.

    Raises:
        ValueError: There are not n x n pairs with n of 2 or more.

    Example:
        >>> w = 2 * np.pi * np.arange(7) / 7
        >>> pizza, clock = (np.cos(w[:, None] + sign * w) for sign in (-1, 1))
        >>> round(distance_irrelevance(pizza), 6), round(distance_irrelevance(clock), 6)
        (0.0, 1.0)
    """
    if correct.ndim != 2 or correct.shape[0] != correct.shape[1] or len(correct) < 2:
        raise ValueError(f"the logits have shape {correct.shape}; expected (n, n) with n of 2 or more")
    if is_flat(correct.ravel()) or not np.isfinite(correct).all():
        return float("nan")
    left = np.arange(len(correct))[:, None]
    by_distance = correct.astype(np.float64)[left, (left - left.T) % len(correct)]
    return float(np.minimum(by_distance.std(0).mean() / by_distance.std(), 1))


def gradient_symmetricity(
    left: Float[np.ndarray, "sample feature"], right: Float[np.ndarray, "sample feature"]
) -> float:
    """Mean cosine similarity of a logit's gradients to the embeddings of its two operands (arXiv 2306.17844).

    A Pizza network adds the embeddings up first, so the gradients are equal: near 1. A Clock network multiplies them,
    and each gradient depends on the other operand: lower. A sample is a pair and an output; those with a gradient of
    zero are left out; nan if none is left, or one is not finite.

    Raises:
        ValueError: The shapes differ, or are not two-dimensional with a feature or more.

    Example:
        >>> gradient_symmetricity(np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[3.0, 0.0], [1.0, 0.0]]))
        0.5
    """
    if left.shape != right.shape or left.ndim != 2 or left.shape[1] < 1:
        raise ValueError(f"gradients of shapes {left.shape}, {right.shape}; expected (sample, feature) twice")
    sizes = [np.abs(g).max(1, keepdims=True) for g in (left, right)]
    live = ((sizes[0] != 0) & (sizes[1] != 0))[:, 0]
    if not live.any():
        return float("nan")
    with np.errstate(invalid="ignore"):
        a, b = (g[live].astype(np.float64) / s[live] for g, s in zip((left, right), sizes, strict=True))
        cosines = (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    return float(np.clip(cosines, -1, 1).mean())


def cross_entropy(
    logits: Float[np.ndarray, "example output"], labels: Int[np.ndarray, " example"]
) -> Float[np.ndarray, " example"]:
    """Minus the logarithm of the probability of each example's label, in nats, 0 or more.

    Exact for tiny losses too: a right answer far ahead has a loss of e^-lead, not 0.

    Raises:
        ValueError: There is not one label for each example, or a label is no output.

    Example:
        >>> cross_entropy(np.array([[0.0, 0.0], [60.0, 0.0]]), np.array([1, 0])).tolist()
        [0.6931471805599453, 8.75651076269652e-27]
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(f"{labels.shape} labels for logits of shape {logits.shape}; expected one a row")
    if labels.size and not 0 <= labels.min() <= labels.max() < logits.shape[1]:
        raise ValueError(f"labels from {labels.min()} to {labels.max()}; expected 0 to {logits.shape[1] - 1}")
    ahead, example = logits.astype(np.float64), np.arange(len(labels))
    with np.errstate(invalid="ignore"):
        ahead -= ahead[example, labels][:, None]
        ahead[example, labels] = -np.inf
        return np.logaddexp(0, logsumexp(ahead, axis=1))

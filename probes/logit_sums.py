"""Sums of the logits of all pairs of operands, from which their Fourier measures follow, read once in blocks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy.fft
from jaxtyping import Bool, Float

from probes.periodicity import gini
from probes.progress_measures import _components, _distinct, _scale


@dataclass(frozen=True, eq=False)
class LogitSums:
    """Sums over the pairs of operands, in the order in which the right answer of left i and right j is (i + j) % n.

    Attributes:
        by_sum: Mean logits of all pairs with one sum.
        left: Squared norms of the logits along each cosine and each sine of the left operand.
        variation: Squared logits less their example's mean, summed.
        largest: Largest size of a logit.
        correct: The logit of the right answer.
        right: Whether it is the largest, the first of equals.

    Example:
        >>> i, j, c = np.ogrid[:7, :7, :7]
        >>> logits = 2 * np.cos(2 * np.pi * (i + j - c) / 7) + np.cos(2 * np.pi * 3 * (i + j - c) / 7) + i
        >>> sums = sum_logits(((j, logits[:, j]) for j in range(7)), 7)
        >>> [round(sums.variance_explained([k]), 6) for k in (1, 2, 3)]
        [0.8, 0.0, 0.2]
    """

    by_sum: Float[np.ndarray, "n n"]
    left: Float[np.ndarray, "two freq"]
    variation: float
    largest: float
    correct: Float[np.ndarray, "n n"]
    right: Bool[np.ndarray, "n n"]

    @property
    def means(self) -> Float[np.ndarray, " n"]:
        """Mean of each output."""
        means: np.ndarray = self.by_sum.mean(0)
        return means

    @property
    def profile(self) -> Float[np.ndarray, " freq"]:
        """As `probes.progress_measures.logit_profile`."""
        return np.abs(self._along_answer)

    @property
    def left_gini(self) -> float:
        """As `probes.progress_measures.spectrum_gini` of the logits as a matrix with a row for each left operand."""
        sines = self.left[1][: (len(self.by_sum) - 1) // 2]  # Nyquist has none
        return float(gini(np.sqrt(np.concatenate([self.left[0], sines]))))

    @property
    def _total(self) -> float:
        """Variance of the logits without each example's mean and each output's, times their number; 0 if only rounding
        is left."""
        n = len(self.by_sum)
        own = self.means - self.means.mean()
        total = self.variation - n**2 * float(np.square(own).sum())
        return total if total > n**3 * (8 * np.finfo(np.float32).eps * self.largest) ** 2 else 0.0

    @property
    def _along_answer(self) -> np.ndarray:
        n = len(self.by_sum)
        k = np.arange(1, n // 2 + 1)
        if not self._total > 0:
            return np.zeros(len(k), complex) if self._total == 0 else np.full(len(k), np.nan, complex)
        with np.errstate(invalid="ignore", over="ignore"):
            centred = self.by_sum - self.by_sum.mean(1, keepdims=True)
            centred = centred - centred.mean(0)
            along: np.ndarray = scipy.fft.fft2(centred)[k, -k] * _scale(n)
        return along

    def variance_explained(self, frequencies: Iterable[int]) -> float:
        """As `probes.progress_measures.sum_variance_explained`."""
        columns = _distinct(frequencies, len(self.by_sum)) - 1
        if not (self._total > 0 and np.isfinite(self._total)):
            return float("nan")
        return float(np.minimum((self._along_answer.real[columns] ** 2).sum() / self._total, 1))

    def along_sum(self, frequencies: Iterable[int]) -> Float[np.ndarray, "sum output"]:
        """The part of the logits at some frequencies of the sum, by the sum.

        Without it the logits are the excluded ones of `probes.progress_measures.restricted_and_excluded`; with the
        `means` of the outputs it is the restricted ones.

        Raises:
            ValueError: A frequency is out of range.
        """
        n, kept = len(self.by_sum), _distinct(frequencies, len(self.by_sum))
        with np.errstate(invalid="ignore", over="ignore"):
            transformed = scipy.fft.rfft(self.by_sum - self.means, axis=0)
        chosen = np.zeros_like(transformed)
        chosen[kept] = transformed[kept]
        along: np.ndarray = scipy.fft.irfft(chosen, n, axis=0)
        return along


def sum_logits(blocks: Iterable[tuple[int, Float[np.ndarray, "left output"]]], n: int) -> LogitSums:
    """Read the logits of all pairs, those of one right operand after another.

    Args:
        blocks: A right operand, and the logits of all its pairs; every right operand once.
        n: Number of operands, and of outputs.
    """
    by_sum, correct, power = np.zeros((n, n)), np.zeros((n, n)), np.zeros((2, n // 2))
    variation, largest, left, answered = 0.0, 0.0, np.arange(n), np.zeros((n, n), bool)
    for right, block in blocks:
        largest = max(largest, float(np.abs(block).max()))
        values = block.astype(np.float64)
        components = _components(values)
        power += [np.square(part).sum(1) for part in (components.real, components.imag)]
        sums = (left + right) % n
        by_sum[sums] += values
        correct[:, right] = values[left, sums]
        answered[:, right] = block.argmax(1) == sums
        variation += float(np.square(values - values.mean(1, keepdims=True)).sum())
    return LogitSums(by_sum / n, power, variation, largest, correct, answered)

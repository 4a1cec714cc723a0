"""Fourier measures of logits from sums of blocks of them: the same as from the whole grid."""

import numpy as np
import pytest

from probes.logit_sums import LogitSums, sum_logits
from probes.progress_measures import (
    logit_profile,
    restricted_and_excluded,
    spectrum_gini,
    sum_variance_explained,
)


def summed(grid: np.ndarray) -> LogitSums:
    return sum_logits(((j, grid[:, j]) for j in reversed(range(len(grid)))), len(grid))


@pytest.mark.parametrize("n", [2, 7, 8, 13])
def test_measures_are_those_of_the_grid(n: int) -> None:
    generator = np.random.default_rng(n)
    i, j, c = np.ogrid[:n, :n, :n]
    grid = generator.normal(size=(n, n, n)) + 3 * np.cos(2 * np.pi * (i + j - c) / n) + c + 2 * i
    sums = summed(grid)
    np.testing.assert_allclose(sums.profile, logit_profile(grid), atol=1e-9)
    assert sums.left_gini == pytest.approx(spectrum_gini(grid.reshape(n, -1)))
    np.testing.assert_allclose(sums.means, grid.mean((0, 1)))
    np.testing.assert_array_equal(
        sums.correct, [[grid[a, b, (a + b) % n] for b in range(n)] for a in range(n)]
    )
    for kept in ([], [1], list(range(1, n // 2 + 1))):
        assert sums.variance_explained(kept) == pytest.approx(sum_variance_explained(grid, kept))
        restricted, excluded = restricted_and_excluded(grid, kept)
        along = sums.along_sum(kept)[(np.arange(n)[:, None] + np.arange(n)) % n]
        np.testing.assert_allclose(sums.means + along, restricted, atol=1e-9)
        np.testing.assert_allclose(grid - along, excluded, atol=1e-9)


def test_logits_without_variation_have_no_profile() -> None:
    constant = np.ones((5, 5, 5), np.float32) * np.arange(5, dtype=np.float32)
    sums = summed(constant + 1e3)
    assert sums.profile.tolist() == [0.0, 0.0]
    assert np.isnan(sums.variance_explained([1]))
    with pytest.raises(ValueError, match=r"no frequencies \[3\]"):
        sums.along_sum([3])

"""Grid scores against explicit cosine bases and sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.activity import dead_fraction, explained_by_one_frequency, grid_ipr, grid_power
from probes.spectrum import Convention

SCORES = {"grid_ipr": grid_ipr, "explained": lambda acts: explained_by_one_frequency(acts)[0]}
score = pytest.mark.parametrize("score", SCORES.values(), ids=SCORES)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """Gaussian activations around 2."""
    return np.random.default_rng(seed).normal(2, 1, shape)


def projected_share(acts: np.ndarray, k: int) -> float:
    """Share of the variance in the nine products of 1, cos and sin, by least squares."""
    n = len(acts)
    w = 2 * np.pi * k * np.arange(n) / n
    basis = np.stack([np.ones(n), np.cos(w), np.sin(w)])
    products = np.einsum("ia,jb->ijab", basis, basis).reshape(9, -1).T
    y = acts.ravel() - acts.mean()
    fitted = products @ np.linalg.lstsq(products, y, rcond=None)[0]
    return float(fitted @ fitted / (y @ y))


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 11])
def test_explained_share_is_a_projection(n):
    acts = noise(3, n, n, seed=n)
    share, frequency = explained_by_one_frequency(acts)
    for neuron in range(3):
        shares = [projected_share(acts[neuron], k) for k in range(1, n // 2 + 1)]
        assert share[neuron] == pytest.approx(max(shares))
        assert frequency[neuron] == np.argmax(shares) + 1


@pytest.mark.parametrize("k", [1, 5, 6])
def test_every_frequency_is_found_the_highest_too(k):
    w = 2 * np.pi * k * np.arange(13) / 13
    acts = 5 + np.cos(w[:, None] + w + 0.4) + 0.3 * np.sin(w)
    share, frequency = explained_by_one_frequency(acts[None])
    assert (float(share[0]), int(frequency[0])) == (pytest.approx(1), k)


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 5), (4, 6), (5, 4), (1, 6), (7, 7)])
def test_grid_power_is_the_defining_sum(shape):
    acts = noise(1, *shape)
    n_left, n_right = shape
    full = {}
    for k in range(n_left):
        for m in range(n_right):
            angle = k * np.arange(n_left)[:, None] / n_left + m * np.arange(n_right) / n_right
            full[k, m] = abs((acts[0] * np.exp(-2j * np.pi * angle)).sum()) ** 2
    two = np.array([full[pair] for pair in sorted(full)])
    pairs = {frozenset([(k, m), (-k % n_left, -m % n_right)]): full[k, m] for k, m in full}
    for constant, start in (("keep", 0), ("drop", 1)):
        both = grid_power(acts, Convention("two", constant))[0]
        once = grid_power(acts, Convention("one", constant))[0]
        np.testing.assert_allclose(np.sort(both), np.sort(two[start:]), atol=1e-9)
        expected = [value for pair, value in pairs.items() if constant == "keep" or (0, 0) not in pair]
        np.testing.assert_allclose(np.sort(once), np.sort(expected), atol=1e-9)
    assert grid_power(acts, Convention(constant="keep"))[0, 0] == pytest.approx(acts.sum() ** 2)


def test_grid_ipr_of_known_waves():
    w = 2 * np.pi * 3 * np.arange(11) / 11
    acts = np.stack([np.cos(w[:, None] + w), np.cos(w[:, None]) + 0 * w, np.cos(w[:, None]) * np.cos(w)])
    np.testing.assert_allclose(grid_ipr(acts), [1, 1, 0.5])
    np.testing.assert_allclose(grid_ipr(acts, Convention("two")), [0.5, 0.5, 0.25])


@score
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dead_neurons_are_nan_and_leave_the_others_alone(score, dtype):
    acts = noise(4, 7, 7).astype(dtype)
    alone = score(acts[:2])
    acts[2], acts[3] = 0, 0.1
    values = score(acts)
    assert values.dtype == dtype
    assert np.isnan(values[2:]).all()
    np.testing.assert_array_equal(values[:2], alone)
    assert explained_by_one_frequency(acts)[1][2:].tolist() == [0, 0]


@score
@given(
    scale=st.floats(1e-3, 1e3), shift=st.floats(-5, 5), steps=st.tuples(st.integers(0, 8), st.integers(0, 8))
)
def test_scores_ignore_scale_shift_and_rotation(score, scale, shift, steps):
    acts = noise(3, 9, 9)
    values = score(acts)
    assert ((values > 0) & (values <= 1)).all()
    np.testing.assert_allclose(score(scale * np.roll(acts, steps, (1, 2)) + shift), values, atol=1e-9)


def test_diverged_neurons_are_nan_and_silent():
    acts = noise(3, 5, 5)
    acts[0, 0, 0], acts[1, 2, 3] = np.nan, np.inf
    for score in SCORES.values():
        assert np.isnan(score(acts)).tolist() == [True, True, False]


def test_dead_fraction_counts_exact_zeros():
    acts = np.maximum(noise(3, 5, 6) - 2, 0)
    np.testing.assert_allclose(dead_fraction(acts), [(a == 0).sum() / 30 for a in acts])
    assert dead_fraction(np.zeros((1, 2, 2))).tolist() == [1]


def test_wrong_grids_are_named():
    with pytest.raises(ValueError, match=r"shape \(1, 4, 5\); expected \(neuron, n, n\)"):
        explained_by_one_frequency(noise(1, 4, 5))
    with pytest.raises(ValueError, match=r"shape \(1, 0, 5\)"):
        grid_power(noise(1, 0, 5))
    with pytest.raises(ValueError, match=r"shape \(1, 0, 5\)"):
        dead_fraction(noise(1, 0, 5))

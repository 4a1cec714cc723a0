"""Scores of logits against explicit bases, least squares and loops."""

import math

import numpy as np
import pytest

from probes.progress_measures import (
    cross_entropy,
    distance_irrelevance,
    gradient_symmetricity,
    key_frequencies,
    logit_profile,
    restricted_and_excluded,
    spectrum_gini,
    spectrum_norms,
    sum_variance_explained,
)

SIZES = pytest.mark.parametrize("n", [2, 3, 5, 6, 7, 12])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def restricted(logits: np.ndarray, frequencies) -> np.ndarray:
    return restricted_and_excluded(logits, frequencies)[0]


def excluded(logits: np.ndarray, frequencies) -> np.ndarray:
    return restricted_and_excluded(logits, frequencies)[1]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """Gaussian numbers around 2."""
    return np.random.default_rng(seed).normal(2, 1, shape)


def answer_wave(n: int, k: int, shift: float = 0.0) -> np.ndarray:
    """cos(w(i+j-c) + shift) on the grid."""
    i, j, c = np.ogrid[:n, :n, :n]
    return np.cos(2 * np.pi * k * (i + j - c) / n + shift)


def unit_waves(angle: np.ndarray) -> list[np.ndarray]:
    """The cosine and the sine of angles, with norm 1; a sine that is zero throughout is left out."""
    waves = [np.cos(angle), np.sin(angle)]
    return [wave / np.linalg.norm(wave) for wave in waves if np.linalg.norm(wave) > 1e-9]


def close(dtype: type) -> dict[str, float]:
    """Tolerances for input of a dtype."""
    return {"rtol": 1e-9, "atol": 1e-9} if dtype == np.float64 else {"rtol": 1e-4, "atol": 1e-4}


@SIZES
@DTYPES
def test_matrix_norms_are_those_of_projections(n, dtype):
    matrix = noise(n, 4, seed=n).astype(dtype)
    norms, separate = [], []
    for k in range(1, n // 2 + 1):
        parts = [np.linalg.norm(wave @ matrix) for wave in unit_waves(2 * np.pi * k * np.arange(n) / n)]
        norms.append(math.hypot(*parts))
        separate += parts
    found = spectrum_norms(matrix)
    np.testing.assert_allclose(found, norms, **close(dtype))
    assert (found**2).sum() == pytest.approx(((matrix - matrix.mean(0)) ** 2).sum(), rel=1e-5)
    assert len(separate) == n - 1
    differences = sum(abs(a - b) for a in separate for b in separate)
    expected = differences / (2 * len(separate) * sum(separate))
    assert spectrum_gini(matrix) == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_gini_counts_cosine_and_sine_apart():
    w = 2 * np.pi * np.arange(9) / 9
    assert spectrum_gini(np.stack([np.cos(2 * w), 3 * np.cos(2 * w)], axis=1)) == pytest.approx(7 / 8)
    assert spectrum_gini(np.stack([np.cos(2 * w), np.sin(2 * w)], axis=1)) == pytest.approx(6 / 8)
    for n in (6, 9):
        assert spectrum_gini(np.eye(n)) == pytest.approx(0, abs=1e-9)
    nyquist = (-1.0) ** np.arange(6)[:, None]
    assert spectrum_gini(nyquist) == pytest.approx(4 / 5)
    np.testing.assert_allclose(spectrum_norms(3 + nyquist), [0, 0, math.sqrt(6)], atol=1e-12)


@DTYPES
def test_equal_rows_have_no_spectrum(dtype):
    for matrix in (np.zeros((7, 3), dtype), np.tile(np.array([[0.1, 100.3]], dtype), (6, 1))):
        assert spectrum_norms(matrix).tolist() == [0] * 3
        assert math.isnan(spectrum_gini(matrix))


def test_key_frequencies_compare_power():
    norms = np.array([1.0, 10.0, 3.0, 3.2, 0.0])
    assert key_frequencies(norms) == (2, 4)  # powers .01, 1, .09, .1024, 0 of the strongest
    assert key_frequencies(norms.astype(np.float32), ratio=0.05) == (2, 3, 4)
    assert key_frequencies(norms, ratio=1) == (2,)
    assert key_frequencies(1e-200 * norms) == (2, 4)
    assert key_frequencies(np.full(3, 4.0)) == (1, 2, 3)
    assert all(type(k) is int for k in key_frequencies(norms))
    for none in (np.zeros(4), np.empty(0), np.array([1.0, np.nan]), np.array([1.0, np.inf])):
        assert key_frequencies(none) == ()
    for ratio in (0, -0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match=f"ratio={ratio} is no part"):
            key_frequencies(norms, ratio=ratio)


@SIZES
@DTYPES
def test_logit_profile_is_a_projection(n, dtype):
    logits = noise(n, n, n, seed=n).astype(dtype)
    i, j, c = np.ogrid[:n, :n, :n]
    expected = [
        math.hypot(*((wave * logits).sum() for wave in unit_waves(2 * np.pi * k * (i + j - c) / n)))
        for k in range(1, n // 2 + 1)
    ]
    np.testing.assert_allclose(logit_profile(logits), expected, **close(dtype))
    shifted = 5 * logits + noise(n, n, 1) + noise(n)
    np.testing.assert_allclose(logit_profile(shifted), 5 * np.array(expected), **close(dtype))


@pytest.mark.parametrize(("n", "keys"), [(5, (2,)), (6, (1, 3)), (12, (2, 5, 6)), (13, (1, 6))])
def test_logits_name_their_key_frequencies(n, keys):
    logits = sum(answer_wave(n, k, shift) for shift, k in enumerate(keys)) + 100 * noise(n)
    assert key_frequencies(logit_profile(logits)) == keys
    backwards = answer_wave(n, 1)[:, :, -np.arange(n) % n]  # cos w(i+j+c): the answer -(i+j)
    if n > 4:
        np.testing.assert_allclose(logit_profile(backwards), 0, atol=1e-9)


@SIZES
@DTYPES
def test_variance_is_that_of_a_least_squares_fit(n, dtype):
    keys = sorted({1, n // 2})
    logits = (noise(n, n, n, seed=n) + sum(answer_wave(n, k, 0.4) for k in keys)).astype(dtype)
    examples = logits.reshape(-1, n).astype(np.float64)
    centred = examples - examples.mean(1, keepdims=True)
    centred -= centred.mean(0)
    basis = np.stack([answer_wave(n, k).ravel() for k in keys], axis=1)
    fitted = basis @ np.linalg.lstsq(basis, centred.ravel(), rcond=None)[0]
    expected = (fitted**2).sum() / (centred**2).sum()
    assert 0 < sum_variance_explained(logits, keys) < 1 + 1e-12
    assert sum_variance_explained(logits, keys) == pytest.approx(expected, rel=1e-4)
    assert sum_variance_explained(logits, [*keys, *keys]) == sum_variance_explained(logits, keys)
    assert sum_variance_explained(logits, []) == 0


def test_variance_of_known_logits():
    logits = 3 * answer_wave(7, 2) + answer_wave(7, 3)
    offsets = 10 * noise(7, 7, 1) + 10 * noise(7)
    assert sum_variance_explained(logits + offsets, [2]) == pytest.approx(0.9)
    assert sum_variance_explained(logits + offsets, (2, 3)) == pytest.approx(1)
    assert sum_variance_explained(logits, range(1, 4)) <= 1
    for shift in (0.0, 0.7, np.pi / 2):
        value = sum_variance_explained(answer_wave(11, 4, shift), [4])
        assert value == pytest.approx(math.cos(shift) ** 2, abs=1e-12)
    assert sum_variance_explained(answer_wave(6, 3) + answer_wave(6, 1), [3]) == pytest.approx(2 / 3)
    memory = noise(31, 31, 31)
    assert sum_variance_explained(memory, range(1, 16)) < 0.01


@DTYPES
def test_logits_that_do_not_depend_on_the_example_have_no_variance(dtype):
    for logits in (np.zeros((5, 5, 5)), np.full((5, 5, 5), 0.1), np.tile(0.1 * noise(6), (6, 6, 1))):
        assert math.isnan(sum_variance_explained(logits.astype(dtype), [1]))
        assert logit_profile(logits.astype(dtype)).tolist() == [0] * (len(logits) // 2)
    diverged = noise(5, 5, 5).astype(dtype)
    diverged[1, 2, 3] = np.inf
    assert math.isnan(sum_variance_explained(diverged, [1]))
    assert key_frequencies(logit_profile(diverged)) == ()


@SIZES
@DTYPES
@pytest.mark.parametrize("outputs", [1, 9])
def test_restricted_and_excluded_are_fits_of_each_output(n, dtype, outputs):
    logits = noise(n, n, outputs, seed=n).astype(dtype)
    keys = sorted({1, n // 2})
    angles = [2 * np.pi * k * np.add.outer(np.arange(n), np.arange(n)).ravel() / n for k in keys]
    waves = np.stack([wave for angle in angles for wave in unit_waves(angle)], axis=1)
    values = logits.reshape(n * n, outputs).astype(np.float64)
    fitted = waves @ np.linalg.lstsq(waves, values, rcond=None)[0]
    kept, rest = restricted(logits, keys), excluded(logits, keys)
    assert kept.dtype == rest.dtype == np.float64
    np.testing.assert_allclose(kept.reshape(values.shape), values.mean(0) + fitted, atol=1e-9)
    np.testing.assert_allclose(rest.reshape(values.shape), values - fitted, atol=1e-9)
    np.testing.assert_allclose(kept + rest - values.mean(0), logits, atol=1e-9)
    np.testing.assert_allclose(restricted(kept, keys), kept, atol=1e-9)
    np.testing.assert_allclose(restricted(rest, keys) - values.mean(0), 0, atol=1e-9)


def test_without_frequencies_nothing_is_excluded():
    logits = noise(6, 6, 6)
    np.testing.assert_array_equal(excluded(logits, ()), logits)
    np.testing.assert_allclose(restricted(logits, ()), np.broadcast_to(logits.mean((0, 1)), logits.shape))


def test_restricted_keeps_the_rule_and_excluded_the_memory():
    n, labels = 13, np.add.outer(np.arange(13), np.arange(13)).ravel() % 13
    rule = 20 * answer_wave(n, 2) + 20 * answer_wave(n, 5)
    memory = np.zeros_like(rule)
    wrong = np.random.default_rng(0).permutation(n * n)[:20]
    memory.reshape(-1, n)[wrong, (labels[wrong] + 1) % n] = 200
    accuracies = [
        (x.reshape(-1, n).argmax(1) == labels).mean()
        for x in (rule + memory, restricted(rule + memory, (2, 5)), excluded(rule + memory, (2, 5)))
    ]
    assert accuracies[:2] == [149 / 169, 1]
    assert accuracies[2] < 0.5
    memorised = excluded(rule + memory, (2, 5)).reshape(-1, n)[wrong]
    assert (memorised.argmax(1) == (labels[wrong] + 1) % n).all()


def test_wrong_grids_and_frequencies_are_named():
    for score in (logit_profile, lambda x: sum_variance_explained(x, [1])):
        with pytest.raises(ValueError, match=r"shape \(5, 5, 4\); expected \(n, n, n\)"):
            score(noise(5, 5, 4))
    for part in (restricted, excluded):
        with pytest.raises(ValueError, match=r"shape \(5, 4, 5\); expected \(n, n, output\) with n of 2"):
            part(noise(5, 4, 5), [1])
        with pytest.raises(ValueError, match=r"shape \(1, 1, 1\)"):
            part(noise(1, 1, 1), [])
    for part in (restricted, excluded, sum_variance_explained):
        with pytest.raises(ValueError, match=r"no frequencies \[0, 4\]; expected whole .* n//2 = 3"):
            part(noise(7, 7, 7), [0, 3, 4])
    for score in (spectrum_norms, spectrum_gini):
        with pytest.raises(ValueError, match=r"matrix has shape \(1, 3\)"):
            score(noise(1, 3))
    for shape in ((3, 4), (1, 1)):
        with pytest.raises(ValueError, match=r"expected \(n, n\) with n of 2"):
            distance_irrelevance(noise(*shape))


@SIZES
@DTYPES
def test_distance_irrelevance_is_the_defining_loop(n, dtype):
    correct = noise(n, n, seed=n).astype(dtype)
    deviations = []
    for d in range(n):
        pairs = [float(correct[i, j]) for i in range(n) for j in range(n) if (i - j) % n == d]
        assert len(pairs) == n
        deviations.append(np.std(pairs))
    expected = np.mean(deviations) / np.std(correct.astype(np.float64))
    assert distance_irrelevance(correct) == pytest.approx(expected, rel=1e-5)
    assert distance_irrelevance(-3 * correct + 7) == pytest.approx(expected, rel=1e-5)


def test_distance_irrelevance_tells_pizza_from_clock():
    i, j = np.ogrid[:12, :12]
    pizza = np.abs(np.cos(np.pi * 5 * (i - j) / 12))
    assert distance_irrelevance(pizza) == pytest.approx(0, abs=1e-9)
    clock = 3 + 0.1 * np.random.default_rng(0).normal(size=(59, 59))
    assert 0.95 < distance_irrelevance(clock) <= 1
    assert distance_irrelevance(np.cos(2 * np.pi * (np.ogrid[:11, :11][0] + np.arange(11)) / 11)) <= 1
    for nothing in (np.zeros((5, 5)), np.full((5, 5), np.float32(0.1)), np.where(i == 3, np.nan, pizza)):
        assert math.isnan(distance_irrelevance(nothing))


@DTYPES
def test_symmetricity_is_the_mean_cosine(dtype):
    left, right = noise(40, 6).astype(dtype) - 2, noise(40, 6, seed=1).astype(dtype) - 1
    left[3], right[7] = 0, 0
    cosines = [
        sum(a * b) / math.sqrt(sum(a * a) * sum(b * b))
        for a, b in zip(left.astype(np.float64), right.astype(np.float64), strict=True)
        if a.any() and b.any()
    ]
    assert len(cosines) == 38
    assert gradient_symmetricity(left, right) == pytest.approx(np.mean(cosines), rel=1e-5)
    assert gradient_symmetricity(left, 2 * left) == pytest.approx(1)
    assert gradient_symmetricity(left, -left) == pytest.approx(-1)
    tiny = dtype(1e-30 if dtype == np.float32 else 1e-250)
    assert gradient_symmetricity(tiny * left, tiny * right) == pytest.approx(np.mean(cosines), rel=1e-4)


def test_symmetricity_without_gradients():
    for left in (np.zeros((3, 2)), np.empty((0, 2)), np.array([[1.0, np.nan]]), np.array([[np.inf, 1.0]])):
        assert math.isnan(gradient_symmetricity(left, np.ones_like(left)))
    assert math.isnan(gradient_symmetricity(np.ones((3, 2)), np.zeros((3, 2))))
    with pytest.raises((ValueError, TypeError), match="3"):  # a TypeError where shapes are type-checked
        gradient_symmetricity(np.ones((3, 2)), np.ones((4, 2)))
    with pytest.raises(ValueError, match=r"gradients of shapes \(3, 0\)"):
        gradient_symmetricity(np.ones((3, 0)), np.ones((3, 0)))


@DTYPES
def test_cross_entropy_is_the_logarithm_of_the_softmax(dtype):
    logits, labels = noise(30, 5).astype(dtype), np.random.default_rng(1).integers(0, 5, 30)
    expected = [
        -math.log(math.exp(row[label]) / sum(math.exp(x) for x in row))
        for row, label in zip(logits.tolist(), labels.tolist(), strict=True)
    ]
    losses = cross_entropy(logits, labels)
    assert losses.dtype == np.float64
    np.testing.assert_allclose(losses, expected, rtol=1e-9)
    np.testing.assert_allclose(cross_entropy(logits + dtype(1024), labels), expected, rtol=1e-3)
    grid = noise(6, 6, 5)
    assert cross_entropy(grid.reshape(-1, 5), np.zeros(36, int)).shape == (36,)


def test_cross_entropy_of_extremes():
    rows = np.array(
        [[1e4, 0.0, 0.0], [0.0, 1e4, 0.0], [100.0, 0.0, -np.inf], [-np.inf, 0.0, 0.0], [5.0, 5.0, 5.0]]
    )
    losses = cross_entropy(rows, np.zeros(5, int))
    np.testing.assert_allclose(losses, [0, 1e4, math.exp(-100), np.inf, math.log(3)], rtol=1e-12)
    assert cross_entropy(np.ones((2, 1)), np.zeros(2, int)).tolist() == [0, 0]
    assert cross_entropy(np.empty((0, 3)), np.empty(0, int)).shape == (0,)
    assert np.isnan(cross_entropy(np.array([[np.nan, 0.0]]), np.array([1]))).all()
    for labels in ([0, 3], [-1, 0]):
        with pytest.raises(ValueError, match=f"labels from {min(labels)} to {max(labels)}; expected 0 to 2"):
            cross_entropy(np.ones((2, 3)), np.array(labels))
    with pytest.raises((ValueError, TypeError), match="3"):  # a TypeError where shapes are type-checked
        cross_entropy(np.ones((2, 3)), np.zeros(3, int))

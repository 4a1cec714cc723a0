"""Grid scores against explicit cosine bases and sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.activity import (
    activation_scores,
    explained_by_one_frequency,
    frequency_clusters,
    frequency_profile,
    with_harmonics,
)

SCORES = {
    "ipr": lambda acts: activation_scores(acts)["activation_ipr"],
    "explained": lambda acts: explained_by_one_frequency(acts)[0],
    "explained_by_sum": lambda acts: activation_scores(acts)["sum_share"],
    "first_of_profile": lambda acts: frequency_profile(acts)[:, 0],
}
score = pytest.mark.parametrize("score", SCORES.values(), ids=SCORES)


def explained_by_sum(acts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The scores of the sum's direction."""
    scores = activation_scores(acts)
    return scores["sum_share"], scores["sum_frequency"]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """Gaussian activations around 2."""
    return np.random.default_rng(seed).normal(2, 1, shape)


def share_in(basis: np.ndarray, acts: np.ndarray) -> float:
    """Share of the variance in the span of the basis ``(element, left, right)``, by least squares."""
    columns = basis.reshape(len(basis), -1).T
    y = acts.ravel() - acts.mean()
    fitted = columns @ np.linalg.lstsq(columns, y, rcond=None)[0]
    return float(fitted @ fitted / (y @ y))


def products(n: int, k: int) -> np.ndarray:
    """The nine products of 1, cos and sin of each operand."""
    w = 2 * np.pi * k * np.arange(n) / n
    waves = np.stack([np.ones(n), np.cos(w), np.sin(w)])
    return np.einsum("ia,jb->ijab", waves, waves).reshape(9, n, n)


def sum_waves(n: int, k: int) -> np.ndarray:
    """cos and sin of the sum."""
    w = 2 * np.pi * k * np.add.outer(np.arange(n), np.arange(n)) / n
    return np.stack([np.cos(w), np.sin(w)])


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 7, 8, 11, 12])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_explained_shares_are_projections(n, dtype):
    acts = noise(3, n, n, seed=n).astype(dtype)
    close = pytest.approx if dtype == np.float64 else lambda x: pytest.approx(x, rel=1e-4)
    profile = frequency_profile(acts)
    assert (profile.shape, profile.dtype) == ((3, n // 2), dtype)
    for basis, found in (
        (products, explained_by_one_frequency(acts)),
        (sum_waves, explained_by_sum(acts)),
    ):
        for neuron, (share, frequency) in enumerate(zip(*found, strict=True)):
            shares = [share_in(basis(n, k), acts[neuron].astype(np.float64)) for k in range(1, n // 2 + 1)]
            assert share == close(max(shares))
            assert frequency == np.argmax(shares) + 1
            if basis is products:
                assert profile[neuron].tolist() == close(shares)


@pytest.mark.parametrize("n", [5, 6, 12])
def test_profile_adds_up_but_for_products_of_two_frequencies(n):
    w = 2 * np.pi * np.arange(n) / n
    one, two = np.cos(w[:, None] - w + 0.3), np.sin(2 * w)[:, None] + 0 * w
    mixed = np.cos(w)[:, None] * np.cos(2 * w)
    variances = [x.var() for x in (one, two, mixed)]
    for acts, known in ((one + two, 1), (one + two + mixed, sum(variances[:2]) / sum(variances))):
        profile = frequency_profile(acts[None])[0]
        assert profile.sum() == pytest.approx(known)
        assert profile[0] / profile[1] == pytest.approx(variances[0] / variances[1])
    assert (frequency_profile(noise(20, n, n)).sum(1) <= 1 + 1e-12).all()


def test_sums_are_told_from_differences_and_products():
    w = 2 * np.pi * 5 * np.arange(12) / 12
    acts = np.stack(
        [
            np.sin(w[:, None] + w),
            np.cos(w[:, None] - w),
            np.outer(np.cos(w), np.cos(w)),
            np.cos(w) + 0 * w[:, None],
        ]
    )
    share, frequency = explained_by_sum(7 + acts)
    np.testing.assert_allclose(share, [1, 0, 0.5, 0], atol=1e-12)
    assert frequency[[0, 2]].tolist() == [5, 5]
    np.testing.assert_allclose(explained_by_one_frequency(7 + acts)[0], 1)


def test_nyquist_is_a_sum_and_a_difference():
    signs = (-1.0) ** np.add.outer(np.arange(6), np.arange(6))
    assert explained_by_sum(signs[None])[0].tolist() == [pytest.approx(1)]
    assert explained_by_sum(signs[None])[1].tolist() == [3]
    np.testing.assert_allclose(frequency_profile(signs[None]), [[0, 0, 1]], atol=1e-12)
    np.testing.assert_allclose(frequency_profile(3 * np.ones((1, 2, 2)) - 2 * np.eye(2)), [[1]])


@pytest.mark.parametrize("k", [1, 5, 6])
def test_every_frequency_is_found_the_highest_too(k):
    w = 2 * np.pi * k * np.arange(13) / 13
    acts = 5 + np.cos(w[:, None] + w + 0.4) + 0.3 * np.sin(w)
    share, frequency = explained_by_one_frequency(acts[None])
    assert (float(share[0]), int(frequency[0])) == (pytest.approx(1), k)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 7])
def test_ipr_is_that_of_the_defining_sum(n):
    acts = noise(1, n, n)
    full = {}
    for k in range(n):
        for m in range(n):
            angle = k * np.arange(n)[:, None] / n + m * np.arange(n) / n
            full[k, m] = abs((acts[0] * np.exp(-2j * np.pi * angle)).sum()) ** 2
    pairs = {frozenset([(k, m), (-k % n, -m % n)]): full[k, m] for k, m in full}
    once = np.array([value for pair, value in pairs.items() if (0, 0) not in pair])
    np.testing.assert_allclose(activation_scores(acts)["activation_ipr"], (once**2).sum() / once.sum() ** 2)


def test_ipr_of_known_waves():
    w = 2 * np.pi * 3 * np.arange(11) / 11
    acts = np.stack([np.cos(w[:, None] + w), np.cos(w[:, None]) + 0 * w, np.cos(w[:, None]) * np.cos(w)])
    np.testing.assert_allclose(activation_scores(acts)["activation_ipr"], [1, 1, 0.5])


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
    assert explained_by_sum(acts)[1][2:].tolist() == [0, 0]


@score
@given(
    scale=st.floats(1e-3, 1e3), shift=st.floats(-5, 5), steps=st.tuples(st.integers(0, 8), st.integers(0, 8))
)
def test_scores_ignore_scale_shift_and_rotation(score, scale, shift, steps):
    acts = noise(3, 9, 9)
    values = score(acts)
    assert ((values > 0) & (values <= 1)).all()
    np.testing.assert_allclose(score(scale * np.roll(acts, steps, (1, 2)) + shift), values, atol=1e-9)


@pytest.mark.parametrize("n", [2, 5, 6, 7, 12, 13])
@pytest.mark.parametrize("harmonics", [1, 2, 3, 4, 30])
def test_harmonics_are_counted_once_each(n, harmonics):
    generator = np.random.default_rng(n)
    profile = generator.dirichlet(np.ones(n // 2 + 1), 40)[:, :-1]
    frequency = generator.integers(0, n // 2 + 1, 40)
    profile[frequency == 0] = np.nan
    share = with_harmonics(profile, frequency, n=n, harmonics=harmonics)
    assert 0 < (frequency == 0).sum() < 40
    for neuron, f in enumerate(frequency):
        folded = {min(m * f % n, -m * f % n) for m in range(1, harmonics + 1)} - {0}
        expected = sum(profile[neuron, k - 1] for k in folded) if f else np.nan
        assert share[neuron] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("k", [1, 31, 48])
def test_even_harmonics_of_a_relu_belong_to_its_frequency(k):
    w = 2 * np.pi * k * np.arange(97) / 97
    profile = frequency_profile(np.maximum(np.cos(w[:, None] + w + 0.3), 0)[None])
    # The Fourier series of the half-wave: variances 1/8 at k and (2 / (pi (4m^2 - 1)))^2 / 2 at 2mk.
    parts = [1 / 8, *((2 / (np.pi * (4 * m * m - 1))) ** 2 / 2 for m in (1, 2))]
    for harmonics, known in ((1, 1), (2, 2), (3, 2), (4, 3)):
        share = with_harmonics(profile, np.array([k]), n=97, harmonics=harmonics)
        assert share[0] == pytest.approx(sum(parts[:known]) / (1 / 4 - 1 / np.pi**2), abs=2e-3)


def test_products_of_a_frequency_and_its_harmonic_are_left_out():
    w = 2 * np.pi * 5 * np.arange(31) / 31
    acts = np.maximum(np.cos(w)[:, None] + np.cos(w), 0)
    power = np.abs(np.fft.fft2(acts - acts.mean())) ** 2
    folded = np.minimum(np.arange(31), 31 - np.arange(31)).tolist()
    inside = [
        power[a, b]
        for a in range(31)
        for b in range(31)
        if len({folded[a], folded[b]} - {0}) == 1
        and max(folded[a], folded[b]) in (5, 10, 15, 11)  # 20 folds to 11
    ]
    share = with_harmonics(frequency_profile(acts[None]), np.array([5]), n=31)
    assert share[0] == pytest.approx(sum(inside) / power.sum())
    assert 0.99 < share[0] < 0.999


def test_clusters_are_the_neurons_above_the_share():
    generator = np.random.default_rng(3)
    frequency, share = generator.integers(0, 5, 60), 0.7 + 0.3 * generator.random(60)
    share[:5] = np.nan
    frequency[10], share[10] = 2, 0.85
    clusters = frequency_clusters(frequency, share)
    expected: dict[int, list[int]] = {}
    for neuron in range(60):
        if frequency[neuron] > 0 and share[neuron] >= 0.85:
            expected.setdefault(int(frequency[neuron]), []).append(neuron)
    assert {k: neurons.tolist() for k, neurons in clusters.items()} == expected
    assert list(clusters) == [1, 2, 3, 4]
    assert 10 in clusters[2]
    assert frequency_clusters(np.zeros(2, int), np.array([np.nan, 1.0])) == {}
    assert list(frequency_clusters(np.array([1, 2]), np.array([0.84, 0.85]))) == [2]


def test_diverged_neurons_are_nan_and_silent():
    acts = noise(3, 5, 5)
    acts[0, 0, 0], acts[1, 2, 3] = np.nan, np.inf
    for score in SCORES.values():
        assert np.isnan(score(acts)).tolist() == [True, True, False]


def test_silence_is_counted_in_exact_zeros():
    acts = np.maximum(noise(3, 6, 6) - 2, 0)
    np.testing.assert_allclose(activation_scores(acts)["silent"], [(a == 0).sum() / 36 for a in acts])
    assert activation_scores(np.zeros((1, 2, 2)))["silent"].tolist() == [1]


def test_wrong_grids_are_named():
    with pytest.raises(ValueError, match=r"shape \(1, 4, 5\); expected \(neuron, n, n\)"):
        explained_by_one_frequency(noise(1, 4, 5))
    with pytest.raises(ValueError, match=r"shape \(1, 0, 5\)"):
        activation_scores(noise(1, 0, 5))
    for explained in (explained_by_one_frequency, activation_scores, frequency_profile):
        with pytest.raises(ValueError, match=r"shape \(1, 1, 1\); expected \(neuron, n, n\) with n of 2"):
            explained(noise(1, 1, 1))


@pytest.mark.parametrize(
    ("profile", "frequency", "n", "harmonics", "message"),
    [
        (np.ones((2, 3)), [1, 1], 9, 4, r"shape \(2, 3\); expected \(neuron, 4\) for n=9"),
        (np.ones((2, 0)), [0, 0], 1, 4, "n=1 of 2 or more"),
        (np.ones((2, 4)), [1, 5], 9, 4, "from 1 to 5; expected 0 to n//2 = 4"),
        (np.ones((2, 4)), [-1, 1], 9, 4, "from -1 to 1"),
        (np.ones((2, 4)), [1, 1], 9, 0, "harmonics=0"),
    ],
)
def test_wrong_harmonics_are_named(profile, frequency, n, harmonics, message):
    with pytest.raises(ValueError, match=message):
        with_harmonics(profile, np.array(frequency), n=n, harmonics=harmonics)


def test_wrong_clusters_are_named():
    with pytest.raises((ValueError, TypeError), match="2"):  # a TypeError where shapes are type-checked
        frequency_clusters(np.array([1, 2]), np.array([0.5]))
    with pytest.raises((ValueError, TypeError), match="2"):  # a TypeError where shapes are type-checked
        with_harmonics(np.ones((3, 2)), np.array([1, 2]), n=5)


@pytest.mark.parametrize("n", [2, 5, 8, 13])
def test_several_scores_from_one_transform_are_the_single_ones(n):
    acts = np.random.default_rng(n).normal(size=(6, n, n))
    acts[2] = 1.0
    kept = acts.copy()
    scores, (share, frequency) = activation_scores(acts), explained_by_one_frequency(acts)
    assert np.array_equal(scores["activation_share"], share, equal_nan=True)
    assert np.array_equal(scores["activation_frequency"], frequency)
    harmonics = with_harmonics(frequency_profile(acts), frequency, n=n)
    assert np.array_equal(scores["activation_harmonics"], harmonics, equal_nan=True)
    assert np.array_equal(acts, kept)


@pytest.mark.parametrize("n", [2, 3, 7, 8, 9, 12])
@pytest.mark.parametrize("steps", [(1, 1), (2, 1), (1, 3), (2, 2), (3, 2), (2, 4)])
def test_with_steps_the_operands_have_multiples_of_the_frequency(n: int, steps: tuple[int, int]) -> None:
    """Each wave of one operand, of the sum and of the difference counts once, by a loop over the whole transform."""
    acts = np.random.default_rng(n).normal(size=(3, n, n))
    spectrum = np.abs(np.fft.fft2(acts)) ** 2
    spectrum[:, 0, 0] = 0
    total = spectrum.sum((1, 2))
    scores, profile = activation_scores(acts, steps), frequency_profile(acts, steps)
    sums = []
    for k in range(1, n // 2 + 1):
        s, t = steps[0] * k, steps[1] * k
        block = {(i * s % n, j * t % n) for i in (-1, 0, 1) for j in (-1, 0, 1)}
        np.testing.assert_allclose(profile[:, k - 1], sum(spectrum[:, i, j] for i, j in block) / total)
        both = (
            {(s % n, t % n), (-s % n, -t % n)} if s % n and t % n else set()
        )  # else it is one operand's alone
        sums.append(sum((spectrum[:, i, j] for i, j in both), np.zeros(3)) / total)
    np.testing.assert_allclose(scores["sum_share"], np.max(sums, 0))
    np.testing.assert_array_equal(scores["sum_frequency"], np.argmax(sums, 0) + 1)
    np.testing.assert_allclose(scores["activation_share"], profile.max(1))
    np.testing.assert_array_equal(explained_by_one_frequency(acts, steps)[1], profile.argmax(1) + 1)
    assert (scores["sum_share"] <= scores["activation_share"] + 1e-12).all()


def test_a_neuron_of_powers_is_explained_by_one_frequency_of_the_answer() -> None:
    """(cos 2wa + cos wb)^2, as in a network of a**2 * b, has half of its variance in no (k, k)."""
    n = 30
    w = 2 * np.pi * 7 * np.arange(n) / n
    acts = ((np.cos(2 * w)[:, None] + np.cos(w)) ** 2)[None]
    scores, without = activation_scores(acts, (2, 1)), activation_scores(acts)
    assert scores["sum_frequency"].tolist() == scores["activation_frequency"].tolist() == [7]
    assert scores["sum_share"][0] > 0.3 > 0.01 > without["sum_share"][0]
    assert scores["activation_harmonics"][0] > 0.99

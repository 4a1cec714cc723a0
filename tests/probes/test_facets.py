"""Lobes against dense curves and loops; clusters against planted ones, and clouds of one peak."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from probes.facets import FEWEST_POINTS, clusters, lobes, valley_p_value


def peaks_of(curve):
    """Indices of the local maxima of a closed curve, by a loop."""
    n = len(curve)
    return [i for i in range(n) if curve[i - 1] < curve[i] >= curve[(i + 1) % n]]


@pytest.mark.parametrize("n", [21, 22, 31])
def test_a_cosine_has_as_many_lobes_as_cycles_and_they_are_where_it_peaks(n):
    phase = np.random.default_rng(n).uniform(0, 2 * np.pi)
    for k in range(1, (n - 1) // 2 + 1):
        result = lobes(np.cos(2 * np.pi * k * np.arange(n) / n + phase))
        assert len(result.peaks) == k
        assert np.abs(np.cos(2 * np.pi * k * result.peaks / n + phase) - 1).max() < 0.1 * k / n * 30
        assert (result.prominence > 0.9).all()


@pytest.mark.parametrize("activation", ["square", "relu", "abs"])
def test_lobes_of_neurons_of_two_cosines_are_those_of_the_formula(activation):
    n, generator = 23, np.random.default_rng(0)
    act = {"square": np.square, "relu": lambda x: np.maximum(x, 0), "abs": np.abs}[activation]
    for k in range(1, 12):
        first, second = generator.uniform(0, 2 * np.pi, 2)
        grid = np.array(
            [
                [
                    act(np.cos(2 * np.pi * k * a / n + first) + np.cos(2 * np.pi * k * b / n + second))
                    for b in range(n)
                ]
                for a in range(n)
            ]
        )
        answers = np.array([np.mean([grid[a, (c - a) % n] for a in range(n)]) for c in range(n)])
        assert len(lobes(answers).peaks) == k
        twice = min(2 * k, n - 2 * k) if 2 * k > n / 2 else 2 * k
        assert len(lobes(grid.mean(1)).peaks) == (k if activation == "relu" else twice)


def test_small_peaks_are_no_lobes_and_every_position_belongs_to_the_next_peak():
    n = 40
    x = 2 * np.pi * np.arange(n) / n
    dense = np.linspace(0, 2 * np.pi, 4000, endpoint=False)
    for size in (0.3, 0.9, 1.5):
        curve = np.cos(dense) + size * np.cos(2 * dense)
        tops = peaks_of(curve)
        deepest = curve.min()
        valleys = sorted(curve[i] for i in peaks_of(-curve))
        small = min(curve[i] for i in tops) - valleys[-1] if len(tops) > 1 else 0.0
        expected = 1 + (small / (curve.max() - deepest) >= 0.3 if len(tops) > 1 else 0)
        result = lobes(np.cos(x) + size * np.cos(2 * x))
        assert len(result.peaks) == expected
        for position in range(n):
            away = [min(abs(position - peak), n - abs(position - peak)) for peak in result.peaks]
            assert away[result.lobe[position]] == pytest.approx(min(away))
    everything = lobes(np.cos(x) + 1.5 * np.cos(2 * x), prominence=1e-3)
    assert len(everything.peaks) == 2


def test_a_constant_has_no_lobe_and_bad_profiles_are_refused():
    assert len(lobes(np.full(7, 3.0)).peaks) == 0
    assert lobes(np.zeros(7)).lobe.tolist() == [-1] * 7
    for profile, prominence in (
        (np.ones(2), 0.3),
        (np.array([1.0, np.nan, 2.0]), 0.3),
        (np.arange(9.0), 0.0),
    ):
        with pytest.raises(ValueError, match=r"expected 3 or more|is not in"):
            lobes(profile, prominence)


def test_lobes_do_not_depend_on_where_the_circle_begins():
    profile = np.random.default_rng(1).normal(size=29)
    first = lobes(profile)
    for shift in (1, 10):
        moved = lobes(np.roll(profile, shift))
        assert sorted(np.round((moved.peaks - shift) % 29, 6)) == pytest.approx(
            sorted(np.round(first.peaks, 6))
        )
        assert sorted(moved.height) == pytest.approx(sorted(first.height))


def planted(n, k, distance, seed, features=8):
    generator = np.random.default_rng(seed)
    label = np.arange(n) % k
    return generator.normal(size=(n, features)) + distance * np.eye(features)[label], label


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_planted_clusters_are_counted(k):
    counted = []
    for seed in range(2):
        points, label = planted(120, k, 7.0, seed)
        result = clusters(points, seed=seed)
        counted.append(result.n_clusters)
        if k > 1:
            assert adjusted_rand_score(label, result.label) > 0.95
            assert result.stability > 0.9
    assert counted == [k] * 2


def test_the_silhouette_is_that_of_a_loop():
    points, _ = planted(60, 2, 6.0, 0, features=3)
    result = clusters(points)
    values = []
    for i in range(60):
        distance = np.linalg.norm(points - points[i], axis=1)
        own = np.delete(distance, i)[np.delete(result.label, i) == result.label[i]].mean()
        other = distance[result.label != result.label[i]].mean()
        values.append((other - own) / max(own, other))
    assert result.best == 2
    assert result.silhouettes[2] == pytest.approx(np.mean(values))


CLOUDS = {
    "gaussian": lambda g: g.normal(size=(90, 6)) * 2.0 ** -np.arange(6),
    "uniform": lambda g: g.uniform(size=(90, 2)),
    "skewed": lambda g: g.exponential(size=(90, 5)),
    "heavy": lambda g: g.standard_t(2, size=(90, 3)),
}


@pytest.mark.parametrize("name", CLOUDS)
def test_clouds_of_one_peak_are_rarely_rejected(name):
    generator = np.random.default_rng(3)
    rejected = [valley_p_value(CLOUDS[name](generator), seed=i) <= 0.05 for i in range(6)]
    assert sum(rejected) <= 1  # at a rate of 5 % in 97 of 100 draws of seeds


def test_the_p_value_of_points_without_a_middle_is_binomial():
    points = np.array([[0.0], [1.0]] * 30) + 1e-3 * np.random.default_rng(0).normal(size=(60, 1))
    sides = np.sort(points[:, 0])[29:31]
    assert sides[1] - sides[0] > 0.9
    fewer_side = np.log2(
        2 / valley_p_value(points)
    )  # 30 points a side, as far as halves choose the same larger one
    assert fewer_side == pytest.approx(round(fewer_side), abs=1e-6)
    assert 24 <= fewer_side <= 30


def test_points_that_cannot_be_clustered():
    assert clusters(np.ones((40, 3))).n_clusters == 1
    assert clusters(np.ones((40, 3))).best == 1
    with pytest.raises(ValueError, match=f"{FEWEST_POINTS} or more"):
        clusters(np.zeros((FEWEST_POINTS - 1, 2)))
    with pytest.raises(ValueError, match="finite"):
        valley_p_value(np.full((40, 2), np.nan))
    with pytest.raises(ValueError, match="most=1"):
        clusters(np.random.default_rng(0).normal(size=(40, 2)), most=1)
    outlier = np.random.default_rng(0).normal(size=(60, 2))
    outlier[0] = 100.0
    assert clusters(outlier).n_clusters == 1

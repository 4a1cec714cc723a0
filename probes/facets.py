"""Facets of a neuron: lobes of its activation around a circle, and clusters of the inputs that excite it most."""

from __future__ import annotations

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import scipy.signal
from jaxtyping import Float, Int
from scipy import stats

PROMINENCE = 0.3
"""Of a lobe, as a share of the profile's range. A cosine with noise of a third of its standard deviation keeps its."""
REFINED = 16  # points between neighbouring positions that are looked at
FEWEST_POINTS = 20
MOST_COMPONENTS, MOST_CLUSTERS = 10, 6
LEAST_SHARE = 0.1  # of the points in each cluster: a few outliers are no facet
STARTS = 3  # of k-means
SPLITS = 3  # into halves; twice the median of their p-values is a p-value
LEVEL = 0.05


class Lobes(NamedTuple):
    """Peaks of a profile around a circle, in order.

    Attributes:
        peaks: Position of each, a number from 0 to below n; between two positions where the curve is highest there.
        height: Of the curve at each peak, in the profile's unit.
        prominence: Height above the higher of the two lowest points that part it from higher peaks, as a share of the
            profile's range; in (0, 1].
        lobe: The lobe that each position belongs to: the one of the peak that is next to it. -1 where there is none.
    """

    peaks: Float[np.ndarray, " peak"]
    height: Float[np.ndarray, " peak"]
    prominence: Float[np.ndarray, " peak"]
    lobe: Int[np.ndarray, " position"]


def lobes(profile: Float[np.ndarray, " position"], prominence: float = PROMINENCE) -> Lobes:
    """The lobes of a profile over n positions around a circle.

    The positions are joined by the smoothest curve through them, the trigonometric polynomial of lowest degree; a lobe
    is a peak of it with at least so much prominence. A cosine of any frequency k below n/2 has exactly k lobes, also
    where its peaks fall between positions. Of neurons φ(cos(kx) + cos(ky)) the mean over y has k lobes along x for a
    monotone φ; for the square it is the square of the cosine, which on n positions has 2k lobes, or n - 2k where 2k is
    above n/2. Along x + y the mean has k lobes for the square, the absolute value and ReLU.

    Assumes that the positions are in an order that means something; a count says nothing where shuffled positions do
    as well, see `probes.orders.order_p_values`. A profile that is constant to rounding has none.

    Args:
        profile: For example the mean activation at each residue.
        prominence: Least one of a lobe, as a share of the range; in (0, 1].

    Raises:
        ValueError: Fewer than 3 positions, a number that is not finite, or a prominence outside (0, 1].

    Example:
        >>> x = 2 * np.pi * np.arange(23) / 23
        >>> [len(lobes(np.cos(k * x + 1)).peaks) for k in (1, 5, 11)], len(lobes(np.cos(8 * x) ** 2).peaks)
        ([1, 5, 11], 7)
    """
    n = len(profile)
    if n < 3 or not np.isfinite(profile).all():
        raise ValueError(
            f"the profile has {n} positions, finite: {bool(np.isfinite(profile).all())}; expected 3 or more"
        )
    if not 0 < prominence <= 1:
        raise ValueError(f"prominence={prominence} is not in (0, 1]")
    profile = profile.astype(np.float64)
    if np.ptp(profile) <= 1e-9 * np.abs(profile).max():
        return Lobes(np.zeros(0), np.zeros(0), np.zeros(0), np.full(n, -1))
    curve = scipy.signal.resample(profile, n * REFINED)
    span, start = np.ptp(curve), int(curve.argmin())
    opened = np.append(np.roll(curve, -start), curve[start])  # from the lowest point once round
    places, properties = scipy.signal.find_peaks(opened, prominence=(1 - 1e-9) * prominence * span)
    peaks = (places + start) % len(curve) / REFINED
    order = np.argsort(peaks)
    peaks = peaks[order]
    distance = np.abs((np.arange(n)[:, None] - peaks + n / 2) % n - n / 2)
    sizes = properties["prominences"][order] / span
    return Lobes(peaks, opened[places][order], np.minimum(sizes, 1.0), distance.argmin(1))


class Clusters(NamedTuple):
    """Clusters of points, and if there is more than one.

    Attributes:
        n_clusters: `best`, or 1 where no valley was shown between two.
        label: The cluster of each point among `best`, by size, the largest first.
        silhouettes: Mean silhouette by number of clusters, of those whose every cluster is large enough.
        best: The number with the largest silhouette, in [-1, 1]; 1 where none is eligible.
        p_value: Of a cloud with one peak; see `valley_p_value`.
        stability: Adjusted Rand index, at most 1 and about 0 by chance, of two clusterings of each half of the points
            into `best` clusters: the half's own, and that of the other half. nan where none is eligible.
    """

    n_clusters: int
    label: Int[np.ndarray, " point"]
    silhouettes: dict[int, float]
    best: int
    p_value: float
    stability: float


def clusters(
    points: Float[np.ndarray, "point feature"],
    *,
    most: int = MOST_CLUSTERS,
    components: int = MOST_COMPONENTS,
    level: float = LEVEL,
    seed: int = 0,
) -> Clusters:
    """The number of clusters of points, by k-means and silhouette, and 1 unless there is a valley between two.

    Points are projected on their principal components. Of 2 to `most` clusters the number with the largest mean
    silhouette is taken, among those whose every cluster holds a tenth of the points. A silhouette is positive for a
    single cloud too, so the number counts only where `valley_p_value` rejects one with a single peak; else it is 1.
    This test is about one cluster against several: which number above 1 is right only the silhouette says.

    Args:
        most: Clusters, at most; 2 or more.
        components: Principal components that are kept, at most; a third of the number of points at most.
        level: p-value from which there is more than one.
        seed: Of k-means and of the halves.

    Raises:
        ValueError: Fewer than `FEWEST_POINTS` points, a number that is not finite, or an argument out of range.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> cloud = generator.normal(size=(90, 5))
        >>> apart = cloud + 8 * np.eye(5)[np.arange(90) % 3]
        >>> clusters(cloud).n_clusters, clusters(apart).n_clusters
        (1, 3)
    """
    n = _check_points(points)
    if most < 2 or components < 1 or not 0 < level < 1:
        raise ValueError(
            f"most={most}, components={components}, level={level}; expected at least 2, at least 1, and one in (0, 1)"
        )
    generator = np.random.default_rng(seed)
    scores = _principal(points, min(components, n // 3))
    silhouettes, labels = _silhouettes(scores, most, generator)
    if not silhouettes:
        return Clusters(1, np.zeros(n, int), {}, 1, 1.0, np.nan)
    best = max(silhouettes, key=lambda k: silhouettes[k])
    p_value = valley_p_value(points, most=most, components=components, seed=seed)
    stability = _stability(scores, best, generator)
    n_clusters = best if p_value <= level else 1
    return Clusters(n_clusters, _by_size(labels[best]), silhouettes, best, p_value, stability)


def valley_p_value(
    points: Float[np.ndarray, "point feature"],
    *,
    most: int = MOST_CLUSTERS,
    components: int = MOST_COMPONENTS,
    seed: int = 0,
) -> float:
    """p-value of points from a log-concave density, by a valley between two clusters of other points.

    Half of the points is clustered, into the number with the largest silhouette, and chooses the two clusters between
    which its own valley is deepest, with three neighbouring intervals of one width on the line through their centres:
    around either centre, and around their middle. The other half is counted there, without the points beyond planes
    halfway to other centres. A log-concave density, such as a Gaussian, exponential or uniform one, has one peak along
    any line, also in such a convex region, so that the middle holds at least as many as one of the sides, wherever the
    peak is. The p-value is the larger one of two binomial tests, of the middle against either side. Both halves choose
    and are counted in turn, and counts are added: those around the larger cluster, in the middle, and around the
    smaller one. The sum of both is no exact binomial number: on clouds of one peak, skewed and heavy-tailed ones among
    them, at most 1 % of the p-values were below 0.05. The result is twice the median over three draws of halves.

    A cloud that is bent is rejected too: it has one peak, but not along every line.

    Args:
        most: Clusters, at most.
        components: Principal components, at most, in which each half is clustered.
        seed: Of the halves and of k-means.

    Raises:
        ValueError: Fewer than `FEWEST_POINTS` points, or a number that is not finite.

    Example:
        >>> cloud = np.random.default_rng(0).exponential(size=(100, 3))
        >>> apart = cloud + np.array([9.0, 0, 0]) * (np.arange(100) % 2)[:, None]
        >>> valley_p_value(cloud) > 0.05, valley_p_value(apart) < 1e-6
        (True, True)
    """
    _check_points(points)
    generator = np.random.default_rng(seed)
    drawn = [_split_p_value(points, most, components, generator) for _ in range(SPLITS)]
    return min(1.0, 2 * float(np.median(drawn)))


def _split_p_value(
    points: Float[np.ndarray, "point feature"], most: int, components: int, generator: np.random.Generator
) -> float:
    """The same for one draw of halves."""
    halves = np.array_split(generator.permutation(len(points)), 2)
    counts = np.zeros(3, int)
    for chosen, counted in (halves, halves[::-1]):
        own = points[chosen]
        silhouettes, labels = _silhouettes(_principal(own, min(components, len(own) // 3)), most, generator)
        if not silhouettes:
            continue
        label = _by_size(labels[max(silhouettes, key=lambda k: silhouettes[k])])
        centres = np.stack([own[label == k].mean(0) for k in range(label.max() + 1)])
        pairs = list(combinations(range(len(centres)), 2))
        depth = [_binomial(_counts_between(own, centres, *pair)) for pair in pairs]
        counts += _counts_between(points[counted], centres, *pairs[int(np.argmin(depth))])
    return _binomial(counts)


def _counts_between(
    points: Float[np.ndarray, "point feature"],
    centres: Float[np.ndarray, "centre feature"],
    first: int,
    last: int,
) -> Int[np.ndarray, " three"]:
    """Points around a centre, in the middle, and around another centre, on this side of planes to all other centres."""
    line = centres[last] - centres[first]
    inside = np.floor(2 * ((points - centres[first]) @ line) / max(float(line @ line), 1e-300) + 0.5)
    middle = (centres[first] + centres[last]) / 2
    for other in np.delete(centres, [first, last], axis=0) - middle:
        inside[(points - middle) @ other > 0.5 * (other @ other)] = -1
    return np.array([int((inside == side).sum()) for side in (0, 1, 2)])


def _binomial(counts: Int[np.ndarray, " three"]) -> float:
    """The larger p-value of the middle against either side, if all are as likely; 1 without any points."""
    left, middle, right = counts.tolist()
    return float(max(stats.binom.cdf(middle, middle + side, 0.5) for side in (left, right)))


def _check_points(points: np.ndarray) -> int:
    """Number of points; a ValueError if there are too few, or one is not finite."""
    finite = bool(np.isfinite(points).all())
    if len(points) < FEWEST_POINTS or not finite:
        raise ValueError(
            f"{len(points)} points, all finite: {finite}; expected {FEWEST_POINTS} or more finite ones"
        )
    return len(points)


def _principal(
    points: Float[np.ndarray, "point feature"], components: int
) -> Float[np.ndarray, "point component"]:
    """Scores on the principal components that have any variance."""
    centred = points.astype(np.float64) - points.mean(0)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    kept = size[:components] > 1e-9 * max(size[0], np.abs(points).max() * 1e-3, 1e-300)
    return (left * size)[:, :components][:, kept]


def _means(points: np.ndarray, k: int, generator: np.random.Generator) -> Any:
    """K-means of scikit-learn, fitted."""
    from sklearn.cluster import KMeans

    return KMeans(k, n_init=STARTS, random_state=int(generator.integers(2**31))).fit(points)


def _silhouettes(
    points: np.ndarray, most: int, generator: np.random.Generator
) -> tuple[dict[int, float], dict[int, np.ndarray]]:
    """Mean silhouette and labels by number of clusters, of those with no small cluster."""
    from sklearn.metrics import silhouette_score

    least, values, labels = max(2, LEAST_SHARE * len(points)), {}, {}
    for k in range(2, most + 1):
        if k > len(np.unique(points, axis=0)) or k * least > len(points):
            break
        label = _means(points, k, generator).labels_
        if np.bincount(label, minlength=k).min() >= least:
            values[k], labels[k] = float(silhouette_score(points, label)), label
    return values, labels


def _stability(points: np.ndarray, k: int, generator: np.random.Generator) -> float:
    """Agreement of each half's own clusters with those that the other half gives it."""
    from sklearn.metrics import adjusted_rand_score

    halves = np.array_split(generator.permutation(len(points)), 2)
    if any(len(np.unique(points[half], axis=0)) < k for half in halves):
        return float("nan")
    first, second = (_means(points[half], k, generator) for half in halves)
    agreement = [
        adjusted_rand_score(own.labels_, other.predict(points[half]))
        for other, own, half in ((second, first, halves[0]), (first, second, halves[1]))
    ]
    return float(np.mean(agreement))


def _by_size(label: Int[np.ndarray, " point"]) -> Int[np.ndarray, " point"]:
    """The same clusters, numbered by size."""
    rank = np.argsort(-np.bincount(label), kind="stable").argsort()
    return rank[label].astype(np.int64)

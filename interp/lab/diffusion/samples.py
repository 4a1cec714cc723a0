"""Generated pictures: their distance from some images, and their likeness to all images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.distance import cdist
from torch import Tensor

from interp.errors import ConfigError

NEAREST = 0.01
N_BOOTSTRAP = 200


@lru_cache(maxsize=1)
def digits() -> tuple[Tensor, Callable[[np.ndarray], np.ndarray]]:
    """scikit-learn's images with values from -1 to 1, and the hidden layer of a classifier of them."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    images, labels = load_digits(return_X_y=True)
    images = images / 8 - 1
    fitted = MLPClassifier((32,), early_stopping=True, random_state=0).fit(images, labels)
    weights, bias = fitted.coefs_[0], fitted.intercepts_[0]
    return torch.tensor(images, dtype=torch.float32), lambda x: np.maximum(x @ weights + bias, 0)


def frechet(
    first: Float[np.ndarray, "example feature"], second: Float[np.ndarray, "other_example feature"]
) -> float:
    """Fréchet distance between two sets of features, each taken for normal (arXiv 1706.08500); 0 if they are alike.

    It is ``|m - n|² + trace(A + B - 2 (A B)^½)`` for means m, n and covariances A, B of two or more examples each. Few
    examples make it larger.

    Example:
        >>> frechet(np.array([[0.0], [2.0]]), np.array([[3.0], [5.0]]))
        9.0
    """
    if min(len(first), len(second)) < 2:
        raise ConfigError(f"{len(first)} and {len(second)} examples have no covariance; give two or more")
    shift = first.mean(0) - second.mean(0)
    one, two = (np.atleast_2d(np.cov(x.T)) for x in (first, second))
    roots = np.sqrt(np.clip(np.linalg.eigvals(one @ two).real, 0, None))
    return float(max(0.0, shift @ shift + np.trace(one) + np.trace(two) - 2 * roots.sum()))


def copy_limits(
    chosen: Float[np.ndarray, "image pixel"], images: Float[np.ndarray, "example pixel"]
) -> Float[np.ndarray, " image"]:
    """Distance within which a sample counts as a copy of each chosen image: half that of the nearest other image."""
    distance = cdist(chosen, images)
    return np.where(distance > 0, distance, np.inf).min(1) / 2


def near(distance: Float[np.ndarray, "sample image"]) -> float:
    """Mean distance to an image of the 1 % of samples that are nearest to it, averaged over the images.

    Example:
        >>> near(np.array([[1.0, 5.0], [2.0, 3.0]]))
        2.0
    """
    n = max(1, round(NEAREST * len(distance)))
    return float(np.partition(distance, n - 1, axis=0)[:n].mean())


def overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    """True for two intervals that have a value in common.

    Example:
        >>> overlap((1.0, 2.0), (2.0, 3.0)), overlap((2.5, 3.0), (1.0, 2.0)), overlap((0.0, 9.0), (1.0, 2.0))
        (True, False, True)
    """
    return one[0] <= other[1] and other[0] <= one[1]


@dataclass(frozen=True, eq=False)
class Bench:
    """A measure of samples, by the images that are memorised and by all images."""

    memorised: np.ndarray
    images: np.ndarray
    features: Callable[[np.ndarray], np.ndarray]

    def measured(self, samples: Float[np.ndarray, "sample pixel"]) -> dict[str, float]:
        """Share of copies, both `distances`, and the Fréchet distances of the rest and of all to the real images."""
        distance = cdist(samples, self.memorised)
        copies = (distance < copy_limits(self.memorised, self.images)).any(1)
        features, real = self.features(samples), self.features(self.images)
        rest = features[~copies] if (~copies).sum() > 1 else features
        return {
            "copies": float(copies.mean()),
            "near": near(distance),
            "mean": float(distance.min(1).mean()),
            "rest": frechet(rest, real),
            "all": frechet(features, real),
        }

    def interval(self, samples: Float[np.ndarray, "sample pixel"], seed: int) -> tuple[float, float]:
        """The 95 % interval of the nearest samples' distance, if the samples were drawn again (bootstrap)."""
        distance = cdist(samples, self.memorised)
        draws = np.random.default_rng(seed).integers(len(samples), size=(N_BOOTSTRAP, len(samples)))
        low, high = np.quantile([near(distance[draw]) for draw in draws], [0.025, 0.975])
        return float(low), float(high)

"""A linear probe for the parts of an example, such as subject and relation of a fact, with its control."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

MOST_UPDATES = 1000


@dataclass(frozen=True)
class Decoded:
    """Accuracies in [0, 1] of one part, all of examples that the probe was not fitted to.

    Attributes:
        chance: Of always giving the commonest value.
        shuffled: The mean with values dealt anew among the examples.
        p_value: Share of those draws that do as well, of the draws and the probe itself.
    """

    accuracy: float
    chance: float
    shuffled: float
    p_value: float


def decode_parts(
    activations: Float[np.ndarray, "example neuron"],
    parts: Mapping[str, Shaped[np.ndarray, " example"]],
    *,
    groups: Shaped[np.ndarray, " example"] | None = None,
    folds: int = 5,
    n_shuffles: int = 19,
    seed: int = 0,
) -> dict[str, Decoded]:
    """Cross-validated accuracies with which logistic regression reads each part of the examples from activations.

    That a part can be read does not mean that the network uses it: ablate what the probe reads to learn that.

    Args:
        parts: Of each part its value in every example, such as ``{"subject": …, "relation": …}``.
        groups: Examples of one group, such as wordings of one fact, are all fitted to or all held out.
        n_shuffles: Draws of the control; each is fitted and tested as the probe is.

    Raises:
        ValueError: There are other numbers of examples, too few of one value or group for the folds, or activations
            that are no numbers.

    Example:
        >>> numbers = np.random.default_rng(0)
        >>> subject, relation = numbers.integers(4, size=200), numbers.integers(3, size=200)
        >>> activations = np.eye(4)[subject] + 0.1 * numbers.normal(size=(200, 4))
        >>> decoded = decode_parts(activations, {"subject": subject, "relation": relation})
        >>> decoded["subject"].accuracy, decoded["subject"].p_value, decoded["relation"].p_value > 0.05
        (1.0, 0.05, True)
    """
    generator, n = np.random.default_rng(seed), len(activations)
    if not np.isfinite(activations).all():
        raise ValueError("the activations hold NaN or infinity")
    results = {}
    for name, values in parts.items():
        kinds, counts = np.unique(values, return_counts=True)
        if len(values) != n or len(kinds) < 2:
            raise ValueError(
                f"the part {name!r} has {len(values)} values of {len(kinds)} kinds for {n} examples; expected one for "
                "each example, and two kinds or more"
            )
        if groups is None and counts.min() < folds:
            raise ValueError(
                f"{name}={kinds[counts.argmin()]!r} occurs {counts.min()} times; expected {folds}, one for each fold"
            )
        accuracy = _cross_validated(activations, values, groups, folds, seed)
        draws = [
            _cross_validated(activations, generator.permutation(values), groups, folds, seed)
            for _ in range(n_shuffles)
        ]
        p_value = (1 + sum(draw >= accuracy for draw in draws)) / (1 + n_shuffles)
        results[name] = Decoded(accuracy, float(counts.max() / n), float(np.mean(draws)), float(p_value))
    return results


def _cross_validated(
    activations: np.ndarray, values: np.ndarray, groups: Any, folds: int, seed: int
) -> float:
    """Accuracy on examples that were held out of the fit."""
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=MOST_UPDATES))
    split: Any = (
        GroupKFold(folds) if groups is not None else StratifiedKFold(folds, shuffle=True, random_state=seed)
    )
    answers = cross_val_predict(probe, activations, values, groups=groups, cv=split)
    return float((answers == values).mean())

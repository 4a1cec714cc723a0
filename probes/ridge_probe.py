"""A linear probe that is fitted to some examples and asked about others, in closed form."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

PENALTY = 0.01


def ridge_probe(
    activations: Float[np.ndarray, "example neuron"],
    labels: Int[np.ndarray, " example"],
    tested: Float[np.ndarray, "test neuron"],
    n_classes: int,
    *,
    penalty: float = PENALTY,
) -> Float[np.ndarray, "test class"]:
    """Scores of each class for examples that the probe was not fitted to, by ridge regression of the labels.

    Activations are standardised by the examples that are fitted to; neurons that are constant there have no part.
    That a label can be read does not mean that the network uses it: a control is a network that never learnt it.

    Args:
        activations, labels: Of the examples that are fitted to; classes from 0.
        tested: Activations of the others.
        penalty: Above 0, on the squared weights, as a share of the variance of the fitted examples' activations.

    Returns:
        Real numbers, the largest of which is the answer.

    Raises:
        ValueError: There is no example, a label is no class, the penalty is not above 0, or activations are no numbers.

    Example:
        >>> numbers = np.random.default_rng(0)
        >>> labels = numbers.integers(3, size=90)
        >>> activations = np.eye(3)[labels] + 0.1 * numbers.normal(size=(90, 3))
        >>> scores = ridge_probe(activations[:60], labels[:60], activations[60:], 3)
        >>> bool((scores.argmax(1) == labels[60:]).all())
        True
    """
    if not len(activations) or penalty <= 0:
        raise ValueError(f"{len(activations)} examples and a penalty of {penalty}; expected both above 0")
    if labels.min() < 0 or labels.max() >= n_classes:
        raise ValueError(f"labels run from {labels.min()} to {labels.max()}; expected 0 to {n_classes - 1}")
    if not (np.isfinite(activations).all() and np.isfinite(tested).all()):
        raise ValueError("the activations hold NaN or infinity")
    mean, spread = activations.mean(0, dtype=float), activations.std(0, dtype=float)
    live = spread > 1e-12 * max(1.0, float(spread.max(initial=0.0)))
    fitted, asked = ((one[:, live] - mean[live]) / spread[live] for one in (activations, tested))
    target = np.eye(n_classes)[labels]
    share = target.mean(0)
    ridge = penalty * len(fitted)
    if len(fitted) <= fitted.shape[1]:
        inner = fitted @ fitted.T + ridge * np.eye(len(fitted))
        return share + asked @ (fitted.T @ np.linalg.solve(inner, target - share))
    inner = fitted.T @ fitted + ridge * np.eye(fitted.shape[1])
    return share + asked @ np.linalg.solve(inner, fitted.T @ (target - share))

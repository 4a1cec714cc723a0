"""Hyperactive neurons: those that respond to examples outside the domain of their own module."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int


def responses_outside(
    acts: Float[np.ndarray, "example neuron"],
    module: Int[np.ndarray, " neuron"],
    domain: Int[np.ndarray, " example"],
    level: float = 0.0,
) -> Int[np.ndarray, " neuron"]:
    """Number of examples outside its module's domain that each neuron responds to (arXiv 2209.08723).

    Args:
        acts: Activations of all modules' neurons.
        module: The module of each neuron.
        domain: The module that each example belongs to.
        level: A response is an activation above it; 0 counts spikes and active rectified neurons.

    Example:
        >>> acts = np.array([[1.0, 0.0], [2.0, 3.0], [0.5, 0.0]])
        >>> responses_outside(acts, np.array([0, 1]), np.array([0, 1, 1])).tolist()
        [2, 0]
    """
    outside = domain[:, None] != module
    return ((acts > level) & outside).sum(0).astype(np.int64)


def hyperactive(count: Int[np.ndarray, " neuron"], threshold: float) -> Bool[np.ndarray, " neuron"]:
    """Mask of the neurons with so many responses outside, or more.

    Example:
        >>> hyperactive(np.array([0, 3, 5]), 3).tolist()
        [False, True, True]
    """
    return count >= threshold


def thresholds(count: Int[np.ndarray, " neuron"], points: int = 31) -> Float[np.ndarray, " threshold"]:
    """Thresholds from which neurons are silenced: each count that occurs, or evenly spaced ones of these; increasing.

    The first silences all neurons; the last one, infinity, silences none.

    Example:
        >>> thresholds(np.array([0, 0, 0, 2, 4, 6]), 4).tolist()
        [0.0, 4.0, 6.0, inf]
    """
    distinct = np.unique(count).astype(float)
    few = np.unique(np.round(np.linspace(0, len(distinct) - 1, min(points - 1, len(distinct)))).astype(int))
    return np.append(distinct[few], np.inf)


def silenced_at_random(
    silent: Bool[np.ndarray, " neuron"], module: Int[np.ndarray, " neuron"], generator: np.random.Generator
) -> Bool[np.ndarray, " neuron"]:
    """As many random neurons of each module as a mask has there: the control of silencing hyperactive ones.

    Example:
        >>> mask = np.array([True, True, False, False, False, True])
        >>> dealt = silenced_at_random(mask, np.array([0, 0, 0, 1, 1, 1]), np.random.default_rng(0))
        >>> int(dealt[:3].sum()), int(dealt[3:].sum())
        (2, 1)
    """
    result = np.zeros_like(silent)
    for one in np.unique(module):
        own = np.flatnonzero(module == one)
        result[own] = generator.permutation(silent[own])
    return result

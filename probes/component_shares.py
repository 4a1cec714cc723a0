"""Functions of two elements by components of either one, and amplitudes of vectors by component."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from probes.isotypic import ROUNDING, Components


def pair_shares(
    components: Components, grid: Float[np.ndarray, "left right"]
) -> Float[np.ndarray, "left_component right_component"]:
    """The share of a function of two elements by the component of either one, the constant first.

    The mean is left out, so that ``[0, 0]`` is 0 and the sum is 1; nan for a constant function or one with holes.

    Example:
        >>> from probes.finite_group import group_of
        >>> from probes.isotypic import components_of
        >>> sums = np.add.outer(np.arange(5), np.arange(5)) % 5
        >>> shares = pair_shares(components_of(group_of(sums)), np.cos(2 * np.pi * sums / 5))
        >>> round(float(shares.diagonal().max()), 6)
        1.0
    """
    starts = components.starts[:-1]
    squares = np.square(components.basis.T @ grid @ components.basis)
    parts = np.add.reduceat(np.add.reduceat(squares, starts, 0), starts, 1)
    mean, parts[0, 0] = parts[0, 0], 0.0
    total = parts.sum()
    return parts / total if total > ROUNDING * mean else np.full(parts.shape, np.nan)


def amplitudes(
    components: Components, vectors: Sequence[Float[np.ndarray, "neuron element"]]
) -> Float[np.ndarray, "neuron component"]:
    """The amplitude of every component but the constant, root mean square over the vectors, in their units.

    It is √2 times the root mean square of the projection, so that a wave has its own amplitude; of a component of one
    dimension, which has values x and -x, it is x.

    Example:
        >>> from probes.finite_group import group_of
        >>> from probes.isotypic import components_of
        >>> addition = components_of(group_of(np.add.outer(np.arange(5), np.arange(5)) % 5))
        >>> round(float(amplitudes(addition, [3 * np.cos(2 * np.pi * np.arange(5) / 5)[None]]).max()), 6)
        3.0
    """
    squares = [np.square(vector.astype(np.float64) @ components.basis) for vector in vectors]
    parts = np.mean([np.add.reduceat(one, components.starts[:-1], axis=1)[:, 1:] for one in squares], axis=0)
    return np.sqrt(parts * np.minimum(components.sizes[1:], 2) / len(components.basis))

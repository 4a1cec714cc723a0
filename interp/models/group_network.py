"""The closed form of a finite group: a quadratic network that multiplies matrices of its representations."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from jaxtyping import Float, Int

from interp.errors import ConfigError
from interp.models.representations import Representation, faithful, representations_of

Weights = tuple[
    Float[np.ndarray, "element neuron"],
    Float[np.ndarray, "element neuron"],
    Float[np.ndarray, "neuron element"],
]
LARGEST = 1000
"""Elements of a group whose closed form is made."""


def group_weights(
    table: Int[np.ndarray, "left right"], representations: Sequence[int] | None = None, seed: int = 0
) -> Weights:
    """Left, right and output weights of quadratic neurons that compose a group's elements, without any error.

    The logit of c is the trace of ρ(a) ρ(b) ρ(c)ᵀ, summed over the representations, which is largest where ab = c
    (the solution of arXiv 2302.03025). Every product of two entries is ((x + y)² - (x - y)²) / 4, so that a
    representation of d x d matrices takes 2 d³ neurons, all of whose weights lie in its isotypic component.

    Args:
        table: ``table[a, b]`` is the product of a and b.
        representations: Numbers in `representations_of`, from 0; a few small ones that are enough if None.
        seed: Of the basis that the matrices are written in.

    Raises:
        ConfigError: The table is no group's, or the representations do not tell all elements apart.

    Example:
        >>> left, right, output = group_weights(np.add.outer(np.arange(3), np.arange(3)) % 3)
        >>> int((np.square(left[1] + right[1]) @ output).argmax()), output.shape
        (2, (16, 3))
    """
    if len(table) > LARGEST:
        raise ConfigError(f"the group has {len(table):,} elements; at most {LARGEST:,} are handled")
    every = representations_of(table, seed)
    chosen = faithful(every) if representations is None else _numbered(every, representations)
    for one in chosen:
        for a, matrix in enumerate(one.matrices):
            if np.abs(matrix @ one.matrices - one.matrices[table[a]]).max() > 1e-6:
                raise ConfigError(
                    f"the table of {len(table)} elements is no group's: products depend on brackets"
                )
    same = np.logical_and.reduce([one.kernel for one in chosen])
    if same.sum() > 1:
        enough = [every.index(one) for one in faithful(every)]
        raise ConfigError(
            f"representations={list(representations or ())} have the same matrices for {same.sum()} elements each, "
            f"which the network would not tell apart; expected some that do, such as {enough}"
        )
    scale = (1 / sum(4 * one.dimension for one in chosen)) ** (1 / 3)
    parts = [_neurons(one.matrices * scale) for one in chosen]
    left, right, output = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    return left, right, output.T


def _numbered(every: list[Representation], numbers: Sequence[int]) -> list[Representation]:
    strange = [number for number in numbers if number not in range(len(every))]
    if strange or not numbers or len(set(numbers)) < len(numbers):
        raise ConfigError(
            f"representations={list(numbers)}: expected different numbers from 0 to {len(every) - 1}, at least one"
        )
    return [every[number] for number in numbers]


def _neurons(
    matrices: Float[np.ndarray, "element row column"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights ``(element, neuron)`` by left, right and output, of both signs for each product of entries."""
    d = matrices.shape[1]
    i, j, k, sign = np.array(list(product(range(d), range(d), range(d), (1, -1)))).T
    return matrices[:, i, j], sign * matrices[:, j, k], sign * matrices[:, i, k]

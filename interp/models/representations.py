"""Matrices of a finite group's real irreducible representations, from its multiplication table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import log

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.linalg import qr

from interp.errors import ConfigError

Table = Int[np.ndarray, "left right"]
TRIES = 8
ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Representation:
    """A real irreducible representation: to every element an orthogonal matrix, to every product theirs.

    Attributes:
        matrices: ``matrices[g]`` of every element.
        size: Real dimensions of the functions on the group that its entries span: d² for d x d matrices of real type,
            d² / 2 of complex type, d² / 4 of quaternionic type.
    """

    matrices: Float[np.ndarray, "element row column"]
    size: int

    @property
    def dimension(self) -> int:
        """Rows of each matrix."""
        return self.matrices.shape[1]

    @cached_property
    def character(self) -> Float[np.ndarray, " element"]:
        """The trace of each matrix, which is the dimension at the identity and no larger anywhere."""
        return np.trace(self.matrices, axis1=1, axis2=2)

    @property
    def kernel(self) -> Bool[np.ndarray, " element"]:
        """Mask of the elements whose matrix is the identity."""
        return self.character > self.dimension - ROUNDING


def representations_of(table: Table, seed: int = 0) -> list[Representation]:
    """All real irreducible representations, of low dimension first, each once, the constant one in front.

    The matrix ``v[x⁻¹ y]``, with random numbers v that are the same at each element and its inverse, commutes with
    multiplication from the left and has as few symmetries as possible: each of its eigenspaces is left where it is
    by multiplication, and no smaller space is (Serre 1977, Linear Representations of Finite Groups, 6.2 and 13.2).

    Args:
        table: Whole numbers from 0; ``table[a, b]`` is the product of a and b.
        seed: Of the draw. It decides in which of equally good bases the matrices are written.

    Raises:
        ConfigError: The table is no group's.

    Example:
        >>> addition = np.add.outer(np.arange(4), np.arange(4)) % 4
        >>> [(r.dimension, r.size, (r.character.round() + 0).tolist()) for r in representations_of(addition)]
        [(1, 1, [1.0, 1.0, 1.0, 1.0]), (1, 1, [1.0, -1.0, 1.0, -1.0]), (2, 2, [2.0, 0.0, -2.0, 0.0])]
    """
    n = len(table)
    inverse = _inverse(table)
    generator = np.random.default_rng(seed)
    for _ in range(TRIES):
        weights = generator.normal(size=n)
        values, basis = np.linalg.eigh((weights + weights[inverse])[table[inverse]])
        gaps, scale = np.diff(values), np.abs(values).max()
        steps = np.flatnonzero(gaps > 1e-9 * scale) + 1
        if len(steps) == 0 or gaps[steps - 1].min() > 1e-7 * scale:
            spaces = [basis[:, a:b] for a, b in pairwise([0, *steps.tolist(), n])]
            return _each_once([_restricted(space, table, inverse) for space in spaces])
    raise ConfigError(f"the representations of {n} elements were not told apart in {TRIES} draws")


def faithful(representations: Sequence[Representation]) -> list[Representation]:
    """Few representations in which no two elements have the same matrices: of low dimension, by a greedy choice.

    Example:
        >>> table = np.add.outer(np.arange(6), np.arange(6)) % 6
        >>> [one.dimension for one in faithful(representations_of(table))]
        [2]
    """
    alone = [one for one in representations if one.kernel.sum() == 1]
    together, kernel = [], np.ones(len(representations[0].matrices), bool)
    while kernel.sum() > 1:
        factors = [log(kernel.sum() / (kernel & one.kernel).sum()) for one in representations]
        gains = [factor / one.dimension**3 for factor, one in zip(factors, representations, strict=True)]
        together.append(representations[int(np.argmax(gains))])
        kernel &= together[-1].kernel
    chosen = [[one] for one in alone] + [together] * bool(together)
    return min(chosen, key=lambda some: sum(one.dimension**3 for one in some))


def _inverse(table: Table) -> Int[np.ndarray, " element"]:
    """Of every element; a `ConfigError` where there is no identity, or a row or column holds a result twice."""
    elements = np.arange(len(table))
    neutral = np.flatnonzero((table == elements).all(1) & (elements == table.T).all(1))
    if not len(neutral) or not all((np.sort(one, 1) == elements).all() for one in (table, table.T)):
        raise ConfigError(
            f"the table of {len(table)} elements is no group's: it has no identity, or a result twice in a row"
        )
    return np.argmax(table == neutral[0], axis=1)


def _restricted(
    space: Float[np.ndarray, "element dimension"], table: Table, inverse: np.ndarray
) -> Float[np.ndarray, "element dimension dimension"]:
    """Matrices of multiplication from the left in a space that it leaves where it is, from as many of its rows."""
    rows = qr(space.T, mode="economic", pivoting=True)[2][: space.shape[1]]
    return np.linalg.solve(space[rows], space[table[inverse][:, rows]])


def _each_once(matrices: list[np.ndarray]) -> list[Representation]:
    """Representations of equal characters as one, whose size counts them."""
    spaces: dict[tuple[float, ...], list[np.ndarray]] = {}
    for one in matrices:
        character = (-np.trace(one, axis1=1, axis2=2)).round(4) + 0.0
        spaces.setdefault((one.shape[1], *character.tolist()), []).append(one)
    return [Representation(same[0], len(same) * same[0].shape[1]) for _, same in sorted(spaces.items())]

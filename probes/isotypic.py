"""Real isotypic components of a finite group: what frequencies are for addition modulo n."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from probes.finite_group import FiniteGroup

TRIES = 8
ROUNDING = 1e-24  # of the square of a constant


@dataclass(frozen=True, eq=False)
class Components:
    """Functions on a group, split into parts that multiplication keeps apart.

    Attributes:
        basis: Orthonormal columns, those of a component side by side; the constant first.
        starts: The first column of each component, and the number of columns.
        group: The group.
    """

    basis: Float[np.ndarray, "element column"]
    starts: Int[np.ndarray, " component_1"]
    group: FiniteGroup

    @property
    def sizes(self) -> Int[np.ndarray, " component"]:
        """The dimension of each component, d² for a real irreducible representation of dimension d that stays one."""
        return np.diff(self.starts)

    @cached_property
    def characters(self) -> Float[np.ndarray, "component element"]:
        """Each component's class function: its projection is convolution with it. At the identity it is size / n.

        Example:
            >>> from probes.finite_group import group_of
            >>> addition = group_of(np.add.outer(np.arange(3), np.arange(3)) % 3)
            >>> components_of(addition).characters.round(3).tolist()
            [[0.333, 0.333, 0.333], [0.667, -0.333, -0.333]]
        """
        at_identity = self.basis[self.group.identity]
        parts = [
            self.basis[:, a:b] @ at_identity[a:b]
            for a, b in zip(self.starts[:-1], self.starts[1:], strict=True)
        ]
        return np.stack(parts)

    def shares(self, vectors: Float[np.ndarray, "vector element"]) -> Float[np.ndarray, "vector component"]:
        """The share of each centred vector in each component but the constant; nan for a constant vector.

        Example:
            >>> from probes.finite_group import group_of
            >>> addition = group_of(np.add.outer(np.arange(7), np.arange(7)) % 7)
            >>> wave = np.cos(2 * np.pi * 2 * np.arange(7) / 7)
            >>> round(float(components_of(addition).shares(wave[None]).max()), 6)
            1.0
        """
        squares = np.square(vectors @ self.basis)
        parts = np.add.reduceat(squares, self.starts[:-1], axis=1)
        total = parts[:, 1:].sum(1, keepdims=True)
        live = total > ROUNDING * parts[:, :1]
        return np.divide(parts[:, 1:], total, out=np.full(parts[:, 1:].shape, np.nan), where=live)


def components_of(group: FiniteGroup, seed: int = 0) -> Components:
    """The real isotypic components of a group, largest multiplicities of an eigenvalue of a random central element.

    There is one for each class together with that of the inverses. The central element is drawn again, up to `TRIES`
    times, until its eigenvalues are clearly apart.

    Args:
        seed: Of the draw; it decides the order of the components and the basis in each, and no score.

    Raises:
        ValueError: No draw told all components apart.

    Example:
        >>> from probes.finite_group import group_of
        >>> components_of(group_of(np.add.outer(np.arange(6), np.arange(6)) % 6)).sizes.tolist()
        [1, 1, 2, 2]
    """
    quotients = group.table[:, group.inverse]  # of a and b: a times the inverse of b
    both = np.minimum(group.classes, group.classes[group.inverse])
    expected = len(np.unique(both))
    generator, n = np.random.default_rng(seed), len(group)
    for _ in range(TRIES):
        weights = generator.normal(size=n)[both] / np.sqrt(np.bincount(both, minlength=n)[both])
        values, basis = np.linalg.eigh(weights[quotients])
        scale = np.abs(values).max()
        steps = np.flatnonzero(np.diff(values) > 1e-8 * scale) + 1
        if len(steps) + 1 == expected and (expected == 1 or np.diff(values)[steps - 1].min() > 1e-6 * scale):
            return _constant_first(basis, np.concatenate([[0], steps, [n]]), group)
    raise ValueError(
        f"the {expected} components of a group of order {n} were not told apart in {TRIES} draws"
    )


def _constant_first(basis: np.ndarray, starts: np.ndarray, group: FiniteGroup) -> Components:
    """Components in the order of their sizes, the constant first."""
    pieces = [basis[:, a:b] for a, b in pairwise(starts)]
    constant = max(range(len(pieces)), key=lambda i: np.square(pieces[i].sum(0)).sum() / pieces[i].shape[1])
    order = sorted(range(len(pieces)), key=lambda i: (i != constant, pieces[i].shape[1]))
    chosen = [pieces[i] for i in order]
    return Components(np.hstack(chosen), np.cumsum([0, *(piece.shape[1] for piece in chosen)]), group)

"""Real isotypic components of a finite group, or of what it permutes: what frequencies are for addition modulo n."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from probes.finite_group import FiniteGroup

TRIES = 8
ROUNDING = 1e-24  # of the square of a constant
RANK_ERROR = 1e-6


@dataclass(frozen=True, eq=False)
class Components:
    """Functions on the elements that a group permutes, its own or others, split into parts that it keeps apart.

    Attributes:
        basis: Orthonormal columns, those of a component side by side; the constant first.
        starts: The first column of each component, and the number of columns.
        group: The group that acts.
        acting: Where it acts on other elements than its own, each component's `characters`.
    """

    basis: Float[np.ndarray, "element column"]
    starts: Int[np.ndarray, " component_1"]
    group: FiniteGroup
    acting: Float[np.ndarray, "component acting"] | None = None

    @property
    def sizes(self) -> Int[np.ndarray, " component"]:
        """The dimension of each component, d² for a real irreducible representation of dimension d that stays one.

        On other elements than the group's own it is d times how often the representation occurs.
        """
        return np.diff(self.starts)

    @cached_property
    def characters(self) -> Float[np.ndarray, "component acting"]:
        """Each component's class function on the group: its projection is convolution with it.

        At the identity it is the component's share of the group's own functions, their dimension divided by n.

        Example:
            >>> from probes.finite_group import group_of
            >>> addition = group_of(np.add.outer(np.arange(3), np.arange(3)) % 3)
            >>> components_of(addition).characters.round(3).tolist()
            [[0.333, 0.333, 0.333], [0.667, -0.333, -0.333]]
        """
        if self.acting is not None:
            return self.acting
        at_identity = self.basis[self.group.identity]
        parts = [self.basis[:, a:b] @ at_identity[a:b] for a, b in pairwise(self.starts)]
        return np.stack(parts)

    @property
    def by_orbit(self) -> int | None:
        """The component of functions that the group leaves as they are, less the constant; None where it has one orbit.

        Example:
            >>> from probes.finite_group import group_of
            >>> swap = group_of(np.array([[0, 1], [1, 0]]))
            >>> components_on(np.array([[0, 1, 2], [1, 0, 2]]), swap).by_orbit
            1
        """
        flat = np.ptp(self.characters, axis=1) < 1 / (2 * len(self.group))
        return next((int(k) for k in np.flatnonzero(flat) if k), None)

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


def components_on(action: Int[np.ndarray, "acting element"], group: FiniteGroup) -> Components:
    """The real isotypic components of functions on elements that a group permutes; see `components_of`.

    A component holds the functions of one character of the group on all orbits together. The constant stands alone;
    what else is constant on each orbit makes up a component, too.

    Args:
        action: Where each member of the group takes each element.

    Raises:
        ValueError: It is no action of the group: the ranks of the components, from its characters, are not whole.

    Example:
        >>> from probes.finite_group import group_of
        >>> units = group_of(np.array([[0, 1, 2, 3], [1, 3, 0, 2], [2, 0, 3, 1], [3, 2, 1, 0]]))
        >>> times = np.multiply.outer([1, 2, 3, 4], np.arange(5)) % 5
        >>> components_on(times, units).sizes.tolist()
        [1, 1, 1, 2]
    """
    n, characters = action.shape[1], components_of(group).characters
    fixed = (action == np.arange(n)).sum(1)
    exact = characters @ fixed
    ranks = np.rint(exact).astype(int)
    if np.abs(exact - ranks).max() > RANK_ERROR or ranks.sum() != n:
        raise ValueError(f"the {len(group)} rows of {n} elements are no action of the group")
    central, every = np.zeros((n, n)), np.arange(n)
    for weight, image in zip(np.arange(len(ranks)) @ characters, action, strict=True):
        central[image, every] += weight  # the projection on component k counts k times
    basis = np.linalg.eigh((central + central.T) / 2)[1]
    ends = np.cumsum([0, *ranks])
    pieces = {k: basis[:, a:b] for k, (a, b) in enumerate(pairwise(ends)) if b > a}
    constant = np.full((n, 1), 1 / np.sqrt(n))
    by_orbit = np.linalg.svd(pieces[0] - constant @ (constant.T @ pieces[0]), full_matrices=False)[0]
    pieces[0] = by_orbit[:, : ranks[0] - 1]
    order = sorted((k for k in pieces if pieces[k].shape[1]), key=lambda k: (pieces[k].shape[1], k))
    chosen = [constant, *(pieces[k] for k in order)]
    starts = np.cumsum([0, *(piece.shape[1] for piece in chosen)])
    return Components(np.hstack(chosen), starts, group, characters[[0, *order]])


def _constant_first(basis: np.ndarray, starts: np.ndarray, group: FiniteGroup) -> Components:
    """Components in the order of their sizes, the constant first."""
    pieces = [basis[:, a:b] for a, b in pairwise(starts)]
    constant = max(range(len(pieces)), key=lambda i: np.square(pieces[i].sum(0)).sum() / pieces[i].shape[1])
    order = sorted(range(len(pieces)), key=lambda i: (i != constant, pieces[i].shape[1]))
    chosen = [pieces[i] for i in order]
    return Components(np.hstack(chosen), np.cumsum([0, *(piece.shape[1] for piece in chosen)]), group)

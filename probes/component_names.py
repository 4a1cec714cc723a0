"""Names and dimensions of a group's components, from its table and characters: no numbering of elements is assumed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import comb, isqrt

import numpy as np
from jaxtyping import Float, Int

from probes.finite_group import FiniteGroup
from probes.isotypic import Components
from probes.parts import Component

REAL, COMPLEX, QUATERNIONIC = "real", "complex", "quaternionic"
BY_ORBIT = "one value a class"
"""The functions that are constant on each orbit, of a group that acts on more than itself."""
ROUNDING = 1e-6  # of characters, which are sums of roots of unity


@dataclass(frozen=True, eq=False)
class Irreducible:
    """The irreducible representation that a component is made of.

    Attributes:
        size: Real dimensions of the group's own functions that are made of it.
        dimension: Of the representation over the complex numbers, d.
        kind: ``real`` (size d²), ``complex`` (a pair of conjugate ones, size 2 d²) or ``quaternionic`` (size d²).
        character: Traces at each element, summed over the pair of a complex one.
    """

    size: int
    dimension: int
    kind: str
    character: Float[np.ndarray, " element"]

    @cached_property
    def kernel(self) -> int:
        """Number of elements that it maps to the identity."""
        return int((self.character > self.character.max() - ROUNDING).sum())


def irreducibles(components: Components) -> list[Irreducible]:
    """The representation of each component but the constant, by Frobenius-Schur indicators.

    The mean of a character over squares is 1 for a real, 0 for a complex and -1 for a quaternionic representation.

    Example:
        >>> from probes.finite_group import group_of
        >>> from probes.isotypic import components_of
        >>> addition = components_of(group_of(np.add.outer(np.arange(5), np.arange(5)) % 5))
        >>> [(one.size, one.dimension, one.kind) for one in irreducibles(addition)]
        [(2, 1, 'complex'), (2, 1, 'complex')]
    """
    group = components.group
    n, squares = len(group), np.diagonal(group.table)
    result = []
    for projector in components.characters[1:]:
        size = round(n * float(projector[group.identity]))
        indicator = float(projector[squares].sum())  # d times the indicator
        kind = COMPLEX if abs(indicator) < 0.5 else REAL if indicator > 0 else QUATERNIONIC
        dimension = isqrt(size // 2 if kind == COMPLEX else size)
        result.append(Irreducible(size, dimension, kind, n * projector / dimension))
    return result


def named_components(components: Components, group_name: str = "") -> tuple[Component, ...]:
    """Sizes, dimensions and names of all components but the constant, in their order.

    Abelian groups have frequencies along `axes`, dihedral and dicyclic ones rotations; ``standard`` is the part of the
    permutation representation of a symmetric or alternating group; ``sign`` the only component of values 1 and -1.

    Args:
        group_name: Such as ``S5``; without it nothing is called standard.

    Example:
        >>> from probes.finite_group import group_of
        >>> from probes.isotypic import components_of
        >>> pair = np.arange(4)[:, None] ^ np.arange(4)
        >>> sorted(one.name for one in named_components(components_of(group_of(pair))))
        ['frequencies 0, 1', 'frequencies 1, 0', 'frequencies 1, 1']
    """
    group, parts = components.group, irreducibles(components)
    if group.abelian:
        names = _frequencies(group, parts)
    else:
        names = _general(group, parts)
        rotation = turning(group)
        if rotation is not None and group_name not in ("S3", "D3"):
            names = _rotations(group, parts, rotation, names)
        if (which := _standard(group, parts, group_name)) is not None:
            names[which] = "standard"
        names = _twisted(group, parts, names)
        names = _apart(group, parts, names)
    if components.by_orbit is not None:
        names[components.by_orbit - 1] = BY_ORBIT
    described = zip(components.sizes[1:].tolist(), parts, names, strict=True)
    return tuple(Component(size, one.dimension, name) for size, one, name in described)


def axes(group: FiniteGroup) -> list[int]:
    """Elements that the frequencies of an abelian group count along: independent ones, of rising orders.

    Each order divides the next, and their product is that of the group. Of several choices, the first elements.

    Example:
        >>> from probes.finite_group import group_of
        >>> axes(group_of(np.add.outer(np.arange(6), np.arange(6)) % 6))
        [1]
    """
    inside, chosen = np.zeros(len(group), bool), list[int]()
    inside[group.identity] = True
    while not inside.all():
        relative, power = np.zeros(len(group), int), np.arange(len(group))
        for n in range(1, len(group) + 1):
            relative[inside[power] & (relative == 0)] = n
            if relative.all():
                break
            power = group.table[power, np.arange(len(group))]
        largest = (relative == relative.max()) & (group.orders == relative)
        chosen.append(int(np.argmax(largest)))
        inside[group.table[np.ix_(np.flatnonzero(inside), powers(group, chosen[-1]))]] = True
    return chosen[::-1]


def powers(group: FiniteGroup, element: int) -> Int[np.ndarray, " power"]:
    """The identity, an element, its square, …, up to its order.

    Example:
        >>> from probes.finite_group import group_of
        >>> powers(group_of(np.add.outer(np.arange(6), np.arange(6)) % 6), 4).tolist()
        [0, 4, 2]
    """
    result = [group.identity]
    while (following := int(group.table[result[-1], element])) != group.identity:
        result.append(following)
    return np.array(result)


def turning(group: FiniteGroup) -> int | None:
    """The first rotation of largest order, of a dihedral or dicyclic group; None of others and of the quaternions.

    Example:
        >>> from probes.finite_group import group_of
        >>> turning(group_of(np.add.outer(np.arange(6), np.arange(6)) % 6)) is None
        True
    """
    half = len(group) // 2
    largest = np.flatnonzero(group.orders == half)
    if len(group) % 2 or group.abelian or not len(largest):
        return None
    first = int(largest[0])
    rotations = powers(group, first)
    others = np.setdiff1d(np.arange(len(group)), rotations)
    inverted = group.table[group.table[others, first], group.inverse[others]] == group.inverse[first]
    return first if inverted.all() and np.isin(largest, rotations).all() else None


def _frequencies(group: FiniteGroup, parts: Sequence[Irreducible]) -> list[str]:
    """Frequencies along the axes, up to a common sign: the character is the cosine of a wave with these."""
    along = axes(group)
    orders = group.orders[along]
    places = np.array([group.identity])
    for element in along:
        places = group.table[places[:, None], powers(group, element)].ravel()
    grid = np.stack(np.unravel_index(np.arange(len(group)), orders), axis=1)
    turns = grid / orders @ grid.T  # of frequency tuples and elements
    waves = np.cos(2 * np.pi * turns)
    noun = "frequency" if len(along) == 1 else "frequencies"
    if not parts:
        return []
    traces = np.stack([one.character / one.character[group.identity] for one in parts])
    alike = waves @ traces[:, places].T > len(group) / 4  # all others are orthogonal
    return [f"{noun} {', '.join(map(str, grid[i].tolist()))}" for i in alike.argmax(0)]


def _rotations(
    group: FiniteGroup, parts: Sequence[Irreducible], first: int, names: Sequence[str]
) -> list[str]:
    """The multiple of its angle by which each representation turns the first rotation."""
    half, renamed = len(group) // 2, list(names)
    for i, one in enumerate(parts):
        cosine = one.character[first] / one.character[group.identity]
        k = round(float(np.arccos(np.clip(cosine, -1, 1))) * half / (2 * np.pi))
        if k:
            renamed[i] = f"rotation {k}"
        elif names[i] != "sign":
            renamed[i] = "sign, 1 on rotations"
    return renamed


def _standard(group: FiniteGroup, parts: Sequence[Irreducible], group_name: str) -> int | None:
    """The permutation representation without its constant, of Sn by its trace at transpositions.

    S6 has two classes of 15 involutions, which an automorphism exchanges; the one with the first element counts.
    """
    match = re.fullmatch(r"([SA])(\d+)", group_name)
    if match is None:
        return None
    n = int(match[2])
    fitting = [i for i, one in enumerate(parts) if (one.dimension, one.kind) == (n - 1, REAL)]
    if match[1] == "S":
        sizes = np.bincount(group.classes)[group.classes]
        swaps = np.flatnonzero((group.orders == 2) & (sizes == comb(n, 2)))
        fitting = [i for i in fitting if len(swaps) and round(parts[i].character[swaps[0]]) == n - 3]
    return fitting[0] if len(fitting) == 1 else None


def _general(group: FiniteGroup, parts: Sequence[Irreducible]) -> list[str]:
    signs = [one for one in parts if one.size == 1]
    names = []
    for one in parts:
        if one.dimension > 1:
            names.append(f"{one.dimension}-dimensional")
        elif one.size == 1 and len(signs) == 1:
            names.append("sign")
        else:
            names.append(f"1-dimensional of order {len(group) // one.kernel}")
    return names


def _twisted(group: FiniteGroup, parts: Sequence[Irreducible], names: Sequence[str]) -> list[str]:
    """Products with the sign, where there is one: of each pair, that with the positive trace is the one multiplied."""
    if "sign" not in names:
        return list(names)
    sign, renamed = parts[names.index("sign")].character, list(names)
    odd = np.flatnonzero(sign < 0)
    odd = odd[np.lexsort((odd, _class_sizes(group)[odd], group.orders[odd]))]
    for i, one in enumerate(parts):
        signs = np.sign(np.where(np.abs(one.character[odd]) > ROUNDING, one.character[odd], 0))
        if one.dimension == 1 or not signs.any() or signs[np.flatnonzero(signs)[0]] > 0:
            continue
        twins = [j for j, other in enumerate(parts) if np.allclose(other.character, sign * one.character)]
        renamed[i] = f"{names[twins[0]]} × sign"
    return renamed


def _apart(group: FiniteGroup, parts: Sequence[Irreducible], names: Sequence[str]) -> list[str]:
    """Names of which no two are the same: with the kernel or the kind where these tell, else with a number."""
    further: list[Callable[[Irreducible], str]] = [
        lambda one: f"kernel of {one.kernel}" if one.kernel > 1 else "faithful",
        lambda one: one.kind,
    ]
    result = list(names)
    for words in further:
        for alike in _alike(result):
            chosen = [words(parts[i]) for i in alike]
            if len(set(chosen)) > 1:
                for i, more in zip(alike, chosen, strict=True):
                    result[i] = f"{result[i]}, {more}"
    classes = np.unique(group.classes, return_index=True)[1]
    classes = classes[np.lexsort((_class_sizes(group)[classes], group.orders[classes]))]
    for alike in _alike(result):
        ranked = sorted(alike, key=lambda i: tuple(-parts[i].character[classes].round(6)))
        for place, i in enumerate(ranked, 1):
            result[i] = f"{result[i]}, {ordinal(place)}"
    return result


def _alike(names: Sequence[Hashable]) -> list[list[int]]:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    return [[i for i, other in enumerate(names) if other == name] for name in repeated]


def _class_sizes(group: FiniteGroup) -> np.ndarray:
    return np.bincount(group.classes)[group.classes]


def ordinal(n: int) -> str:
    """A number as in a list of several.

    Example:
        >>> [ordinal(n) for n in (1, 2, 3, 4, 11, 22)]
        ['1st', '2nd', '3rd', '4th', '11th', '22nd']
    """
    ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"

"""Subgroups of a finite group, with all their conjugates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from probes.finite_group import FiniteGroup, generators

MOST, MOST_JOINS = 2_000, 20_000
"""Subgroups that are looked at, and pairs of a subgroup and an element that are joined to one."""


@dataclass(frozen=True, eq=False)
class Subgroups:
    """Subgroups of a group that are neither the whole nor the identity alone.

    Attributes:
        group: The group.
        members: Mask of the elements of each.
        classes: The number of each one's conjugacy class, from 0 without gaps.
        complete: True if there are no others.
    """

    group: FiniteGroup
    members: Bool[np.ndarray, "subgroup element"]
    classes: Int[np.ndarray, " subgroup"]
    complete: bool

    def __len__(self) -> int:
        return len(self.members)

    @property
    def indices(self) -> Int[np.ndarray, " subgroup"]:
        """The number of cosets of each."""
        return len(self.group) // np.maximum(self.members.sum(1), 1)

    def table(self, number: int) -> Int[np.ndarray, "left right"]:
        """The multiplication table of one of them, its elements numbered in their order.

        Example:
            >>> from probes.finite_group import group_of
            >>> addition = group_of(np.add.outer(np.arange(6), np.arange(6)) % 6)
            >>> subgroups_of(addition).table(0).tolist()
            [[0, 1], [1, 0]]
        """
        elements = np.flatnonzero(self.members[number])
        return np.searchsorted(elements, self.group.table[np.ix_(elements, elements)])


def subgroups_of(group: FiniteGroup, most: int = MOST) -> Subgroups:
    """All subgroups of a group, smallest first, or the largest of as many as `most` and `MOST_JOINS` allow.

    Every subgroup is reached from the identity by joining elements of prime-power order, one after another; of each
    conjugacy class one is joined further. Where there are too many, large ones are reached before many small ones.

    Example:
        >>> from probes.finite_group import group_of
        >>> subgroups = subgroups_of(group_of(np.add.outer(np.arange(12), np.arange(12)) % 12))
        >>> subgroups.indices.tolist(), subgroups.complete
        ([6, 4, 3, 2], True)
    """
    start = np.zeros(len(group), bool)
    start[group.identity] = True
    known, classes, number = {np.packbits(start).tobytes(): 0}, [start[None]], 1
    open_ends, joins = [start], 0
    elements = [element for element, order in enumerate(group.orders.tolist()) if _prime_power(order)]
    while open_ends and sum(map(len, classes)) <= most + 2 and joins < MOST_JOINS:
        subgroup = open_ends.pop()
        for joined in _joined(group, subgroup, elements):
            joins += 1
            if np.packbits(joined).tobytes() in known:
                continue
            conjugates = _conjugates(group, joined)
            known |= {np.packbits(one).tobytes(): number for one in conjugates}
            classes.append(conjugates)
            open_ends.append(joined)
            number += 1
            if sum(map(len, classes)) > most + 2 or joins >= MOST_JOINS:
                break
    return _proper(group, classes, most, complete=not open_ends)


def _proper(group: FiniteGroup, classes: list[np.ndarray], most: int, *, complete: bool) -> Subgroups:
    chosen = sorted((one for one in classes if 1 < one[0].sum() < len(group)), key=lambda one: one[0].sum())
    masks = np.concatenate([np.zeros((0, len(group)), bool), *chosen])
    numbers = np.repeat(np.arange(len(chosen)), list(map(len, chosen)))
    kept = slice(max(len(masks) - most, 0), None)
    numbers = np.unique(numbers[kept], return_inverse=True)[1]
    return Subgroups(group, masks[kept], numbers, complete and len(masks) <= most)


def _joined(group: FiniteGroup, subgroup: np.ndarray, elements: list[int]) -> Iterator[np.ndarray]:
    """Masks of the subgroups that the elements make with one, those of equal double cosets once."""
    table, inside = group.table, np.flatnonzero(subgroup)
    seen = subgroup.copy()
    own = [int(inside[i]) for i in generators(np.searchsorted(inside, table[np.ix_(inside, inside)]))]
    for element in elements:
        if not seen[element]:
            seen[table[np.ix_(table[inside, element], inside)]] = True
            yield _generated(table, inside, [*own, element])


def _generated(table: np.ndarray, inside: np.ndarray, chosen: list[int]) -> np.ndarray:
    """The mask of what a subgroup's elements and others generate, coset by coset."""
    mask = np.zeros(len(table), bool)
    mask[inside] = True
    waiting = [int(inside[0])]
    while waiting:
        representative = waiting.pop()
        for product in table[representative, chosen].tolist():
            if not mask[product]:
                mask[table[inside, product]] = True
                waiting.append(product)
    return mask


def _conjugates(group: FiniteGroup, subgroup: np.ndarray) -> np.ndarray:
    """The masks of all conjugates of a subgroup."""
    elements = np.arange(len(group))
    masks = np.zeros((len(group),) * 2, bool)
    moved = group.table[group.table[:, subgroup], group.inverse[:, None]]
    masks[elements[:, None], moved] = True
    packed = np.packbits(masks, axis=1)
    first = np.unique(packed.view(f"V{packed.shape[1]}")[:, 0], return_index=True)[1]
    conjugates: np.ndarray = masks[first]
    return conjugates


def _prime_power(order: int) -> bool:
    """True of a power of one prime, of at most 1,024."""
    smallest = next((d for d in range(2, order + 1) if order % d == 0), 1)
    return order > 1 and pow(smallest, 10, order) == 0

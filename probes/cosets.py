"""An order of a group's elements that keeps the cosets of subgroups together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from probes.finite_group import FiniteGroup
from probes.isotypic import Components


@dataclass(frozen=True, eq=False)
class NestedCosets:
    """Elements by the left cosets of each of a chain of subgroups, and inverses by their right cosets.

    Attributes:
        left: All elements; of a subgroup H of the chain, each coset aH stands together.
        right: Their inverses in the same order; each coset Ha stands together. ``table[left[i], right[i]]`` is the
            identity, and a block of two cosets has no result outside aHb.
        orders: Of the subgroups between 1 and the group, rising; each is in the next.
    """

    left: Int[np.ndarray, " element"]
    right: Int[np.ndarray, " element"]
    orders: tuple[int, ...]

    def sentence(self) -> str:
        """The order in words.

        Example:
            >>> NestedCosets(np.arange(4), np.arange(4), (2,)).sentence()[:57]
            'Left operands are ordered by left cosets of a subgroup of'
        """
        if not self.orders:
            return "Operands are ordered as powers of one element, right ones as their inverses are."
        *others, smallest = map(str, self.orders[::-1])
        several = f"subgroups of order {', '.join(others)} and"
        which = f"{several if others else 'a subgroup of order'} {smallest}"
        nested = ", each inside one of the former" if others else ""
        return (
            f"Left operands are ordered by left cosets of {which}{nested}, right ones as their inverses are, so that "
            "the identity is the result along the diagonal and what is constant on cosets is a block."
        )


def nested_cosets(components: Components) -> NestedCosets:
    """The order of a chain of subgroups, as many of them normal as can be.

    Kernels of components give a chain of normal subgroups; between two of them the smallest subgroup that one more
    element makes is taken, again and again.

    Example:
        >>> from probes.finite_group import group_of
        >>> from probes.isotypic import components_of
        >>> order = nested_cosets(components_of(group_of(np.add.outer(np.arange(6), np.arange(6)) % 6)))
        >>> order.left.tolist(), order.orders
        ([0, 2, 4, 1, 3, 5], (3,))
    """
    group = components.group
    inside = np.arange(len(group)) == group.identity
    sequence, orders = np.array([group.identity]), list[int]()
    for normal in reversed(_normal_chain(components)):
        while inside.sum() < normal.sum():
            larger = _smallest_above(group, inside, normal)
            sequence = _by_cosets(group, sequence, larger)
            inside = larger
            orders.append(len(sequence))
    return NestedCosets(sequence, group.inverse[sequence], tuple(orders[:-1]))


def _normal_chain(components: Components) -> list[Bool[np.ndarray, " element"]]:
    """The group and normal subgroups of falling order, each the largest meet of the last with a kernel."""
    group, characters = components.group, components.characters
    kernels = characters > characters[:, [group.identity]] - 1e-9 * len(group)
    chain = [np.ones(len(group), bool)]
    while chain[-1].sum() > 1:
        meets = kernels & chain[-1]
        sizes = meets.sum(1)
        smaller = np.flatnonzero(sizes < chain[-1].sum())
        chain.append(meets[smaller[np.argmax(sizes[smaller])]])
    return chain[:-1]


def _smallest_above(
    group: FiniteGroup, inside: Bool[np.ndarray, " element"], limit: Bool[np.ndarray, " element"]
) -> Bool[np.ndarray, " element"]:
    """The smallest subgroup that holds another one and one more element of a third."""
    best, tried = limit, inside.copy()
    for element in np.flatnonzero(limit):
        if not tried[element]:
            larger = generated(group, inside, int(element), int(best.sum()))
            if larger is not None and (larger.sum() < best.sum() or best is limit):
                best = larger
            tried[group.table[np.flatnonzero(inside), element]] = True
    return best


def generated(
    group: FiniteGroup, inside: Bool[np.ndarray, " element"], element: int, most: int
) -> Bool[np.ndarray, " element"] | None:
    """The subgroup that another one and an element generate; None if it has more elements than so many.

    Args:
        inside: Mask of the subgroup's elements.

    Example:
        >>> from probes.finite_group import group_of
        >>> addition = group_of(np.add.outer(np.arange(6), np.arange(6)) % 6)
        >>> np.flatnonzero(generated(addition, np.arange(6) == 0, 2, 6)).tolist()
        [0, 2, 4]
    """
    reached, subgroup = inside.copy(), np.flatnonzero(inside)
    fresh = group.table[subgroup, element]
    while len(fresh):
        reached[fresh] = True
        if reached.sum() > most:
            return None
        products = group.table[np.ix_(fresh, subgroup)].ravel()
        products = np.unique(np.concatenate([products, group.table[products, element]]))
        fresh = products[~reached[products]]
    return reached


def _by_cosets(
    group: FiniteGroup, sequence: Int[np.ndarray, " inner"], larger: Bool[np.ndarray, " element"]
) -> Int[np.ndarray, " outer"]:
    """The elements of a larger subgroup coset by coset, in each as in the sequence; by powers of one element if so."""
    placed = np.zeros(len(group), bool)
    placed[sequence] = True
    parts, step = [sequence], int(np.flatnonzero(larger & ~placed)[0])
    power = step
    while not placed[larger].all():
        if placed[power]:  # the powers are back at a coset that is placed
            power = step = int(np.flatnonzero(larger & ~placed)[0])
        parts.append(group.table[power, sequence])
        placed[parts[-1]] = True
        power = int(group.table[step, power])
    return np.concatenate(parts)

"""Finite groups from their multiplication tables: laws checked, classes, orders, generators."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int

Table = Int[np.ndarray, "left right"]


class NoGroup(ValueError):
    """A table that is no group's, with the laws that it breaks."""


@dataclass(frozen=True, eq=False)
class FiniteGroup:
    """A group of n elements, which are numbered in any order.

    Attributes:
        table: ``table[a, b]`` is the product of a and b.
        identity: The number of the identity.
        inverse: Of each element.
    """

    table: Table
    identity: int
    inverse: Int[np.ndarray, " element"]

    def __len__(self) -> int:
        return len(self.table)

    @cached_property
    def classes(self) -> Int[np.ndarray, " element"]:
        """The conjugacy class of each element, numbered by their first elements.

        Example:
            >>> table = [[0, 1, 2, 3, 4, 5], [1, 2, 0, 4, 5, 3], [2, 0, 1, 5, 3, 4]]
            >>> table += [[3, 5, 4, 0, 2, 1], [4, 3, 5, 1, 0, 2], [5, 4, 3, 2, 1, 0]]
            >>> group_of(np.array(table)).classes.tolist()
            [0, 1, 1, 2, 2, 2]
        """
        label, known = np.full(len(self), -1), 0
        for element in range(len(self)):
            if label[element] < 0:
                conjugates = self.table[self.table[:, element], self.inverse]
                label[conjugates] = known
                known += 1
        return label

    @cached_property
    def orders(self) -> Int[np.ndarray, " element"]:
        """The order of each element.

        Example:
            >>> group_of(np.add.outer(np.arange(4), np.arange(4)) % 4).orders.tolist()
            [1, 4, 2, 4]
        """
        orders, power = np.zeros(len(self), int), np.arange(len(self))
        for n in range(1, len(self) + 1):
            orders[(power == self.identity) & (orders == 0)] = n
            if orders.all():
                break
            power = self.table[power, np.arange(len(self))]
        return orders

    @cached_property
    def abelian(self) -> bool:
        """True if the order of factors does not matter."""
        return bool((self.table == self.table.T).all())

    @cached_property
    def exponent(self) -> int:
        """The least common multiple of all orders."""
        return int(np.lcm.reduce(self.orders))

    @cached_property
    def fingerprint(self) -> tuple[object, ...]:
        """Counts that isomorphic groups share: classes by their size and order of elements, and the same of squares."""
        sizes = np.bincount(self.classes)[self.classes]
        squares = np.diagonal(self.table)
        roots = np.bincount(squares, minlength=len(self))
        rows = zip(self.orders, sizes, self.orders[squares], sizes[squares], roots, strict=True)
        return (len(self), self.abelian, tuple(sorted(Counter(tuple(map(int, row)) for row in rows).items())))


def group_of(table: Table) -> FiniteGroup:
    """The group with this multiplication table.

    Raises:
        NoGroup: It has none; the message counts the pairs that break each law.

    Example:
        >>> group = group_of(np.add.outer(np.arange(4), np.arange(4)) % 4)
        >>> group.identity, group.inverse.tolist(), group.exponent
        (0, [0, 3, 2, 1], 4)
    """
    broken = broken_laws(table)
    if broken:
        raise NoGroup(f"the table is no group's: {'; '.join(broken)}")
    identity = identity_of(table)
    assert identity is not None
    return FiniteGroup(table, identity, np.argmax(table == identity, axis=1))


def broken_laws(table: Table, listed: int = 5) -> list[str]:
    """Sentences about the laws of a group that a table breaks, with counts and examples; empty if it is a group's.

    Associativity is tested against a generating set, which is enough where the table is a Latin square.

    Example:
        >>> broken_laws(np.array([[0, 1], [1, 1]]))
        ['2 of 4 rows and columns hold a result twice: row 1, column 1']
    """
    n = len(table)
    if table.shape != (n, n) or not n:
        return [f"its shape is {table.shape}; expected as many rows as columns"]
    outside = np.argwhere((table < 0) | (table >= n))
    if len(outside):
        some = ", ".join(f"({a}, {b}) -> {table[a, b]}" for a, b in outside[:listed].tolist())
        return [f"{len(outside)} results are no elements from 0 to {n - 1}: {some}"]
    twice = [f"row {a}" for a in range(n) if len(np.unique(table[a])) < n]
    twice += [f"column {b}" for b in range(n) if len(np.unique(table[:, b])) < n]
    if twice:
        return [f"{len(twice)} of {2 * n} rows and columns hold a result twice: {', '.join(twice[:listed])}"]
    if identity_of(table) is None:
        return ["no element leaves all others as they are"]
    failed = [(b, _not_associative(table, b)) for b in generators(table)]
    count = sum(len(pairs) for _, pairs in failed)
    if count:
        first = [(a, b, c) for b, pairs in failed for a, c in pairs[:listed].tolist()][:listed]
        some = ", ".join(f"({a} {b}) {c} ≠ {a} ({b} {c})" for a, b, c in first)
        return [
            f"{count} products of three, with the middle one of a generating set, depend on the brackets: {some}"
        ]
    return []


def _not_associative(table: Table, b: int) -> Int[np.ndarray, "pair 2"]:
    """Pairs a and c for which (a b) c is not a (b c)."""
    return np.argwhere(table[table[:, b]] != table[:, table[b]])


def identity_of(table: Table) -> int | None:
    """The element that leaves all others as they are, on either side; None if there is none.

    Example:
        >>> identity_of(np.multiply.outer(np.arange(4), np.arange(4)) % 4), identity_of(np.zeros((2, 2), int))
        (1, None)
    """
    elements = np.arange(len(table))
    both = (table == elements).all(1) & (elements == table.T).all(1)
    return int(np.argmax(both)) if both.any() else None


def generators(table: Table) -> list[int]:
    """Elements whose products are all elements, few of them: each one at least doubles what is reached.

    Example:
        >>> generators(np.add.outer(np.arange(4), np.arange(4)) % 4)
        [1]
    """
    reached, chosen = np.zeros(len(table), bool), list[int]()
    identity = identity_of(table)
    reached[0 if identity is None else identity] = True
    while not reached.all():
        chosen.append(int(np.argmin(reached)))
        reached[chosen[-1]] = True
        reached = with_products(table, reached, chosen)
    return chosen


def with_products(
    table: Table, reached: Bool[np.ndarray, " element"], chosen: list[int]
) -> Bool[np.ndarray, " element"]:
    """The elements that some elements become by multiplying with chosen ones from the right, again and again.

    Example:
        >>> table = np.add.outer(np.arange(6), np.arange(6)) % 6
        >>> np.flatnonzero(with_products(table, np.arange(6) == 1, [2])).tolist()
        [1, 3, 5]
    """
    reached, before = reached.copy(), 0
    while reached.sum() > before:
        before = int(reached.sum())
        reached[table[np.flatnonzero(reached)][:, chosen]] = True
    return reached

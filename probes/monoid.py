"""Subgroups of operations that are no group's: of semigroups by their idempotents, of quasigroups by closed subsets."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from jaxtyping import Bool, Int

from probes.finite_group import FiniteGroup, NoGroup, group_of

Table = Int[np.ndarray, "left right"]
Subset = Int[np.ndarray, " member"]
MOST_PAIRS = 2_000
"""Pairs of elements of a quasigroup whose products are followed until they are closed."""


def is_associative(table: Table) -> bool:
    """True if brackets do not matter; every product of three is computed.

    Example:
        >>> is_associative(np.multiply.outer(np.arange(6), np.arange(6)) % 6)
        True
        >>> is_associative(np.subtract.outer(np.arange(6), np.arange(6)) % 6)
        False
    """
    small = table.astype(np.int16 if len(table) < 2**15 else np.int64)
    return all(np.array_equal(small[row], row[small]) for row in small)


def is_quasigroup(table: Table) -> bool:
    """True if every row and every column holds each element once.

    Example:
        >>> is_quasigroup(np.array([[0, 1], [1, 0]])), is_quasigroup(np.array([[0, 0], [0, 1]]))
        (True, False)
    """
    every = np.arange(len(table))
    return bool((np.sort(table, 0) == every[:, None]).all() and (np.sort(table, 1) == every).all())


def idempotents(table: Table) -> Int[np.ndarray, " element"]:
    """For each element of a semigroup the identity of the largest subgroup that holds it; -1 where none does.

    Those of one identity are a maximal subgroup. An element is in one if some power brings it back.

    Example:
        >>> idempotents(np.multiply.outer(np.arange(4), np.arange(4)) % 4).tolist()
        [0, 1, -1, 1]
    """
    every = np.arange(len(table))
    identity, power = np.full(len(table), -1), every
    for _ in every:
        following = table[power, every]
        back = (following == every) & (identity < 0)
        identity[back] = power[back]
        power = following
    return identity


def largest_subgroup(table: Table) -> tuple[Subset, int]:
    """The largest maximal subgroup of a semigroup and its identity: the units' of those that are as large, if any.

    Example:
        >>> members, identity = largest_subgroup(np.multiply.outer(np.arange(10), np.arange(10)) % 10)
        >>> members.tolist(), identity
        ([1, 3, 7, 9], 1)
    """
    identity = idempotents(table)
    sizes = np.bincount(identity[identity >= 0], minlength=len(table))
    scope = (table == np.arange(len(table))).sum(
        1
    )  # elements that it leaves as they are, all by a monoid's identity
    best = max(np.flatnonzero(sizes), key=lambda e: (sizes[e], scope[e], -e))
    return np.flatnonzero(identity == best), int(best)


def subgroup_of(table: Table, members: Subset) -> FiniteGroup:
    """The group that some elements are among themselves, numbered as they are listed.

    Raises:
        NoGroup: They are none.

    Example:
        >>> len(subgroup_of(np.multiply.outer(np.arange(5), np.arange(5)) % 5, np.arange(1, 5)))
        4
    """
    place = np.full(len(table), -1)
    place[members] = np.arange(len(members))
    return group_of(place[table[np.ix_(members, members)]])


def closure(table: Table, seeds: Subset, most: int) -> Subset | None:
    """The smallest subset that holds some elements and all of its products; None if it has more than `most` elements.

    Example:
        >>> closure(np.add.outer(np.arange(6), np.arange(6)) % 6, np.array([2]), 6).tolist()
        [0, 2, 4]
    """
    inside: Bool[np.ndarray, " element"] = np.zeros(len(table), bool)
    inside[seeds] = True
    members, before = np.flatnonzero(inside), 0
    while before < len(members) <= most:
        before = len(members)
        inside[table[np.ix_(members, members)]] = True
        members = np.flatnonzero(inside)
    return members if len(members) <= most else None


def associative_subset(table: Table, seed: int = 0) -> tuple[Subset, bool]:
    """The largest of the subgroups of a quasigroup that grow from one element, two, or one more at a time.

    Not all pairs are tried where there are more than `MOST_PAIRS` of elements that make a group of their own each.

    Args:
        seed: Of the draw of pairs, where not all are tried.

    Returns:
        Its elements in rising order, none where there is no subgroup, and True if all pairs were tried.

    Example:
        >>> steiner = np.array([[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0]])
        >>> associative_subset(steiner)[0].tolist()
        [0, 1]
    """
    most = len(table) // 2  # a closed subset of a quasigroup is all of it, or at most half
    own = [_group_from(table, np.array([x]), most) for x in range(len(table))]
    single = [x for x, members in enumerate(own) if members is not None]
    best = max((members for members in own if members is not None), key=len, default=np.zeros(0, int))
    pairs = np.array(list(combinations(single, 2)), int).reshape(-1, 2)
    complete = len(pairs) <= MOST_PAIRS
    if not complete:
        pairs = pairs[np.sort(np.random.default_rng(seed).permutation(len(pairs))[:MOST_PAIRS])]
    for pair in pairs:
        members = _group_from(table, pair, most, len(best) + 1)
        best = best if members is None else members
    more = True
    while more:
        grown = (_group_from(table, np.append(best, x), most) for x in np.setdiff1d(single, best))
        larger = next((members for members in grown if members is not None), None)
        more, best = larger is not None, best if larger is None else larger
    return best, complete


def _group_from(table: Table, seeds: Subset, most: int, least: int = 1) -> Subset | None:
    """The closure of some elements if it is a group of at least so many."""
    members = closure(table, seeds, most)
    if members is None or len(members) < least:
        return None
    try:
        subgroup_of(table, members)
    except NoGroup:
        return None
    return members

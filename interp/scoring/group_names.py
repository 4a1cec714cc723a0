"""Names of finite groups that are known only by their tables."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from interp.data.group_tables import abelian_names, group_table, order_of
from probes.finite_group import FiniteGroup, group_of
from probes.isomorphism import isomorphism

LARGEST_DEGREE = 6
"""Of the symmetric and alternating groups that are looked at."""


def group_name(group: FiniteGroup) -> str:
    """The name of a group as `interp.data.group_tables` writes it, or its order and number of classes.

    Abelian, dihedral, symmetric, alternating and dicyclic (Q) groups are known by name, and products of one of these
    with another or with an abelian group.

    Example:
        >>> from interp.data.group_tables import group_table
        >>> group_name(group_of(group_table("Z2xZ3"))), group_name(group_of(group_table("S3xZ2")))
        ('Z6', 'D6')
    """
    if group.abelian:
        return _abelian_name(group)
    for name in _candidates(len(group)):
        if isomorphism(_named(name), group) is not None:
            return name
    return f"a group of order {len(group)} with {group.classes.max() + 1} classes"


def _abelian_name(group: FiniteGroup) -> str:
    """That of the abelian group with as many elements of each order."""
    counts = np.bincount(group.orders, minlength=len(group) + 1)
    for factors in abelian_names(len(group)):
        orders = np.ones(1, int)
        for n in factors:
            cyclic = n // np.gcd(np.arange(n), n)
            orders = np.lcm.outer(orders, cyclic).ravel()
        if np.array_equal(np.bincount(orders, minlength=len(group) + 1), counts):
            return "x".join(f"Z{n}" for n in factors)
    raise AssertionError("every abelian group is a product of cyclic ones")


def _candidates(order: int) -> Iterator[str]:
    """Names of groups of an order that are not abelian, the simpler ones first."""
    bases = [
        *(f"S{n}" for n in range(3, LARGEST_DEGREE + 1)),
        *(f"A{n}" for n in range(4, LARGEST_DEGREE + 1)),
    ]
    bases += [f"{kind}{n}" for n in range(order, 2, -1) for kind in ("D", "Q") if kind == "D" or n % 4 == 0]
    sizes = {base: order_of(base) for base in bases if base[0] != "D" or 2 * int(base[1:]) <= order}
    sizes = {base: size for base, size in sizes.items() if order % size == 0}
    for base, size in sizes.items():
        if size == order:
            yield base
    for base, size in sizes.items():
        for factors in abelian_names(order // size):
            yield "x".join([base, *(f"Z{n}" for n in factors)])
    for base, size in sizes.items():
        yield from (f"{base}x{other}" for other in sizes if size * sizes[other] == order)


@lru_cache(maxsize=16)
def _named(name: str) -> FiniteGroup:
    return group_of(group_table(name))

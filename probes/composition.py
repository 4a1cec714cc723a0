"""The group in a table of results that need not be a group's, and the elements on which its components are read."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from probes.finite_group import FiniteGroup, NoGroup
from probes.isotypic import Components, components_of, components_on
from probes.monoid import (
    MOST_PAIRS,
    associative_subset,
    is_associative,
    is_quasigroup,
    largest_subgroup,
    subgroup_of,
)

Table = Int[np.ndarray, "_ _"]
LARGEST = 1000
"""Elements of an operation whose components are computed."""
SMALLEST = 3
"""Members of a group whose components can tell anything: of 2 there is one."""


@dataclass(frozen=True, eq=False)
class Composition:
    """The part of a table in which a group acts, and the order in which operands and results are read to see it.

    Attributes:
        components: Of functions on the elements that are read.
        left, right, output: The row, the column and the result that stand for each of them.
        orbits: For each of them the first element to which the group takes it: one value of a group, the gcd classes
            of multiplication modulo a composite.
        note: A sentence about what was read and what is left out; empty if the table is a group's as it stands.
    """

    components: Components
    left: Int[np.ndarray, " element"]
    right: Int[np.ndarray, " element"]
    output: Int[np.ndarray, " element"]
    orbits: Int[np.ndarray, " element"]
    note: str = ""


def composition_of(table: Table) -> Composition:
    """The largest group in a table, with everything on which it acts.

    A group acts on itself. The units of a commutative monoid, or the largest subgroup of a commutative semigroup, act
    on all multiples of its identity. Elsewhere the components are those of the largest subgroup alone. Operands may be
    renumbered: where a row and a column hold each result once, the table is read as of the elements that they name.

    Raises:
        NoGroup: There is no group of `SMALLEST` elements or more; the message says why.

    Example:
        >>> whole = composition_of(np.multiply.outer(np.arange(10), np.arange(10)) % 10)
        >>> len(whole.components.group), whole.orbits.tolist()
        (4, [0, 1, 2, 1, 2, 5, 2, 1, 2, 1])
        >>> difference = composition_of(np.subtract.outer(np.arange(5), np.arange(5)) % 5)
        >>> difference.left.tolist(), difference.right.tolist()
        ([0, 1, 2, 3, 4], [0, 4, 3, 2, 1])
    """
    left, right = _operands(table)
    product = table[np.ix_(left, right)]
    if is_quasigroup(table):
        try:
            whole = _alone(product, np.arange(len(table)), "")
        except NoGroup:
            left = right = np.arange(len(table))
            whole = _in_quasigroup(table)
    elif is_associative(product):
        whole = _in_semigroup(product)
    else:
        raise NoGroup("results depend on the brackets, and some occur twice in a row or a column")
    elements, note = whole.output, whole.note
    if not np.array_equal(table[np.ix_(left, right)], table):
        renumbered = "Operands were read as the elements that their results with one other operand are."
        note = f"{renumbered} {note}".strip()
    return replace(whole, left=left[elements], right=right[elements], note=note)


def _operands(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns in the order of the elements that they stand for: their own unless there is no identity."""
    every = np.arange(len(table))
    if ((table == every).all(1) & (every == table.T).all(1)).any():
        return every, every
    rows, columns = (np.flatnonzero((np.sort(one, 1) == every).all(1)) for one in (table, table.T))
    if not len(rows) or not len(columns):
        return every, every
    return np.argsort(table[:, columns[0]]), np.argsort(table[rows[0]])


def _in_semigroup(table: Table) -> Composition:
    """The action of the largest subgroup of an associative table that is no group's, or that subgroup alone."""
    members, identity = largest_subgroup(table)
    n = len(table)
    if len(members) < SMALLEST:
        raise NoGroup(f"the largest group in it has {len(members)} of its {n} elements")
    if not (table == table.T).all():
        return _alone(
            table,
            members,
            f"The operation is no group's: neurons were read on the {len(members)} elements of the largest group in "
            f"it; weights at the other {n - len(members)} were not analysed, as results depend on the order of "
            "operands.",
        )
    elements = np.unique(table[identity])
    place = np.full(n, -1)
    place[elements] = np.arange(len(elements))
    images = table[np.ix_(members, elements)]
    group = subgroup_of(table, members)
    orbits = elements[place[images].min(0)]
    note = (
        f"The operation is no group's: the {len(members)} elements of the largest group in it act on "
        f"{len(elements)}, in {len(np.unique(orbits))} classes that they keep."
    )
    if len(elements) < n:
        note += f" Weights at the other {n - len(elements)} were not analysed, as the group's identity changes these."
    return Composition(components_on(place[images], group), elements, elements, elements, orbits, note)


def _in_quasigroup(table: Table) -> Composition:
    members, complete = associative_subset(table)
    searched = "" if complete else f" of those that {MOST_PAIRS:,} pairs of elements make"
    broken = "results depend on the brackets"
    if len(members) < SMALLEST:
        raise NoGroup(
            f"{broken}, and the largest group in it{searched} has {len(members)} of its {len(table)} elements"
        )
    note = (
        f"The operation is no group's, as {broken}: neurons were read on the {len(members)} elements of the largest "
        f"group in it{searched}; weights at the other {len(table) - len(members)} were not analysed."
    )
    return _alone(table, members, note)


def _alone(table: Table, members: np.ndarray, note: str) -> Composition:
    """A subgroup that acts on itself."""
    group: FiniteGroup = subgroup_of(table, members)
    orbits = np.full(len(members), members[0])
    return Composition(components_of(group), members, members, members, orbits, note)

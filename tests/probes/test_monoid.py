"""Subgroups of tables that are no group's, against loops over all elements."""

from itertools import product

import numpy as np
import pytest

from interp.data.group_tables import cyclic, direct_product, symmetric
from probes.finite_group import NoGroup
from probes.monoid import (
    associative_subset,
    closure,
    idempotents,
    is_associative,
    is_quasigroup,
    largest_subgroup,
    subgroup_of,
)

TABLES = {
    "multiply 12": np.multiply.outer(np.arange(12), np.arange(12)) % 12,
    "multiply 15": np.multiply.outer(np.arange(15), np.arange(15)) % 15,
    "subtract 5": np.subtract.outer(np.arange(5), np.arange(5)) % 5,
    "minimum": np.minimum.outer(np.arange(6), np.arange(6)),
    "left": np.arange(4)[:, None].repeat(4, 1),
    "S3": symmetric(3),
}


def switched(table: np.ndarray, corners: tuple[int, int, int]) -> np.ndarray:
    """A quasigroup with one square of two results turned round."""
    row, other, column = corners
    result = table.copy()
    second = int(np.flatnonzero(table[row] == table[other, column])[0])
    assert table[other, second] == table[row, column]
    result[np.ix_([row, other], [column, second])] = table[np.ix_([other, row], [column, second])]
    return result


LOOP = switched(direct_product(cyclic(2), cyclic(6)), (1, 7, 3))


@pytest.mark.parametrize("name", TABLES)
def test_laws_equal_loops(name):
    table = TABLES[name]
    every = range(len(table))
    triples = product(every, every, every)
    assert is_associative(table) == all(table[table[a, b], c] == table[a, table[b, c]] for a, b, c in triples)
    lines = [*table.tolist(), *table.T.tolist()]
    assert is_quasigroup(table) == all(sorted(line) == list(every) for line in lines)


@pytest.mark.parametrize("name", ["multiply 12", "multiply 15", "minimum", "S3"])
def test_maximal_subgroups_equal_loops(name):
    table, every = TABLES[name], range(len(TABLES[name]))
    expected = np.full(len(table), -1)
    for e in every:
        if table[e, e] == e:
            inside = [x for x in every if table[e, x] == x == table[x, e]]
            units = [x for x in inside if any(table[x, y] == e == table[y, x] for y in inside)]
            expected[units] = e
    assert idempotents(table).tolist() == expected.tolist()


def test_of_groups_that_are_as_large_the_units_are_taken():
    members, identity = largest_subgroup(np.multiply.outer(np.arange(14), np.arange(14)) % 14)
    assert (members.tolist(), identity) == ([1, 3, 5, 9, 11, 13], 1)  # those of 8 are as many
    assert len(largest_subgroup(TABLES["minimum"])[0]) == 1


def test_a_subset_that_is_no_group_is_refused():
    with pytest.raises(NoGroup):
        subgroup_of(TABLES["multiply 12"], np.array([0, 1]))
    with pytest.raises(NoGroup):
        subgroup_of(symmetric(3), np.array([0, 1, 2]))  # not closed


def test_closures_hold_all_products():
    assert closure(symmetric(4), np.array([1, 2]), 24).tolist() == [0, 1, 2, 3, 4, 5]
    assert closure(symmetric(4), np.array([1, 6, 2]), 12) is None


def test_the_largest_group_in_a_quasigroup_equals_that_over_all_subsets():
    assert is_quasigroup(LOOP)
    assert not is_associative(LOOP)
    members, complete = associative_subset(LOOP)
    assert complete
    best = 0
    for chosen in range(1, 2 ** len(LOOP)):
        subset = np.flatnonzero([chosen >> i & 1 for i in range(len(LOOP))])
        if len(subset) > best and np.isin(LOOP[np.ix_(subset, subset)], subset).all():
            place = np.searchsorted(subset, LOOP[np.ix_(subset, subset)])
            best = len(subset) if is_associative(place) else best
    assert len(members) == best == 6


def test_subgroups_of_more_than_two_generators_are_grown():
    pairs = direct_product(*[cyclic(2)] * 4)
    table = switched(direct_product(pairs, cyclic(2)), (1, 3, 4))
    members, _ = associative_subset(table)
    assert len(members) == 16
    assert len(subgroup_of(table, members)) == 16

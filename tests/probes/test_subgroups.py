"""Subgroups against their known numbers and against laws that every subgroup keeps."""

import numpy as np
import pytest

from interp.data.group_tables import alternating, cyclic, dihedral, direct_product, symmetric
from probes.finite_group import broken_laws, group_of
from probes.subgroups import subgroups_of

Z2 = cyclic(2)
KNOWN = {  # of order 1 and the whole left out: subgroups, classes
    "S3": (symmetric(3), 4, 2),
    "S4": (symmetric(4), 28, 9),
    "A4": (alternating(4), 8, 3),
    "A5": (alternating(5), 57, 7),
    "S5": (symmetric(5), 154, 17),
    "D6": (dihedral(6), 14, 8),
    "Z12": (cyclic(12), 4, 4),
    "Z2xZ2xZ2": (direct_product(Z2, Z2, Z2), 14, 14),
    "Z13": (cyclic(13), 0, 0),
    "D59": (dihedral(59), 60, 2),
}


@pytest.mark.parametrize("name", KNOWN)
def test_all_subgroups_are_found(name):
    table, count, classes = KNOWN[name]
    shuffled = np.random.default_rng(0).permutation(len(table))
    table = np.argsort(shuffled)[table[np.ix_(shuffled, shuffled)]]
    subgroups = subgroups_of(group_of(table))
    assert (len(subgroups), len(set(subgroups.classes.tolist())), subgroups.complete) == (
        count,
        classes,
        True,
    )
    for number in range(min(count, 40)):
        assert broken_laws(subgroups.table(number)) == []
    assert np.array_equal(np.sort(subgroups.indices)[::-1], subgroups.indices)


def test_too_many_are_cut_and_this_is_said():
    group = group_of(direct_product(*[Z2] * 5))
    subgroups = subgroups_of(group, most=100)
    assert (len(subgroups), subgroups.complete) == (100, False)
    assert len(subgroups_of(group)) == 372

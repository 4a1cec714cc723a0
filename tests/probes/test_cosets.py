"""The order of elements by nested cosets."""

import numpy as np
import pytest

from interp.data.group_tables import group_table
from probes.cosets import nested_cosets
from probes.finite_group import group_of
from probes.isotypic import components_of

CHAINS = {"S4": (2, 4, 12), "S5": (2, 4, 12, 60), "D7": (7,), "Q8": (2, 4), "Z2xZ4xZ10": (5, 10, 20, 40)}


@pytest.mark.parametrize("name", CHAINS)
def test_cosets_of_every_subgroup_of_the_chain_stand_together(name):
    group = group_of(group_table(name))
    order = nested_cosets(components_of(group))
    assert order.orders == CHAINS[name]
    assert sorted(order.left) == list(range(len(group)))
    assert (group.table[order.left, order.right] == group.identity).all()
    for size in order.orders:
        subgroup = order.left[:size]
        assert set(group.table[np.ix_(subgroup, subgroup)].ravel()) == set(subgroup)
        for start in range(0, len(group), size):
            left, right = order.left[start : start + size], order.right[start : start + size]
            assert set(left) == set(group.table[left[0], subgroup])
            assert set(right) == set(group.table[subgroup, right[0]])


def test_rotations_stand_in_the_order_of_their_angles():
    order = nested_cosets(components_of(group_of(group_table("D7"))))
    assert order.left[:7].tolist() == list(range(7))

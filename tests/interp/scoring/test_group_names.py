"""Groups are recognised by their tables alone, whatever their elements are called."""

import numpy as np
import pytest

from interp.data.group_tables import group_table
from interp.scoring.group_names import group_name
from probes.finite_group import group_of
from probes.isomorphism import isomorphism


def renamed(table: np.ndarray, seed: int = 0) -> np.ndarray:
    """The same group with its elements in a random order."""
    order = np.random.default_rng(seed).permutation(len(table))
    place = np.argsort(order)
    return order[table[place][:, place]]


NAMES = {
    "S3xZ2": "D6",
    "Z2xZ4xZ10": "Z2xZ2xZ20",
    "S2": "Z2",
    "D2": "Z2xZ2",
    "Q4": "Z4",
    "Z1": "Z1",
    "Z35": "Z35",
}


@pytest.mark.parametrize("name", ["S4", "A4", "A5", "D7", "Q8", "Q12", "A4xZ2", "S3xS3", "D4xZ3", *NAMES])
def test_a_renamed_group_gets_its_name(name):
    assert group_name(group_of(renamed(group_table(name)))) == NAMES.get(name, name)


def test_a_group_without_a_name_is_described():
    n = np.arange(21)  # the one that is not abelian: x**7 = y**3 = 1, y x = x**2 y
    x, y = n % 7, n // 7
    table = (x[:, None] + 2 ** y[:, None] * x) % 7 + 7 * ((y[:, None] + y) % 3)
    assert group_name(group_of(renamed(table))) == "a group of order 21 with 5 classes"


@pytest.mark.parametrize("name", ["S4", "Q8", "Z2xZ6", "D5xZ3"])
def test_an_isomorphism_keeps_products(name):
    table = group_table(name)
    group, other = group_of(table), group_of(renamed(table, seed=3))
    image = isomorphism(group, other)
    assert (image[table] == other.table[image][:, image]).all()


@pytest.mark.parametrize(("one", "other"), [("D4", "Q8"), ("Z4", "Z2xZ2"), ("S4", "A4xZ2"), ("D6", "Q12")])
def test_groups_of_one_order_are_told_apart(one, other):
    assert isomorphism(group_of(group_table(one)), group_of(group_table(other))) is None

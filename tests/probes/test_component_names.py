"""Names of components against characters of textbooks, and of groups whose elements are numbered at random."""

import numpy as np
import pytest

from interp.data.group_tables import group_table
from probes.component_names import irreducibles, named_components
from probes.finite_group import group_of
from probes.isotypic import components_of

TURNS = [f"rotation {k}" for k in (1, 2)]
KNOWN = {  # size, dimension, name
    "Z5": [(2, 1, "frequency 1"), (2, 1, "frequency 2")],
    "A4": [(2, 1, "1-dimensional of order 3"), (9, 3, "standard")],
    "D5": [(1, 1, "sign"), *((4, 2, name) for name in TURNS)],
    "S3": [(1, 1, "sign"), (4, 2, "standard")],
    "S4": [(1, 1, "sign"), (4, 2, "2-dimensional"), (9, 3, "standard"), (9, 3, "standard × sign")],
    "S5": [
        (1, 1, "sign"),
        *((16, 4, f"standard{twist}") for twist in ("", " × sign")),
        *((25, 5, f"5-dimensional{twist}") for twist in ("", " × sign")),
        (36, 6, "6-dimensional"),
    ],
    "Q8": [*((1, 1, f"1-dimensional of order 2, {place}") for place in ("1st", "2nd", "3rd")), (4, 2, "2-dimensional")],
    "Z2xZ2": [(1, 1, f"frequencies {pair}") for pair in ("0, 1", "1, 0", "1, 1")],
}  # fmt: skip


def shuffled(table: np.ndarray, seed: int) -> np.ndarray:
    """The same group with its elements numbered at random."""
    new = np.random.default_rng(seed).permutation(len(table))
    result = np.empty_like(table)
    result[np.ix_(new, new)] = new[table]
    return result


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("seed", [None, 0, 1])
def test_sizes_dimensions_and_names_are_those_of_textbooks(name, seed):
    table = group_table(name)
    components = components_of(group_of(table if seed is None else shuffled(table, seed)))
    named = named_components(components, name)
    assert sorted((one.size, one.dimension, one.name) for one in named) == sorted(KNOWN[name])
    assert [one.size for one in named] == components.sizes[1:].tolist()


def test_kinds_of_representations_are_told_by_their_indicators():
    kinds = {
        name: {one.size: one.kind for one in irreducibles(of(name))} for name in ("Q8", "A4", "Z5", "D5")
    }
    assert kinds["Q8"] == {1: "real", 4: "quaternionic"}
    assert kinds["A4"] == {2: "complex", 9: "real"}
    assert kinds["Z5"] == {2: "complex"}
    assert kinds["D5"] == {1: "real", 4: "real"}


def of(name: str):
    return components_of(group_of(group_table(name)))


@pytest.mark.parametrize("seed", range(3))
def test_the_standard_representation_counts_fixed_points(seed):
    group = group_of(shuffled(group_table("S5"), seed))
    components = components_of(group)
    names = [one.name for one in named_components(components, "S5")]
    character = irreducibles(components)[names.index("standard")].character
    swaps = np.flatnonzero((group.orders == 2) & (np.bincount(group.classes)[group.classes] == 10))
    cycles = np.flatnonzero(group.orders == 5)
    np.testing.assert_allclose(character[swaps], 3 - 1)  # fixed points less one
    np.testing.assert_allclose(character[cycles], 0 - 1, atol=1e-9)


def test_frequencies_of_a_product_are_those_of_its_waves():
    components = of(
        "Z2xZ6"
    )  # elements are 6 x + y; the first of order 6 is 1, the first of order 2 beside it 6
    names = [one.name for one in named_components(components, "Z2xZ6")]
    x, y = np.divmod(np.arange(12), 6)
    for place, (k, m) in enumerate([(1, 0), (0, 1), (1, 2), (1, 3)]):
        wave = np.cos(2 * np.pi * (k * x / 2 + m * y / 6))
        best = int(components.shares(wave[None])[0].argmax())
        assert names[best] == f"frequencies {k}, {m}", place


@pytest.mark.parametrize("name", ["S3xZ4", "S6", "D12", "Q12", "Z2xZ4xZ10", "S4xZ2"])
def test_no_two_components_share_a_name(name):
    named = named_components(of(name), name)
    assert len({one.name for one in named}) == len(named)

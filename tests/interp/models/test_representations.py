"""Matrices of representations against tables written out by hand, and against other ways to compute them."""

from itertools import permutations

import numpy as np
import pytest

from interp.data.group_tables import cyclic, direct_product, group_table
from interp.errors import ConfigError
from interp.models.representations import faithful, representations_of
from probes.finite_group import group_of
from probes.isotypic import components_of

# by cycle type; Serre 1977, 5.7 and 5.8
CHARACTERS = {
    3: {(1, 1, 1): (1, 1, 2), (1, 2): (1, -1, 0), (3,): (1, 1, -1)},
    4: {
        (1, 1, 1, 1): (1, 1, 2, 3, 3),
        (1, 1, 2): (1, -1, 0, 1, -1),
        (2, 2): (1, 1, 2, -1, -1),
        (1, 3): (1, 1, -1, 0, 0),
        (4,): (1, -1, 0, -1, 1),
    },
}


def quaternions(n: int) -> np.ndarray:
    """Elements aⁱ bʲ with a²ⁿ = 1, b² = aⁿ, b a = a⁻¹ b; the quaternion group for n = 2."""
    turn, flip = np.arange(4 * n) % (2 * n), np.arange(4 * n) // (2 * n)
    both = flip[:, None] & flip
    turned = turn[:, None] + np.where(flip[:, None] == 1, -turn, turn) + n * both
    return turned % (2 * n) + 2 * n * (flip[:, None] ^ flip)


def shuffled(table: np.ndarray, seed: int) -> np.ndarray:
    """The same group with its elements numbered otherwise."""
    new = np.random.default_rng(seed).permutation(len(table))
    old = np.argsort(new)
    return new[table[old][:, old]]


def cycle_type(permutation: tuple[int, ...]) -> tuple[int, ...]:
    lengths, left = [], set(range(len(permutation)))
    while left:
        place, length = min(left), 0
        while place in left:
            left.remove(place)
            place, length = permutation[place], length + 1
        lengths.append(length)
    return tuple(sorted(lengths))


@pytest.mark.parametrize("n", [3, 4])
def test_characters_of_permutations_are_those_of_the_books(n: int) -> None:
    characters = np.stack([one.character for one in representations_of(group_table(f"S{n}"))])
    expected = np.array([CHARACTERS[n][cycle_type(one)] for one in permutations(range(n))]).T
    assert sorted(characters.round(6).tolist()) == sorted(expected.tolist())


GROUPS = {
    **{name: group_table(name) for name in ("S4", "A5", "D7", "Z2xZ4xZ10")},
    "A4, of which one is of complex type": group_table("A4"),
    "quaternions": quaternions(2),
    "S4 in another order": shuffled(group_table("S4"), 1),
}


@pytest.mark.parametrize("table", GROUPS.values(), ids=GROUPS)
def test_matrices_multiply_as_their_elements_and_are_orthogonal(table: np.ndarray) -> None:
    for one in representations_of(table):
        products = np.einsum("aij,bjk->abik", one.matrices, one.matrices)
        np.testing.assert_allclose(products, one.matrices[table], atol=1e-9)
        gram = np.einsum("aij,akj->aik", one.matrices, one.matrices)
        np.testing.assert_allclose(gram, np.broadcast_to(np.eye(one.dimension), gram.shape), atol=1e-9)


@pytest.mark.parametrize("table", GROUPS.values(), ids=GROUPS)
def test_entries_span_one_component_each(table: np.ndarray) -> None:
    components, spanned = components_of(group_of(table)), set()
    for one in representations_of(table)[1:]:
        shares = components.shares(one.matrices.reshape(len(table), -1).T)
        best = int(shares[0].argmax())
        assert shares[:, best] == pytest.approx(np.ones(len(shares)), abs=1e-9)
        assert components.sizes[best + 1] == one.size
        spanned.add(best)
    assert len(spanned) == len(components.sizes) - 1


def test_types_are_counted_by_their_size() -> None:
    sizes = {name: [(one.dimension, one.size) for one in representations_of(GROUPS[name])] for name in GROUPS}
    assert sizes["quaternions"] == [(1, 1)] * 4 + [(4, 4)]
    assert sizes["A4, of which one is of complex type"] == [(1, 1), (2, 2), (3, 9)]
    assert sizes["A5"] == [(1, 1), (3, 9), (3, 9), (4, 16), (5, 25)]


def test_the_seed_decides_the_basis_only() -> None:
    first, other = (representations_of(group_table("S4"), seed) for seed in (0, 1))
    for one, two in zip(first, other, strict=True):
        assert one.character == pytest.approx(two.character, abs=1e-9)
    assert np.abs(first[-1].matrices - other[-1].matrices).max() > 0.1


@pytest.mark.parametrize(
    ("table", "dimensions"), [(group_table("Z2xZ4xZ10"), [1, 1, 1, 2]), (group_table("S5"), [4])], ids=len
)
def test_few_small_representations_tell_all_elements_apart(table: np.ndarray, dimensions: list[int]) -> None:
    chosen = faithful(representations_of(table))
    assert sorted(one.dimension for one in chosen) == dimensions
    together = np.hstack([one.matrices.reshape(len(table), -1) for one in chosen]).round(6)
    assert len(np.unique(together, axis=0)) == len(table)


@pytest.mark.parametrize(
    "table", [np.zeros((3, 3), int), (np.arange(5)[:, None] * 2 + np.arange(5)) % 5], ids=["zeros", "2a + b"]
)
def test_a_table_without_an_identity_or_twice_a_result_is_refused(table: np.ndarray) -> None:
    with pytest.raises(ConfigError, match=f"the table of {len(table)} elements is no group's"):
        representations_of(table)


def test_products_of_groups_have_products_of_characters() -> None:
    characters = [
        {tuple(one.character.round(6)) for one in representations_of(table)}
        for table in (group_table("S3"), cyclic(2), direct_product(group_table("S3"), cyclic(2)))
    ]
    products = {tuple(np.outer(one, two).ravel().round(6)) for one in characters[0] for two in characters[1]}
    assert characters[2] == products

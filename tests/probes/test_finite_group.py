"""Groups and their components against groups written out by hand, and against NumPy's FFT."""

import numpy as np
import pytest

from interp.data.group_tables import (
    abelian_names,
    cyclic,
    dihedral,
    direct_product,
    group_table,
    symmetric,
)
from probes.finite_group import NoGroup, broken_laws, generators, group_of
from probes.isotypic import components_of

GROUPS = {
    name: group_of(group_table(name)) for name in ("S3", "S5", "A5", "D59", "Z118", "Z2xZ4xZ10", "S3xZ4")
}


def quaternions():
    """±1, ±i, ±j, ±k, numbered 1 i j k and then the same with a minus sign."""
    units = [[0, 1, 2, 3], [1, 4, 3, 6], [2, 7, 4, 1], [3, 2, 5, 4]]
    table = np.array(units)
    return np.block([[table, (table + 4) % 8], [(table + 4) % 8, table]])


@pytest.mark.parametrize("name", GROUPS)
def test_components_are_kept_apart_by_multiplication_from_either_side(name):
    group = GROUPS[name]
    components = components_of(group)
    n = len(group)
    np.testing.assert_allclose(components.basis.T @ components.basis, np.eye(n), atol=1e-10)
    assert components.sizes.sum() == n
    for a, b in zip(components.starts[:-1], components.starts[1:], strict=True):
        projector = components.basis[:, a:b] @ components.basis[:, a:b].T
        for element in generators(group.table):
            moves = group.table[element], group.table[:, element]
            for move in moves:
                np.testing.assert_allclose(projector[np.ix_(move, move)], projector, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("S3", [1, 1, 4]),
        ("S5", [1, 1, 16, 16, 25, 25, 36]),
        ("A5", [1, 9, 9, 16, 25]),
        ("D59", [1, 1, *[4] * 29]),
        ("Z118", [1, 1, *[2] * 58]),
    ],
)
def test_sizes_are_those_of_the_books(name, sizes):
    assert components_of(GROUPS[name]).sizes[1:].tolist() == sizes[1:]


def test_a_component_of_addition_is_a_frequency():
    n = 12
    components = components_of(group_of(cyclic(n)))
    vectors = np.random.default_rng(0).normal(size=(5, n))
    power = np.square(np.abs(np.fft.rfft(vectors)))[:, 1:]
    power[:, -1] /= 2  # its sine is zero
    expected = np.sort(power / power.sum(1, keepdims=True), axis=1)
    np.testing.assert_allclose(np.sort(components.shares(vectors), axis=1), expected, atol=1e-12)


def test_components_of_a_product_are_products_of_frequencies():
    n, m = 4, 6
    components = components_of(group_of(direct_product(cyclic(n), cyclic(m))))
    vectors = np.random.default_rng(1).normal(size=(4, n * m))
    power = np.square(np.abs(np.fft.fft2(vectors.reshape(-1, n, m))))
    paired = {}
    for i in range(n):
        for j in range(m):
            key = min((i, j), (-i % n, -j % m))
            paired[key] = paired.get(key, 0) + power[:, i, j]
    paired.pop((0, 0))
    expected = np.stack(list(paired.values()), axis=1)
    expected = np.sort(expected / expected.sum(1, keepdims=True), axis=1)
    np.testing.assert_allclose(np.sort(components.shares(vectors), axis=1), expected, atol=1e-12)


def test_the_characters_of_three_things_permuted():
    """Of the identity, a swap and a turn: 1 1 1, 1 -1 1 and 2 0 -1."""
    group = GROUPS["S3"]
    signs, standard = components_of(group).characters[1:] * 6
    np.testing.assert_allclose(signs, [1, -1, -1, 1, 1, -1], atol=1e-9)
    np.testing.assert_allclose(standard / 2, [2, 0, 0, -1, -1, 0], atol=1e-9)


def test_quaternions_have_one_component_of_four_dimensions():
    assert components_of(group_of(quaternions())).sizes.tolist() == [1, 1, 1, 1, 4]


def test_renaming_the_elements_changes_nothing():
    group, names = group_of(symmetric(4)), np.random.default_rng(2).permutation(24)
    table = np.empty((24, 24), int)
    table[np.ix_(names, names)] = names[group.table]
    renamed = group_of(table)
    assert renamed.fingerprint == group.fingerprint
    vectors = np.random.default_rng(3).normal(size=(3, 24))
    moved = np.empty_like(vectors)
    moved[:, names] = vectors
    before, after = (
        np.sort(components_of(g).shares(v), axis=1) for g, v in ((group, vectors), (renamed, moved))
    )
    np.testing.assert_allclose(before, after, atol=1e-9)


def test_groups_of_one_order_are_told_apart():
    assert group_of(quaternions()).fingerprint != group_of(dihedral(4)).fingerprint
    assert group_of(direct_product(cyclic(2), cyclic(4))).fingerprint != group_of(cyclic(8)).fingerprint
    assert group_of(direct_product(cyclic(2), cyclic(3))).fingerprint == group_of(cyclic(6)).fingerprint
    assert [len(abelian_names(n)) for n in (1, 8, 16, 72, 97)] == [1, 3, 5, 6, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table[:, :-1], "as many rows as columns"),
        (lambda table: table + 1, "no elements from 0 to 5"),
        (lambda table: np.where(table == 3, 4, table), "hold a result twice"),
        (lambda table: table[[1, 0, 2, 3, 4, 5]], "no element leaves all others"),
    ],
)
def test_tables_that_are_no_groups(change, message):
    with pytest.raises(NoGroup, match=message):
        group_of(change(symmetric(3)))


def test_a_latin_square_that_is_not_associative():
    square = np.array([[0, 1, 2, 3, 4], [1, 0, 3, 4, 2], [2, 4, 0, 1, 3], [3, 2, 4, 0, 1], [4, 3, 1, 2, 0]])
    assert not any("twice" in sentence for sentence in broken_laws(square))
    with pytest.raises(NoGroup, match="depend on the brackets"):
        group_of(square)

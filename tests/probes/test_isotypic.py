"""Shares of vectors in components against characters and matrices written out by hand."""

from itertools import permutations

import numpy as np

from interp.data.group_tables import symmetric
from probes.finite_group import group_of
from probes.isotypic import components_of

S4 = {  # by the lengths of cycles
    "classes": [(1, 1, 1, 1), (1, 1, 2), (2, 2), (1, 3), (4,)],
    "trivial": [1, 1, 1, 1, 1],
    "sign": [1, -1, 1, 1, -1],
    "of three pairings": [2, 0, 2, -1, 0],
    "standard": [3, 1, -1, 0, -1],
    "standard with sign": [3, -1, -1, 0, 1],
}
S3_TURN, S3_FLIP = np.array([[-0.5, -(0.75**0.5)], [0.75**0.5, -0.5]]), np.diag([1.0, -1.0])


def cycles(permutation: tuple[int, ...]) -> tuple[int, ...]:
    """The lengths of a permutation's cycles, rising."""
    left, lengths = set(range(len(permutation))), []
    while left:
        length, point = 0, min(left)
        while point in left:
            left.remove(point)
            length, point = length + 1, permutation[point]
        lengths.append(length)
    return tuple(sorted(lengths))


def same_columns(shares: np.ndarray, expected: np.ndarray) -> None:
    """Assert that both have the same columns in some order."""
    assert shares.shape == expected.shape
    distance = np.abs(shares[:, :, None] - expected[:, None]).max(0)
    assert sorted(distance.argmin(1).tolist()) == list(range(shares.shape[1]))
    assert distance.min(1).max() < 1e-10


def test_of_four_things_permuted_they_are_those_of_the_characters():
    group = group_of(symmetric(4))
    kind = [S4["classes"].index(cycles(one)) for one in permutations(range(4))]
    vectors = np.random.default_rng(1).normal(size=(50, 24))
    vectors -= vectors.mean(1, keepdims=True)
    parts = []
    for name in list(S4)[2:]:
        character = np.array(S4[name])[kind]
        projected = np.zeros_like(vectors)
        for h in range(24):
            projected += (
                character[group.identity] / 24 * character[h] * vectors[:, group.table[group.inverse[h]]]
            )
        parts.append(np.square(projected).sum(1) / np.square(vectors).sum(1))
    same_columns(components_of(group).shares(vectors), np.stack(parts, axis=1))


def test_of_a_triangle_they_are_those_of_matrices_by_hand():
    """Elements of S3 as words in a turn and a flip, whichever they are in the table."""
    group = group_of(symmetric(3))
    turn, flip = int(np.argmax(group.orders == 3)), int(np.argmax(group.orders == 2))
    matrices, signs = np.zeros((6, 2, 2)), np.zeros(6)
    element = group.identity
    for k in range(3):
        for swapped in (False, True):
            at = group.table[element, flip] if swapped else element
            matrices[at] = np.linalg.matrix_power(S3_TURN, k) @ (S3_FLIP if swapped else np.eye(2))
            signs[at] = -1 if swapped else 1
        element = group.table[element, turn]
    for a in range(6):
        np.testing.assert_allclose(matrices[a] @ matrices, matrices[group.table[a]], atol=1e-12)
    vectors = np.random.default_rng(2).normal(size=(20, 6))
    vectors -= vectors.mean(1, keepdims=True)
    entries = matrices.reshape(6, 4) / np.sqrt(3)
    expected = np.stack([(vectors @ signs) ** 2 / 6, np.square(vectors @ entries).sum(1)], axis=1)
    shares = components_of(group).shares(vectors)
    np.testing.assert_allclose(shares, expected / np.square(vectors).sum(1, keepdims=True), atol=1e-10)

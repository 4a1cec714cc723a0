"""Components of logits against those by frequencies, and against characters written out by hand."""

import numpy as np
import pytest

from interp.data.group_tables import cyclic, symmetric
from probes import progress_measures as measures
from probes.component_logits import excluded_losses, logit_components
from probes.finite_group import group_of
from probes.isotypic import Components, components_of

S3_CLASSES = [0, 1, 1, 2, 2, 1]  # of lexicographic permutations: identity, swaps, rotations
S3_CHARACTERS = {"sign": [1, -1, 1], "standard": [2, 0, -1]}


def by_frequency(n: int) -> Components:
    """The components of addition, those of two dimensions in the order of their frequency."""
    wave = 2 * np.pi * np.outer(np.arange(n), np.arange(1, (n - 1) // 2 + 1)) / n
    waves = np.stack([np.cos(wave), np.sin(wave)], axis=2).reshape(n, -1) * np.sqrt(2 / n)
    basis = np.hstack([np.full((n, 1), n**-0.5), waves])
    return Components(basis, np.concatenate([[0], np.arange(1, n + 1, 2)]), group_of(cyclic(n)))


def test_for_addition_they_are_the_measures_by_frequency():
    n = 11
    i, j, c = np.ogrid[:n, :n, :n]
    grid = np.random.default_rng(0).normal(size=(n, n, n)) + c
    grid += 2 * np.cos(2 * np.pi * 3 * (i + j - c) / n) + np.sin(2 * np.pi * 4 * (i + j - c) / n)
    answers = np.add.outer(np.arange(n), np.arange(n)).ravel() % n
    rows = np.array_split(np.random.default_rng(1).permutation(n * n), 4)
    flat = grid.reshape(-1, n)

    def blocks():
        return ((answers[some], flat[some]) for some in rows)

    logits = logit_components(blocks, by_frequency(n))
    for k in range(1, 6):
        assert logits.shares[k - 1] == pytest.approx(measures.sum_variance_explained(grid, [k]), rel=1e-9)
    restricted, excluded = measures.restricted_and_excluded(grid, [3, 4])
    expected = measures.cross_entropy(restricted.reshape(-1, n), answers).mean()
    assert logits.restricted_loss([3, 4]) == pytest.approx(expected)
    (loss,) = excluded_losses(blocks(), [logits.along_product([3, 4])])
    assert loss == pytest.approx(measures.cross_entropy(excluded.reshape(-1, n), answers).mean())
    p = logits.p_values()
    assert p[2] < 1e-4
    assert p[[0, 1, 4]].min() > 0.01


def test_shares_are_those_of_characters_written_out_by_hand():
    table = symmetric(3)
    group = group_of(table)
    components = components_of(group)
    assert components.sizes.tolist() == [1, 1, 4]
    a, b, c = np.ogrid[:6, :6, :6]
    third = table[table[a, b], group.inverse[c]]
    characters = {name: np.array(values)[S3_CLASSES] for name, values in S3_CHARACTERS.items()}
    grid = 2.0 * characters["sign"][third] + 3.0 * characters["standard"][third] + a + 5.0 * c
    logits = logit_components(lambda: [(table.ravel(), grid.reshape(36, 6))], components)
    np.testing.assert_allclose(logits.shares, np.array([4, 9]) / 13)
    assert logits.signs.tolist() == [1, 1]
    rest = np.random.default_rng(0).normal(size=grid.shape)
    noisy = logit_components(lambda: [(table.ravel(), (grid + rest).reshape(36, 6))], components)
    centred = grid + rest
    centred = centred - centred.mean(2, keepdims=True)
    centred = centred - centred.mean((0, 1))
    for share, character in zip(noisy.shares, characters.values(), strict=True):
        expected = (
            (centred * character[third]).sum() ** 2 / (character[third] ** 2).sum() / (centred**2).sum()
        )
        assert share == pytest.approx(expected)


def test_constant_logits_have_no_shares():
    table = symmetric(3)
    constant = np.tile(np.arange(6.0), (36, 1))
    logits = logit_components(lambda: [(table.ravel(), constant)], components_of(group_of(table)))
    assert np.isnan(logits.shares).all()
    assert logits.restricted_loss([]) > 1


def test_p_values_of_random_outputs_are_uniform():
    table = symmetric(4)
    components = components_of(group_of(table))
    generator = np.random.default_rng(5)
    p = []
    for seed in range(30):
        hidden = np.maximum(generator.normal(size=(24, 1, 40)) + generator.normal(size=(1, 24, 40)), 0)
        grid = (hidden @ generator.normal(size=(40, 24))).reshape(-1, 24)
        p += logit_components(lambda: [(table.ravel(), grid)], components).p_values(seed).tolist()  # noqa: B023
    p = np.array(p)
    assert len(p) == 120
    assert (p < 0.01).mean() <= 0.035
    assert abs((p < 0.5).mean() - 0.5) < 0.15

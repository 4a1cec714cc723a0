"""Components of activations over pairs, against two-dimensional transforms and functions written out by hand."""

import numpy as np
import pytest

from interp.data.group_tables import cyclic, dihedral, direct_product, symmetric
from probes.activity import activation_scores
from probes.component_activity import component_activity, component_order_p_values
from probes.finite_group import group_of
from probes.isotypic import components_of
from probes.orders import DRAWS, order_p_values


def scored(grid, table):
    return component_activity(grid, components_of(group_of(table)), table)


@pytest.mark.parametrize("n", [11, 12])
def test_for_addition_they_are_the_scores_by_frequencies(n):
    generator, w = np.random.default_rng(n), 2 * np.pi * np.arange(n) / n
    grid = generator.normal(size=(20, n, n))
    grid[:10] += 2 * np.maximum(np.cos(2 * w)[:, None] + np.cos(2 * w), 0) + np.cos(2 * np.add.outer(w, w))
    scores, expected = scored(grid, cyclic(n)), activation_scores(grid)
    for name in ("activation_share", "sum_share", "silent"):
        np.testing.assert_allclose(scores[name], expected[name], atol=1e-9, err_msg=name)
    for number, frequency in (("activation_frequency",) * 2, ("sum_frequency",) * 2):
        same = scores[number][:, None] == scores[number]
        assert np.array_equal(same, expected[frequency][:, None] == expected[frequency])
    assert (scores["agreement"][:10] == 1).mean() > 0.8


def test_a_product_of_cyclic_groups_agrees_with_the_transform_over_both():
    n, m = 4, 6
    grid = np.random.default_rng(0).normal(size=(5, n * m, n * m))
    centred = grid - grid.mean((1, 2), keepdims=True)
    power = np.abs(np.fft.fftn(centred.reshape(5, n, m, n, m), axes=(1, 2, 3, 4))) ** 2
    total = power.sum((1, 2, 3, 4))
    shares = []
    for k in range(n):
        for j in range(m):
            both = {(k, j), (-k % n, -j % m)}
            at = (
                [(*a, *b) for a in both for b in both]
                + [(0, 0, *b) for b in both]
                + [(*a, 0, 0) for a in both]
            )
            shares.append(sum(power[(slice(None), *index)] for index in at) / total * ((k, j) != (0, 0)))
    scores = scored(grid, direct_product(cyclic(n), cyclic(m)))
    np.testing.assert_allclose(scores["activation_share"], np.max(shares, axis=0), atol=1e-9)


def test_a_function_of_the_product_in_one_component_is_pure():
    table = symmetric(4)
    components = components_of(group_of(table))
    generator = np.random.default_rng(1)
    for k in range(1, len(components.sizes)):
        part = components.basis[:, components.starts[k] : components.starts[k + 1]]
        f, left = (
            part @ generator.normal(size=(2, part.shape[1])).T[:, 0],
            part @ generator.normal(size=part.shape[1]),
        )
        scores = component_activity(np.stack([f[table], 3 + left[:, None] + f[None]]), components, table)
        np.testing.assert_allclose(scores["activation_share"], 1, atol=1e-9)
        assert scores["activation_frequency"].tolist() == [k, k]
        np.testing.assert_allclose(scores["sum_share"], [1, 0], atol=1e-9)
        np.testing.assert_allclose(scores["activation_ipr"][0], 1, atol=1e-9)
        assert scores["activation_ipr"][1] < 0.9
        assert scores["agreement"][0] == 1


def test_neurons_that_do_nothing_have_no_scores():
    table = symmetric(3)
    scores = scored(np.stack([np.zeros((6, 6)), np.full((6, 6), 2.5)]), table)
    assert scores["activation_frequency"].tolist() == [0, 0]
    assert np.isnan(scores["activation_share"]).all()
    assert scores["silent"].tolist() == [1, 0]
    p = component_order_p_values(np.zeros((1, 6, 6)), components_of(group_of(table)), table, draws=99)
    assert np.isnan(p["p_value"]).all()


def test_random_orders_find_a_component_of_the_product_alone():
    table = symmetric(4)
    components = components_of(group_of(table))
    generator = np.random.default_rng(2)
    grid = generator.normal(size=(60, 24, 24))
    f = components.basis[:, components.starts[3] : components.starts[4]] @ generator.normal(size=(9, 30))
    grid[:30] += 2.5 * f.T[:, table]
    p = component_order_p_values(grid, components, table)["p_value"]
    assert (p[:30] < 1e-3).all()
    assert (p[30:] < 0.05).mean() < 0.2


@pytest.mark.slow
@pytest.mark.parametrize(
    "table", [symmetric(5), dihedral(59), direct_product(cyclic(2), cyclic(4), cyclic(10))]
)
def test_random_orders_find_nothing_in_random_networks(table):
    """Rectified sums of random vectors, the same one for both operands in half of the neurons."""
    n, components, generator = len(table), components_of(group_of(table)), np.random.default_rng(3)
    p = []
    for seed in range(12):
        left = generator.normal(size=(160, n))
        right = np.where(np.arange(160)[:, None] < 80, left, generator.normal(size=(160, n)))
        grid = np.maximum(left[:, :, None] + right[:, None], 0).astype(np.float32)
        p.append(component_order_p_values(grid, components, table, seed, draws=199)["p_value"])
    p = np.concatenate(p)
    assert (
        p < 0.01
    ).mean() <= 0.015  # neurons of one network share the orders, so that their errors go together
    assert (p < 0.1).mean() > 0.06


def test_for_addition_the_test_is_that_of_frequencies():
    n = 13
    generator = np.random.default_rng(4)
    grid = generator.normal(size=(40, n, n)) + 0.4 * np.cos(
        2 * np.pi * 3 * np.add.outer(np.arange(n), np.arange(n)) / n
    )
    table = cyclic(n)
    p = component_order_p_values(grid, components_of(group_of(table)), table, draws=DRAWS)
    expected = order_p_values(grid)
    np.testing.assert_allclose(p["p_null"], expected["p_null"], rtol=1e-4)
    counted = (
        expected["p_value"] > 0.05
    )  # an exponential tail beyond, which another measure has another one of
    assert counted.sum() > 10
    np.testing.assert_allclose(p["p_value"][counted], expected["p_value"][counted])

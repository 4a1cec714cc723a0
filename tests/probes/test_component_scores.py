"""Scores by components against those by frequencies, and p-values against vectors in which there is nothing."""

import numpy as np
import pytest

from interp.data.group_tables import cyclic, dihedral, direct_product, symmetric
from probes.component_scores import component_p_values, component_scores
from probes.features import joint_scores
from probes.finite_group import group_of
from probes.isotypic import components_of

PRODUCT = group_of(direct_product(cyclic(2), cyclic(4), cyclic(10)))


def test_for_addition_they_are_the_scores_by_frequencies():
    vectors = [np.random.default_rng(seed).normal(size=(300, 113)) for seed in range(3)]
    found, expected = component_scores(vectors, components_of(group_of(cyclic(113)))), joint_scores(vectors)
    np.testing.assert_allclose(found["ipr"], expected["ipr"], atol=1e-12)
    np.testing.assert_allclose(found["component_share"], expected["frequency_share"], atol=1e-12)
    same = found["component"][:, None] == found["component"]
    assert np.array_equal(same, expected["frequency"][:, None] == expected["frequency"])
    assert np.abs(np.log(found["p_value"] / expected["p_value"])).max() < 0.1


@pytest.mark.parametrize(
    "group", [group_of(symmetric(5)), group_of(dihedral(59)), PRODUCT], ids=["S5", "D59", "Z2xZ4xZ10"]
)
@pytest.mark.parametrize("kind", ["normal", "two values", "heavy tails"])
def test_nothing_is_found_where_nothing_is(group, kind):
    generator, shape = np.random.default_rng(7), (3, 10_000, len(group))
    vectors = {
        "normal": lambda: generator.normal(size=shape),
        "two values": lambda: (
            np.where(generator.random(shape) < 0.1, 3.0, 0.0) + 0.1 * generator.normal(size=shape)
        ),
        "heavy tails": lambda: generator.standard_t(2, size=shape),
    }[kind]()
    p = component_scores(list(vectors), components_of(group))["p_value"]
    assert (p < 0.01).mean() < 0.012
    if kind == "normal":
        assert (p < 0.1).mean() > 0.07  # not much too large either


def test_a_neuron_in_one_component_is_recognised_beneath_noise():
    components = components_of(group_of(symmetric(5)))
    generator = np.random.default_rng(3)
    chosen = generator.integers(1, len(components.sizes), 200)
    vectors = []
    for _ in range(3):
        pure = [
            components.basis[:, a:b] @ generator.normal(size=b - a) / np.sqrt(b - a)
            for a, b in zip(components.starts[chosen], components.starts[chosen + 1], strict=True)
        ]
        vectors.append(np.array(pure) + 0.3 * generator.normal(size=(200, 120)) / np.sqrt(120))
    scores = component_scores(vectors, components)
    assert np.array_equal(scores["component"], chosen - 1)
    assert (scores["p_value"] < 1e-4).all()
    assert scores["agreement"].mean() > 0.95


def test_dead_neurons_have_no_scores():
    vectors = [np.ones((2, 24)), np.zeros((2, 24))]
    scores = component_scores(vectors, components_of(group_of(symmetric(4))))
    assert scores["component"].tolist() == [-1, -1]
    assert np.isnan(scores["p_value"]).all()
    assert np.isnan(scores["ipr"]).all()


def test_a_group_with_one_component_tells_nothing():
    assert component_p_values(np.array([[1.0]]), np.array([1])).tolist() == [1.0]

"""Networks whose neurons lie in one component of a group each, and networks of random weights."""

import numpy as np
import pytest
from composing import composing

import interp
from interp.data import ModularTask
from interp.models import HookedMLP, MLPConfig
from interp.scoring.components import component_columns, task_components


@pytest.mark.parametrize("name", ["S4", "D7", "A5", "S3xZ4"])
def test_neurons_of_one_component_are_seen_as_such(name):
    model, task = composing(name)
    assert task.ordering is None
    table = interp.score(model, task)
    assert (table["p_value"] < 1e-3).mean() > 0.95
    np.testing.assert_allclose(table["frequency_share"], 1, atol=1e-5)
    components = task_components(task)
    described = table.meta["null"]["components"]
    assert [one["size"] for one in described] == components.sizes[1:].tolist()
    assert len({one["name"] for one in described}) == len(described)
    assert table.meta["null"]["group"]["order"] == task.p
    assert set(table["frequency"]) <= set(range(1, len(components.sizes)))


@pytest.mark.parametrize("name", ["S5", "D59", "Z2xZ4xZ10"])
def test_random_weights_have_no_component(name):
    task = ModularTask(f"group:{name}", train_fraction=0.5)
    p = np.concatenate(
        [
            interp.score(HookedMLP(MLPConfig(width=400), vocab=task.p, seed=seed), task)["p_value"]
            for seed in range(2)
        ]
    )
    assert (p < 0.01).mean() <= 0.02  # of 800; the calibration itself is in tests/probes
    assert (p < 0.5).mean() > 0.25


def test_an_operation_that_is_no_groups_has_no_components():
    assert task_components(ModularTask("a**2 + a*b", 7)) is None
    assert task_components(ModularTask("add", 7)) is None  # it has an ordering
    assert task_components(ModularTask("group:Z12")) is None  # so has this one
    assert task_components(ModularTask("group:Z2xZ6")) is not None


@pytest.mark.parametrize("name", ["S3", "D4", "S4", "Z2xZ4xZ10"])
def test_p_values_of_random_weights_are_uniform(name):
    task = ModularTask(f"group:{name}")
    vectors = [np.random.default_rng(seed).normal(size=(4000, task.p)) for seed in range(3)]
    columns, _ = component_columns(vectors, (0, 1, 2), task_components(task), n_draws=20_000, seed=0)
    for p in ("p_value", "p_null"):
        below = (columns[p][:, None] < [0.01, 0.1, 0.5]).mean(0)
        assert (below < [0.015, 0.115, 0.53]).all(), p
        assert (below > [0.004, 0.06, 0.4]).all(), p

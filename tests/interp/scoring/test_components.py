"""Networks whose neurons lie in one component of a group each, and networks of random weights."""

import numpy as np
import pytest
import torch

import interp
from interp.data import ModularTask
from interp.models import HookedMLP, MLPConfig
from interp.scoring.components import task_components
from probes.finite_group import group_of
from probes.isotypic import components_of


def composing(name: str, width: int = 128, seed: int = 0) -> tuple[HookedMLP, ModularTask]:
    """Weights of each neuron in one component: f(a) by the left operand, f'(b) and their product's for the output.

    Of a square activation the product of a left and a right vector remains; summed over neurons of a component with
    independent vectors the logits grow with the component's share of the class of a b c⁻¹.
    """
    task = ModularTask(f"group:{name}", train_fraction=0.5)
    table = np.empty((task.p, task.p), int)
    data = task.dataset
    table[data.inputs[:, 0], data.inputs[:, 1]] = data.true_labels
    components = components_of(group_of(table))
    generator = np.random.default_rng(seed)
    chosen = generator.integers(1, len(components.sizes), width)
    left, right, output = (np.stack([drawn(components, k, generator) for k in chosen]) for _ in range(3))
    model = HookedMLP(MLPConfig(width=width), vocab=task.p)
    with torch.no_grad():
        model.embed.W_E.copy_(torch.tensor(np.stack([left.T, right.T])))
        model.unembed.W_U.copy_(torch.tensor(output))
    return model, task


def drawn(components, k, generator):
    part = components.basis[:, components.starts[k] : components.starts[k + 1]]
    return part @ generator.normal(size=part.shape[1])


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

"""Orders of neurons by the memories that they hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interp.data import ModularTask
from interp.measuring.cached_pass import CachedPass, cached_pass
from interp.measuring.crossfit import halves
from interp.measuring.memory_orders import (
    ORDERS,
    affordable_order,
    aim_at,
    attribution_order,
    flip_order,
    greedy_order,
    masked_logits,
    none_gone,
    slope,
)
from interp.models import HookedMLP, MLPConfig, SmallTransformer, TransformerConfig, planted_mlp

TASK = ModularTask("add", p=23, train_fraction=0.6, corrupt_fraction=0.3)
PLANTED = planted_mlp(TASK, memorizing=60)
EVERYTHING = torch.ones(TASK.p**2, dtype=torch.bool)


@pytest.fixture(scope="module")
def planted() -> CachedPass:
    return cached_pass(PLANTED.model, TASK)


def deep() -> CachedPass:
    """A site that more than a matrix follows."""
    task = ModularTask("add", p=7, train_fraction=0.6, corrupt_fraction=0.3)
    model = SmallTransformer(
        TransformerConfig(d_model=8, n_heads=2, d_mlp=12, n_layers=2), vocab=7, n_outputs=7
    )
    return cached_pass(model, task, site="blocks.0.mlp.hook_post")


@pytest.mark.parametrize("name", ORDERS)
def test_planted_memorizing_neurons_come_first(planted: CachedPass, name: str) -> None:
    order = ORDERS[name](planted, EVERYTHING, 0)
    assert sorted(order.tolist()) == list(range(planted.width))
    assert (PLANTED.labels[order[:30]] == "memorizing").all()


@pytest.mark.parametrize("name", ORDERS)
def test_orders_look_at_the_examples_of_the_half_alone(planted: CachedPass, name: str) -> None:
    """Labels of the other half are changed, and no neuron changes its place."""
    fit = halves(planted.data, repeats=1)[0]
    labels, true = planted.data.labels.clone(), planted.data.true_labels.clone()
    both = (~fit).nonzero()[:, 0]
    labels[both], true[both] = (labels[both] + 3) % TASK.p, (true[both] + 3) % TASK.p
    from dataclasses import replace

    other = replace(planted, data=replace(planted.data, labels=labels, true_labels=true))
    np.testing.assert_array_equal(ORDERS[name](planted, fit, 0), ORDERS[name](other, fit, 0))


@pytest.mark.parametrize("name", ORDERS)
def test_every_order_is_made_through_later_layers_too(name: str) -> None:
    cached = deep()
    order = ORDERS[name](cached, torch.ones(49, dtype=torch.bool), 0)
    assert sorted(order.tolist()) == list(range(12))


@pytest.mark.parametrize("make", [lambda: cached_pass(PLANTED.model, TASK), deep])
def test_a_mask_of_ones_and_zeros_removes_neurons(make) -> None:
    cached = make()
    rows = torch.arange(0, len(cached.data), 3)
    gone = none_gone(cached)
    gone[[1, 4]] = 1
    with torch.no_grad():
        wanted = cached.logits_after(torch.tensor([1, 4]))[rows]
        torch.testing.assert_close(masked_logits(cached, rows, gone), wanted, rtol=1e-4, atol=1e-4)
        each = gone.expand(len(rows), -1)
        torch.testing.assert_close(masked_logits(cached, rows, each), wanted, rtol=1e-4, atol=1e-4)


def test_attribution_is_exact_where_a_matrix_follows(planted: CachedPass) -> None:
    aim = aim_at(planted, EVERYTHING)

    def lead(logits: torch.Tensor) -> torch.Tensor:
        own, true = (logits.gather(1, x[:, None])[:, 0] for x in (aim.labels, aim.true_labels))
        return (own - true)[aim.forget].mean()

    added = slope(planted, aim.rows, none_gone(planted), lead)
    for neuron in (0, 7, 100):
        removed = planted.logits_after(torch.tensor([neuron]))[aim.rows]
        difference = lead(removed) - lead(planted.logits[aim.rows])
        assert float(added[neuron]) == pytest.approx(float(difference), abs=1e-5)


def test_greedy_takes_out_the_neuron_that_helps_most(planted: CachedPass) -> None:
    """Against trying every neuron."""
    aim = aim_at(planted, EVERYTHING)
    values = [
        float(aim.value(planted.logits_after(torch.tensor([i]))[aim.rows])) for i in range(planted.width)
    ]
    assert greedy_order(planted, EVERYTHING)[0] == int(np.argmax(values))


def test_flipping_takes_the_neuron_that_holds_the_example() -> None:
    """One neuron for each memorised example, and two for the rule that many examples share."""
    model = HookedMLP(MLPConfig(width=4), vocab=5)
    cached = cached_pass(model, ModularTask("add", p=5, train_fraction=0.6, corrupt_fraction=0.4))
    order = flip_order(cached, torch.ones(25, dtype=torch.bool))
    assert sorted(order.tolist()) == [0, 1, 2, 3]


def test_the_greedy_search_is_for_small_networks() -> None:
    small = cached_pass(HookedMLP(MLPConfig(width=100), vocab=11), ModularTask("add", p=11))
    assert affordable_order(small, torch.ones(121, dtype=torch.bool)) == "greedy"
    large = cached_pass(HookedMLP(MLPConfig(width=600), vocab=53), ModularTask("add", p=53))
    assert affordable_order(large, torch.ones(53**2, dtype=torch.bool)) == "attribution"


def test_without_wrong_labels_training_labels_are_forgotten() -> None:
    task = ModularTask("add", p=11, train_fraction=0.5)
    cached = cached_pass(HookedMLP(MLPConfig(width=20), vocab=11), task)
    aim = aim_at(cached, torch.ones(121, dtype=torch.bool))
    assert not aim.wrong
    assert int(aim.forget.sum()) == int(task.dataset.train.sum())
    assert len(attribution_order(cached, torch.ones(121, dtype=torch.bool))) == 20
    sure = torch.nn.functional.one_hot(aim.true_labels, 11).float() * 50
    assert float(aim.value(sure)) < float(aim.value(sure * (~aim.forget)[:, None]))

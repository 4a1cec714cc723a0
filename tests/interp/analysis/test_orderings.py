"""Whether a wrong order is noticed and the right one named; and that nothing is said where nothing is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from interp.analysis.orderings import BetterOrdering, better_ordering, candidate_orderings
from interp.data import ModularTask, TableTask, Task, group_ordering
from interp.models import HookedMLP, MLPConfig, TransformerConfig, analytic_mlp, planted_mlp
from interp.models.protocol import HookedModel
from interp.subject import Subject, score
from interp.training import TrainConfig, new_transformer, train

P = 31
BUILT_IN = ("add", "subtract", "multiply", "divide")


def look(model: HookedModel, task: Task) -> BetterOrdering | None:
    return better_ordering(model, task)


@pytest.mark.parametrize("p", [5, 13, 31, 97])
def test_candidates_are_addition_along_their_order(p: int) -> None:
    for name, order in candidate_orderings(p).items():
        for i in range(len(order)):
            for j in range(0, len(order), 7):
                a, b = int(order.left[i]), int(order.right[j])
                expected = (a + b) % p if name == "natural" else a * b % p
                assert order.output[(i + j) % len(order)] == expected


@pytest.mark.parametrize("p", [2, 4, 12, 91])
def test_only_primes_have_logarithms(p: int) -> None:
    assert list(candidate_orderings(p)) == ["natural"]


@pytest.mark.parametrize("said", BUILT_IN)
@pytest.mark.parametrize("true", BUILT_IN)
def test_every_wrong_operation_is_noticed_and_the_right_one_named(true: str, said: str) -> None:
    found = look(analytic_mlp(true, p=P), ModularTask(said, p=P))
    if true == said:
        assert found is None
        return
    assert found is not None
    assert found.better.operations == (true,)
    log = {"multiply", "divide"}
    assert found.by_phases == ((true in log) == (said in log))
    assert found.better.mean_aligned > 0.99
    assert found.p < 1e-10
    assert f"(--task {true})" in found.sentence(ModularTask(said, p=P))


@pytest.mark.parametrize("operation", BUILT_IN)
@pytest.mark.parametrize("read_in", ["natural", "log"])
def test_a_network_read_in_another_order_is_sent_back_to_its_own(operation: str, read_in: str) -> None:
    task = ModularTask(operation, p=P, read_in=read_in)
    same = (operation, read_in) in {("add", "natural"), ("multiply", "log"), ("divide", "log")}
    found = look(analytic_mlp(operation, p=P), task)
    assert (found is None) == same
    if found is not None:
        assert found.sentence(task).endswith("read the network in it (--ordering task).")


def test_numbers_are_those_of_scoring() -> None:
    model = analytic_mlp("multiply", p=97, width=500)
    found = look(model, ModularTask("multiply", p=97, read_in="natural"))
    assert found is not None
    raw, ordered = (
        score(model, ModularTask("multiply", p=97, read_in=read_in)) for read_in in ("natural", "task")
    )
    for one, table in ((found.read, raw), (found.better, ordered)):
        share = np.nan_to_num(table["frequency_share"])
        np.testing.assert_allclose(one.share, share, atol=1e-5)
        assert one.mean_share == pytest.approx(np.average(share, weights=table["strength"]), abs=1e-4)
        assert int(one.periodic.sum()) == ((table["q_value"] <= 0.01) & (share >= 0.5)).sum()
    text = found.sentence(ModularTask("add", p=97))
    assert "(discrete logarithm to base 5, without 0)" in text
    assert "499 are periodic instead of 0" in text
    assert text.endswith(
        "Was the task multiplication (--task multiply)? --ordering log changes the order alone."
    )


def of_many(*sizes: int) -> list[Any]:
    """Six networks of each size, and twenty in the slow tests."""
    return [
        *((size, 6) for size in sizes[:1]),
        *(pytest.param(size, 20, marks=pytest.mark.slow) for size in sizes),
    ]


@pytest.mark.parametrize("width", [20, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("p", "seeds"), of_many(13, 31, 7, 97))
def test_random_weights_fit_no_order(p: int, seeds: int, width: int) -> None:
    for seed in range(seeds):
        model = HookedMLP(MLPConfig(width=width, tied=seed % 2 == 1), vocab=p, seed=seed)
        for operation in ("add", "multiply", "a**2 + a*b"):
            assert look(model, ModularTask(operation, p=p)) is None


@pytest.mark.parametrize(("p", "seeds"), of_many(7, 13, 31))
def test_random_transformers_fit_no_order(p: int, seeds: int) -> None:
    for seed in range(seeds):
        task = ModularTask("add" if seed % 2 else "multiply", p=p)
        assert look(new_transformer(TransformerConfig(d_model=32), task, seed=seed), task) is None


def test_an_operation_without_a_known_order_is_compared_with_the_natural_one() -> None:
    unknown = ModularTask("a**2 + a*b", p=P)
    assert unknown.ordering is None
    assert look(analytic_mlp("add", p=P), unknown) is None
    found = look(analytic_mlp("divide", p=P), unknown)
    assert found is not None
    assert found.read.ordering.name == "natural"
    assert found.better.operations == ("divide",)


def test_one_operand_in_a_wrong_order_is_noticed() -> None:
    """a + 7 b has one frequency in the first operand and another in the second, unless it is read in its order."""
    task = ModularTask("a + 7*b", p=P, read_in="natural")
    found = look(analytic_mlp("a + 7*b", p=P), task)
    assert found is not None
    assert found.better.ordering.name == "by the value of each term"
    assert found.sentence(task).endswith("(--ordering task).")
    assert look(analytic_mlp("a + 7*b", p=P), replace(task, read_in="task")) is None


def test_a_table_without_a_task_is_compared_with_the_natural_order() -> None:
    data = ModularTask("multiply", p=P).dataset
    table = TableTask.from_arrays(data.inputs, data.true_labels)
    found = look(analytic_mlp("multiply", p=P), table)
    assert found is not None
    assert found.sentence(table).endswith("Was the task multiplication (--task multiply)?")
    positions = np.zeros(len(data), int)
    assert (
        look(
            analytic_mlp("multiply", p=P),
            TableTask.from_arrays(data.inputs, data.true_labels, positions=positions),
        )
        is None
    )


def test_measurements_have_no_order() -> None:
    data = ModularTask("multiply", p=P).dataset
    table = TableTask.from_arrays(data.inputs, data.true_labels)
    subject = Subject(analytic_mlp("multiply", p=P), table)
    assert better_ordering(subject) is not None
    floats = replace(subject.data, inputs=subject.data.inputs.double())
    vars(subject)["cached"] = replace(subject.cached, data=floats)
    assert better_ordering(subject) is None


def test_dead_neurons_do_not_count() -> None:
    task = ModularTask("multiply", p=P, read_in="natural")
    model = analytic_mlp("multiply", p=P, width=60)
    with torch.no_grad():
        model.unembed.weight[:40] = 0
    found = look(model, task)
    assert found is not None
    assert len(found.better.share) == 20
    with torch.no_grad():
        model.unembed.weight[:57] = 0
    assert look(model, task) is None


def test_without_an_output_the_direction_is_left_open() -> None:
    """The first of two hidden layers has no readout, and so no phases to tell multiplication from division."""
    task = ModularTask("add", p=P)
    model = HookedMLP(MLPConfig(width=200, depth=2), vocab=P)
    with torch.no_grad():
        model.embed.W_E.copy_(analytic_mlp("divide", p=P).embed.W_E)
    found = better_ordering(model, task, site="blocks.0.mlp.hook_post")
    assert found is not None
    assert found.better.operations == ("multiply", "divide")
    assert "Was the task multiplication or division (--task multiply, --task divide)?" in found.sentence(task)
    own = ModularTask("divide", p=P)
    assert better_ordering(model, own, site="blocks.0.mlp.hook_post") is None


@pytest.mark.parametrize("operation", [pytest.param("add", marks=pytest.mark.slow), "multiply"])
def test_a_trained_network_is_told(operation: str) -> None:
    task = ModularTask(operation, p=23, train_fraction=0.8)
    config = TrainConfig(steps=400, weight_decay=2.0)
    model = train(task, MLPConfig(width=100), config, show_progress=False).model
    assert look(model, task) is None
    found = look(model, replace(task, read_in="log" if operation == "add" else "natural"))
    assert found is not None
    assert found.better.operations == (operation,)


def test_a_transformer_is_told_by_its_activations() -> None:
    task = ModularTask("multiply", p=13, train_fraction=1.0)
    config = TrainConfig(steps=600, loss="cross_entropy", lr=0.002, weight_decay=1.0)
    model = train(task, TransformerConfig(d_model=32), config, show_progress=False).model
    assert look(model, task) is None
    found = look(model, replace(task, read_in="natural"))
    assert found is not None
    assert found.better.ordering.name.startswith("discrete logarithm")
    assert "multiply" in found.better.operations


@pytest.mark.parametrize("operation", [pytest.param("add", marks=pytest.mark.slow), "multiply"])
def test_labels_are_as_good_for_multiplication_as_for_addition(operation: str) -> None:
    """Acceptance: p=97, in the order of the discrete logarithm."""
    task = ModularTask(operation, p=97, corrupt_fraction=0.35)
    planted = planted_mlp(task, generalizing=100, memorizing=200, dead=10)
    table = score(planted.model, task)
    assert (table["label"] == planted.labels).mean() >= 0.99
    assert look(planted.model, task) is None
    raw = replace(task, read_in="natural")
    if operation == "multiply":
        assert (score(planted.model, raw)["label"] == "generalizing").sum() <= 1
        found = look(planted.model, raw)
        assert found is not None
        assert found.better.ordering.name == group_ordering("multiply", 97).name

"""Tasks whose operation is no group's: the elements that neurons are read on, and networks in which nothing is."""

import numpy as np
import pytest
import torch

import interp
from interp.data import ModularTask, TableTask
from interp.models import HookedMLP, MLPConfig, analytic_mlp
from interp.scoring.components import task_components
from interp.scoring.compositions import OUTSIDE, no_composition, task_composition
from interp.subject import Subject
from interp.training import TrainConfig, train
from tests.probes.test_monoid import LOOP


def classes_of(table):
    return {row["name"]: (row["elements"], round(row["share"], 3)) for row in table.meta["null"]["classes"]}


def test_classes_have_the_share_of_weights_that_lies_there():
    task = ModularTask("multiply", 35)
    model = HookedMLP(MLPConfig(width=10), vocab=35)
    with torch.no_grad():
        model.embed.W_E.zero_()
        model.unembed.weight.zero_()
        model.embed.W_E[0, 10] = 3.0  # gcd 5
        model.unembed.weight[:, 2] = 1.0  # gcd 1
    expected = {
        "class gcd 1": (24, 0.1),
        "class gcd 5": (6, 0.9),
        "class gcd 7": (4, 0.0),
        "class gcd 35": (1, 0.0),
    }
    assert classes_of(interp.score(model, task)) == expected


def test_elements_beside_the_largest_group_are_outside():
    task = ModularTask("table", results=LOOP)
    members = task_composition(task).output
    assert task_components(task) is None  # which is of a group as it stands
    model = HookedMLP(MLPConfig(width=20), vocab=12)
    other = np.setdiff1d(np.arange(12), members)
    with torch.no_grad():
        model.embed.W_E[:, other[:, None], torch.arange(5)] = 100.0
    table = interp.score(model, task)
    assert (table["outside"][:5] > 0.9).all()
    assert abs(table["outside"][5:].mean() - 0.5) < 0.1
    elements, share = classes_of(table)[OUTSIDE]
    assert elements == 6
    assert share > 0.9
    note, shares = table.meta["null"]["notes"]
    assert "outside (6)" in shares
    assert "weights at the other 6 were not analysed" in note


@pytest.mark.parametrize("operation", ["a**5*b", "3*a*b", "multiply"])
def test_products_in_another_numbering_are_read_as_products(operation):
    task = ModularTask(operation, 35)
    model = analytic_mlp("multiply", 35)
    if operation == "a**5*b":
        with torch.no_grad():
            model.embed.W_E[0] = model.embed.W_E[0, torch.arange(35) ** 5 % 35].clone()
    table = interp.score(model, task)
    np.testing.assert_allclose(table["frequency_share"], 1, atol=1e-6)
    assert set(classes_of(table)) == {"class gcd 1", "class gcd 5", "class gcd 7", "class gcd 35"}


def test_a_table_of_examples_with_a_named_operation_needs_not_all_pairs():
    pairs = torch.cartesian_prod(torch.arange(15), torch.arange(15))[::2]
    task = TableTask.from_arrays(pairs, pairs.prod(1) % 15, task="multiply", p=15)
    assert len(task_composition(task).output) == 15
    own = TableTask.from_arrays(pairs, pairs.prod(1) % 15)
    assert task_composition(own) is None
    assert no_composition(own) is None  # nothing says that it is an operation modulo 15


def test_the_reason_for_which_nothing_is_read_is_given():
    assert no_composition(ModularTask("multiply", 6)) == "the largest group in it has 2 of its 6 elements"
    assert "brackets" in no_composition(ModularTask("a**2 + a*b", 7))
    assert no_composition(ModularTask("add", 7)) is None
    task = ModularTask("multiply", 6)
    table = interp.score(HookedMLP(MLPConfig(width=8), vocab=6), task)
    assert "components" not in table.meta["null"]
    assert not table.meta["ordered"]


@pytest.mark.parametrize("p", [35, pytest.param(165, marks=pytest.mark.slow)])
def test_random_networks_are_seen_as_such(p):
    task = ModularTask("multiply", p)
    table = interp.score(HookedMLP(MLPConfig(width=400), vocab=p), task)
    assert (table["p_value"] < 0.01).mean() <= 0.02  # of 400
    assert not table.where(label="generalizing").neuron.size


@pytest.mark.slow
def test_neurons_that_were_trained_to_multiply_generalize_as_modulo_a_prime():
    shares = {}
    for p in (35, 37):
        task = ModularTask("multiply", p, train_fraction=0.6)
        config = TrainConfig(steps=4000, weight_decay=1.0)
        model = train(task, MLPConfig(width=128), config, show_progress=False).model
        subject = Subject(model, task)
        assert subject.accuracy.all == 1
        shares[p] = (subject.table["label"] == "generalizing").mean()
    assert shares[35] >= max(0.95, shares[37])
    assert np.quantile(interp.score(model, task)["frequency_share"], 0.05) > 0.9

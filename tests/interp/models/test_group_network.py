"""Closed forms and planted networks of groups that are not cyclic."""

import numpy as np
import pytest
import torch

from interp import score
from interp.data import ModularTask
from interp.data.group_tables import group_table
from interp.errors import ConfigError
from interp.models import analytic_mlp, neuron_site, planted_mlp


def quaternions(n: int) -> np.ndarray:
    """Elements aⁱ bʲ with a²ⁿ = 1, b² = aⁿ, b a = a⁻¹ b, from matrices of complex numbers."""
    turn = np.exp(1j * np.pi / n)
    a, b = np.diag([turn, turn.conjugate()]), np.array([[0, 1], [-1, 0]])
    elements = [
        np.linalg.matrix_power(a, i) @ np.linalg.matrix_power(b, j) for j in (0, 1) for i in range(2 * n)
    ]
    products = [[one @ two for two in elements] for one in elements]
    distance = np.abs(np.array(products)[:, :, None] - np.array(elements)).max((3, 4))
    assert distance.min(2).max() < 1e-9
    return distance.argmin(2)


TASKS = {
    **{name: ModularTask(f"group:{name}") for name in ("S4", "A4", "D5", "S5", "Z2xZ4xZ10")},
    **{f"Q{4 * n}": ModularTask("table", results=quaternions(n)) for n in (2, 4)},
}
WIDTHS = {"S4": 54, "A4": 54, "D5": 16, "S5": 128, "Z2xZ4xZ10": 22, "Q8": 128, "Q16": 128}


@torch.no_grad()
def share_right(model: torch.nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> float:
    """Accuracy, apart from `interp.measuring.evaluation`."""
    return (model(inputs).argmax(1) == labels).double().mean().item()


@pytest.mark.parametrize("name", TASKS)
def test_every_pair_is_answered_and_every_neuron_lies_in_one_component(name: str) -> None:
    task = TASKS[name]
    model = analytic_mlp(task)
    assert model.config.width == WIDTHS[name]
    assert share_right(model, task.dataset.inputs, task.dataset.true_labels) == 1
    table = score(model, task)
    assert table["frequency_share"] == pytest.approx(np.ones(len(table)), abs=1e-6)
    assert len(set(table["frequency"])) == (4 if name == "Z2xZ4xZ10" else 1)
    if name != "Q8":  # 64 pairs are too few to show what a neuron does for the rule
        assert table.counts()["generalizing"] >= 0.9 * len(
            table
        )  # a basis of eigenvectors differs between processors
    assert table.counts()["memorizing"] == 0


def test_logits_are_sums_of_characters() -> None:
    table = group_table("A5")
    logits = analytic_mlp("group:A5", representations=[1, 4])(torch.cartesian_prod(*[torch.arange(60)] * 2))
    inverse = np.argmax(table == 0, axis=1)
    quotients = table[table, inverse[:, None, None]].transpose(1, 2, 0).reshape(3600, 60)  # a b c⁻¹
    values = logits.detach().double().numpy()
    for element in np.unique(quotients):
        assert np.ptp(values[quotients == element]) < 1e-5
    assert values.max() == pytest.approx(1, abs=1e-5)


def test_a_group_may_be_given_by_its_name_its_task_or_its_table() -> None:
    weights = [
        analytic_mlp(given, seed=3).unembed.weight
        for given in ("group:S4", ModularTask("group:S4"), ModularTask("table", results=group_table("S4")))
    ]
    assert all(torch.equal(weights[0], one) for one in weights)
    assert not torch.equal(weights[0], analytic_mlp("group:S4", seed=4).unembed.weight)


def test_a_cyclic_group_has_waves_unless_representations_are_asked_for() -> None:
    assert analytic_mlp("group:Z7").config.width == analytic_mlp("add", 7).config.width == 200
    model, data = analytic_mlp("group:Z7", representations=[2]), ModularTask("add", 7).dataset
    assert model.config.width == 16
    assert share_right(model, data.inputs, data.true_labels) == 1


def test_planted_neurons_of_a_group_are_labelled_as_they_were_planted() -> None:
    task = ModularTask("group:S4", train_fraction=0.6, corrupt_fraction=0.1)
    planted, data = planted_mlp(task, memorizing=80, dead=5), task.dataset
    assert (planted.labels == "generalizing").sum() == 54
    assert share_right(planted.model, data.inputs[data.mislabelled], data.labels[data.mislabelled]) == 1
    assert share_right(planted.model, data.inputs[data.test], data.true_labels[data.test]) > 0.85
    labels = score(planted.model, task)["label"]
    for kind in ("generalizing", "dead"):
        assert (labels[planted.labels == kind] == kind).all()
    assert set(labels[planted.labels == "memorizing"]) <= {"memorizing", "inconclusive"}
    assert (labels[planted.labels == "memorizing"] == "memorizing").mean() > 0.4


@pytest.mark.parametrize("name", ["A4", "D5"])
def test_planted_networks_of_small_groups_answer_as_they_are_to(name: str) -> None:
    task = ModularTask(f"group:{name}", train_fraction=0.6, corrupt_fraction=0.1)
    model, data = planted_mlp(task, memorizing=80).model, task.dataset
    assert neuron_site(model).width == WIDTHS[name] + 100
    assert share_right(model, data.inputs[data.train], data.labels[data.train]) == 1
    assert share_right(model, data.inputs[data.test], data.true_labels[data.test]) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"width": 200},
            "width=200: the closed form of 'group:S4' modulo 24 has 54 neurons; leave the width out",
        ),
        (
            {"representations": [2]},
            r"representations=\[2\] have the same matrices for 4 elements.* such as \[3\]",
        ),
        ({"representations": [7]}, r"representations=\[7\]: expected different numbers from 0 to 4"),
        ({"p": 12}, "p=12: the task has p=24"),
    ],
)
def test_what_does_not_fit_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        analytic_mlp(TASKS["S4"], **given)


def test_a_loop_whose_products_depend_on_brackets_has_no_closed_form() -> None:
    loop = np.array([[0, 1, 2, 3, 4], [1, 0, 3, 4, 2], [2, 4, 0, 1, 3], [3, 2, 4, 0, 1], [4, 3, 1, 2, 0]])
    with pytest.raises(ConfigError, match=r"no closed form is known for 'table' modulo 5.*no group's"):
        analytic_mlp(ModularTask("table", results=loop))

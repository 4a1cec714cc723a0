"""Descriptions of a network's neurons, and the predicates that are compared."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from figures import check_figure
from torch import nn

import interp
from interp import ModularTask, Subject, TableTask, adopt, describe
from interp.analysis.describing import NOT_DESCRIBED
from interp.analysis.predicates import (
    column_predicates,
    own_predicates,
    read_predicates,
    task_predicates,
)
from interp.errors import ConfigError
from interp.models import HookedMLP, MLPConfig

P = 23


def detector(**rows: np.ndarray) -> HookedMLP:
    """A network with one neuron for each set of operands, and one that is dead."""
    model = HookedMLP(MLPConfig(width=len(rows) + 1), vocab=P)
    with torch.no_grad():
        model.embed.W_E.zero_()
        for neuron, (name, operands) in enumerate(rows.items()):
            model.embed.W_E[int(name[0] == "b"), :, neuron] = torch.tensor(operands.astype(float)).float()
    return model


NETWORK = detector(a3=np.arange(P) % 3 == 2, b4=np.arange(P) % 4 == 0, a7=np.arange(P) == 7)
TEXTS = ["a mod 3 = 2", "b mod 4 = 0", "a = 7", NOT_DESCRIBED]


def table_network(columns: int, *weights: dict[int, float]) -> interp.models.Adopted:
    """An own network whose ReLU neurons read single columns."""
    network = nn.Sequential(nn.Linear(columns, len(weights)), nn.ReLU(), nn.Linear(len(weights), 2))
    with torch.no_grad():
        network[0].weight.zero_()
        network[0].bias.zero_()
        for neuron, row in enumerate(weights):
            for column, weight in row.items():
                network[0].weight[neuron, column] = weight
    return adopt(network.eval(), "2:input", example=torch.zeros(2, columns))


def test_planted_neurons_are_described_and_measured_on_the_other_half() -> None:
    task = ModularTask("add", p=P, train_fraction=0.5, corrupt_fraction=0.2)
    before = NETWORK.embed.W_E.clone()
    result = describe(Subject(NETWORK, task), seed=1)
    assert torch.equal(before, NETWORK.embed.W_E)
    assert result["description"].tolist() == TEXTS
    assert result["agreement"][:3].tolist() == [1.0, 1.0, 1.0]
    a, b = np.divmod(np.arange(P * P), P)
    chosen = np.random.default_rng(1).permutation(P * P)[: P * P // 2]
    held_out = np.setdiff1d(np.arange(P * P), chosen)
    for neuron, mask in enumerate((a % 3 == 2, b % 4 == 0, a == 7)):
        assert result["exemplars"][neuron] == mask[chosen].sum()
        assert result["base_rate"][neuron] == pytest.approx(mask[held_out].mean())
        assert result["pmi"][neuron] == pytest.approx(-np.log(mask[held_out].mean()))
    assert np.isnan(result["agreement"][3])
    assert result.inputs == len(chosen)
    assert result.neurons_described_as("a = 7", "b mod 4 = 0").tolist() == [1, 2]
    assert result.texts()[3] == NOT_DESCRIBED
    assert result.texts()[0].startswith("a mod 3 = 2 (of 100.0 % of its held-out exemplars, of ")
    assert "3 of 4 neurons are described" in repr(result)
    some = describe(NETWORK, task, neurons="2,0")
    assert some.neuron.tolist() == [2, 0]
    assert some["description"].tolist() == ["a = 7", "a mod 3 = 2"]


def test_no_more_are_described_by_predicates_that_know_nothing() -> None:
    task, generator = ModularTask("add", p=P), np.random.default_rng(0)
    model = HookedMLP(MLPConfig(width=60), vocab=P)
    given = {f"random {i}": generator.random(P * P) < 0.3 for i in range(40)}
    assert not describe(model, task, given, own=False).described.any()
    active = model.run_with_cache(task.dataset.inputs)[1]["blocks.0.mlp.hook_post"][:, 5].numpy()
    given["loud"] = active > np.quantile(active, 0.9)
    assert describe(model, task, given, own=False, quantile=0.9).neurons_described_as("loud").tolist() == [5]


def test_predicates_of_modular_tasks() -> None:
    task = ModularTask("subtract", p=13, train_fraction=0.5, corrupt_fraction=0.4)
    predicates, notes = task_predicates(task, task.dataset)
    holds = dict(zip(predicates.names, predicates.holds, strict=True))
    a, b = task.dataset.inputs.T.numpy()
    assert notes == ()
    for name, expected in {
        "a = 3": a == 3,
        "b mod 5 = 4": b % 5 == 4,
        "answer = 2": (a - b) % 13 == 2,
        "answer mod 6 = 0": (a - b) % 13 % 6 == 0,
        "a = b": a == b,
        "label is wrong": task.dataset.mislabelled.numpy(),
        "in the training set": task.dataset.train.numpy(),
    }.items():
        assert np.array_equal(holds[name], expected), name
    kinds = dict(zip(predicates.names, predicates.classes, strict=True))
    assert (kinds["b mod 5 = 4"], kinds["answer mod 6 = 0"], kinds["a = 3"]) == ("b", "answer", "")
    group = ModularTask("group:S3")
    names, _ = task_predicates(group, group.dataset)
    assert not [name for name in names.names if "mod" in name]  # elements of a group have no residues
    unknown = ModularTask("add", p=13, split="unknown")
    assert "in the training set" not in task_predicates(unknown, unknown.dataset)[0].names


def test_predicates_of_tables_and_of_ones_own(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    words, score = generator.choice(["red", "=SUM(A1)", "<b>"], 300), generator.normal(size=300)
    lit = generator.random(300) < 0.5
    path, more = tmp_path / "table.csv", tmp_path / "more.csv"
    with path.open("w") as file:
        rows = zip(score.tolist(), lit.tolist(), (score > 0).tolist(), strict=True)
        csv.writer(file).writerows(
            [["score", "lit", "label"], *([x, float(on), int(y)] for x, on, y in rows)]
        )
    with more.open("w") as file:
        csv.writer(file).writerows([["colour"], *([word] for word in words)])
    task = TableTask.from_file(path)
    model = table_network(2, {0: 1.0}, {0: -1.0}, {1: 1.0})
    given = read_predicates(more)
    result = describe(model, task, given)
    texts = result["description"].tolist()
    high = float(np.quantile(score.astype(np.float32), 0.9, method="lower"))
    assert texts[0] == f"score >= {high:.4g}"
    assert texts[1].startswith("score < -")
    assert texts[2] == "lit = 1"
    assert "is fewer than 10" in result.notes[0]
    colours = table_network(1, {0: 1.0})
    of_colour = TableTask.from_arrays((words == "<b>").astype(float)[:, None] + 0.01 * score[:, None], lit)
    result = describe(colours, of_colour, given, own=False)
    assert result["description"].tolist() == ["colour = <b>"]
    assert "<b>b" not in json.dumps(result.plot().to_dict(), default=str)
    check_figure(result.plot())
    assert "colour = &lt;b&gt;" in result._repr_html_()
    formula = describe(colours, of_colour, {"=1+1": words == "<b>"}, own=False)
    assert "'=1+1" in formula.save(tmp_path / "d.csv").read_text()
    stored = json.loads(formula.save(tmp_path / "d.json").read_text())
    assert stored["counts"] == {"=1+1": 1}
    with pytest.raises(ConfigError, match="ending in"):
        formula.save(tmp_path / "d.xlsx")
    nothing = describe(colours, of_colour, {"x": lit}, own=False)
    assert "no neuron is described" in nothing.plot().layout.annotations[0].text
    assert next(nothing.rows())[1:4] == (NOT_DESCRIBED, "–", "–")


def test_columns_become_predicates() -> None:
    whole = {name: mask for name, mask, _ in column_predicates("n", np.arange(30), "n")}
    assert np.array_equal(whole["n = 4"], np.arange(30) == 4)
    assert np.array_equal(whole["n >= 14"], np.arange(30) >= 14)
    assert next(kind for name, _, kind in column_predicates("n", np.arange(30), "n") if "<" in name) == "n"
    floats = [name for name, _, _ in column_predicates("x", np.array([0.5, 1.0, 1 / 3], np.float32))]
    assert floats == ["x = 0.33333334", "x = 0.5", "x = 1"]
    assert own_predicates({"t": torch.tensor([True, False])}, 2).holds.tolist() == [[True, False]]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": [True]}, "shape"),
        ({"x": [1.0, float("nan")]}, "row 2 of the column 'x' is nan"),
        ({"x": np.array(["a", None], object)}, "row 2 of the column 'x' is None"),
        ({"x": np.array([1j, 2j])}, "has type complex128"),
        ({"x": ["a", "b"], "x = a": [True, False]}, "two predicates are named 'x = a'"),
    ],
)
def test_unusable_columns_are_named(columns: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        own_predicates(columns, 2)


def test_requests_that_cannot_be_met_are_errors(tmp_path: Path) -> None:
    task = ModularTask("add", p=P)
    for settings in ({"quantile": 1.0}, {"weight": 2.0}, {"level": 0.0}):
        with pytest.raises(ConfigError, match=f"{next(iter(settings))}="):
            describe(NETWORK, task, **settings)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no predicate"):
        describe(NETWORK, task, {"always": np.ones(P * P, bool)}, own=False)
    with pytest.raises(ConfigError, match="a predicate named 'a = 3' is among the task's own"):
        describe(NETWORK, task, {"a = 3": np.arange(P * P) < 9})
    few = TableTask.from_arrays(np.arange(12)[:, None] * 1.0, np.arange(12) % 2)
    with pytest.raises(ConfigError, match="12 different inputs are too few"):
        describe(table_network(1, {0: 1.0}), few)
    (tmp_path / "gap.csv").write_text("x,y\n1,a\n,b\n")
    with pytest.raises(ConfigError, match="row 2 of the column 'x'"):
        read_predicates(tmp_path / "gap.csv")


def test_equal_inputs_stay_in_one_half_and_are_counted() -> None:
    generator = np.random.default_rng(0)
    once = generator.normal(size=(60, 1))
    task = TableTask.from_arrays(np.concatenate([once, once[:20]]), np.zeros(80, int), n_classes=2)
    notes = describe(
        table_network(1, {0: 1.0}), task, {"high": task.dataset.inputs[:, 0].numpy() > 1}, own=False
    ).notes
    assert "20 inputs repeat others; p-values take all inputs as independent" in notes


def test_of_networks_that_memory_does_not_hold_a_part_of_the_inputs_is_described(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task = ModularTask("add", p=P, train_fraction=0.5, seed=3)
    b = task.dataset.inputs[:, 1].numpy()
    monkeypatch.setattr("interp.measuring.evaluation.HELD", 1_000)
    monkeypatch.setattr("interp.measuring.passed.SAMPLED", 400 * (P + 3 * 4))
    monkeypatch.setattr("interp.measuring.sample.FEWEST_OF_GROUP", 50)
    subject = Subject(NETWORK, task)
    given = {"b is large": b > 15}
    assert subject.cached.sample.rows is not None
    result = describe(subject, predicates=given)
    assert result["description"].tolist() == TEXTS
    assert result.inputs < 210
    assert result.notes
    assert describe(subject, predicates={"b = 4 k": b % 4 == 0}, own=False)["agreement"][1] == 1.0


def test_own_predicates_that_an_operand_decides_are_tested_by_its_values() -> None:
    """A neuron of random weights prefers some values, by chance of one class, and all inputs with these then say so."""
    task = ModularTask("add", p=47)
    a = task.dataset.inputs[:, 0].numpy()
    described = []
    for seed in range(3):
        third = np.random.default_rng(seed).integers(0, 3, 47)
        model = HookedMLP(MLPConfig(width=60), vocab=47, seed=seed)
        result = interp.describe(model, task, {"third": third[a]}, own=False, quantile=0.95)
        described.append(result.described.mean())
        assert any("'a'" in note and "third = 0" in note for note in result.notes)
    assert np.mean(described) <= 0.05
    with torch.no_grad():
        model.embed.W_E.mul_(0.1)[0, :, 0] += torch.as_tensor(third == 1)
    result = interp.describe(model, task, {"third": third[a], "noise": a * 0.1}, own=False, quantile=0.95)
    assert result["description"][0] == "third = 1"


def test_descriptions_that_no_held_out_input_tests_say_so() -> None:
    """A neuron that is on for one input alone, sixty times in the table: all of these are in one half."""
    values = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    values[:, 0], values[:60] = 0, [1, 0, 0]
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    with torch.no_grad():
        network[0].weight.zero_()
        network[0].bias.zero_()
        network[0].weight[[0, 1], [0, 1]] = 1.0
    task = TableTask.from_arrays(values, np.arange(200) < 60)
    model = adopt(network.eval(), ["1:output"], example=torch.from_numpy(values[:4]))
    results = [describe(model, task, seed=seed) for seed in range(6)]
    untested = [one for one in results if one.described[0]]
    assert 0 < len(untested) < 6
    for result in untested:
        assert result.texts()[0] == "input 0 = 1 (no held-out exemplars)"
        assert "100.0 % on average. 1 of them are active in no held-out input" in result.sentence()
        assert next(result.rows())[0] == "1"


def test_given_predicates_that_are_left_out_are_named() -> None:
    task = ModularTask("add", p=13)
    model = HookedMLP(MLPConfig(width=4), vocab=13)
    a = task.dataset.inputs[:, 0].numpy()
    noise = np.random.default_rng(0).random(len(a)) < 0.3
    result = describe(model, task, {"never": a < 0, "first": a == 0, "noise": noise})
    (note,) = [note for note in result.notes if "left out" in note]
    assert "never, first" in note
    assert "noise" not in note

"""Separability of sets of neurons in planted networks, and in those that have nothing to separate."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from figures import check_figure

from interp import separability
from interp.data import ModularTask, TableTask
from interp.errors import ConfigError, InterventionError
from interp.models import HookedMLP, MLPConfig, adopt, planted_mlp
from interp.subject import Subject
from probes.separability import discrimination_value

TASK = ModularTask("add", p=23, train_fraction=0.6, corrupt_fraction=0.3)
FEW = {"draws": 19, "n_random": 9}


@pytest.fixture(scope="module")
def subject() -> Subject:
    return Subject(planted_mlp(TASK).model, TASK)


def test_planted_rule_neurons_separate_and_planted_memories_do_not(subject: Subject) -> None:
    report = separability(subject, **FEW)
    rule, memory = report["generalizing"], report["memorizing"]
    assert rule.value < -0.1
    assert rule.value < rule.random.low
    assert (rule.p_value, rule.random_p_value) == (1 / 20, 1 / 10)
    assert memory.value > -0.02
    assert memory.random_p_value > 0.5
    assert report["all"].random is None  # every set as large is the same one
    assert report["logits"].sizes == ()
    assert "measured on the other" in report.chosen_on
    assert "operands renamed" in report.null


def test_each_half_is_measured_by_neurons_that_the_other_chose(subject: Subject) -> None:
    report = separability(subject, neurons={"one": [3, 5, 8]}, examples=5000, **FEW)
    acts, classes = subject.cached.activations.numpy()[:, [3, 5, 8]], subject.data.true_labels.numpy()
    halves = [np.flatnonzero(half) for half in _halves(subject)]
    expected = np.mean([discrimination_value(acts[rows], classes[rows]) for rows in halves])
    assert report["one"].value == pytest.approx(expected)
    assert report.examples == tuple(map(len, halves))


def _halves(subject: Subject) -> list[np.ndarray]:
    from interp.measuring.crossfit import halves

    return [
        half.numpy()
        for half in halves(subject.data, repeats=1, seed=subject.seed, symmetric=subject.leakage.symmetric)
    ]


def test_networks_that_were_never_trained_are_seldom_called_separated() -> None:
    p_values = []
    for seed in range(12):
        model = HookedMLP(MLPConfig(width=20, tied=seed % 2 == 0), vocab=11, seed=seed)
        task = ModularTask("add", p=11, train_fraction=0.6, seed=seed)
        p_values.append(
            separability(model, task, neurons={"all": range(20)}, draws=19, n_random=0)["all"].p_value
        )
    assert np.mean(np.array(p_values) <= 0.05) <= 0.2
    assert 0.25 < np.mean(p_values) < 0.8


def test_other_classes_and_sets_in_every_form(subject: Subject) -> None:
    operand = subject.data.inputs[:, 0]
    report = separability(subject, neurons=["lowest:0.3", range(4), "0,2-4"], classes=operand, **FEW)
    assert [one.name for one in report.sets] == ["lowest:0.3", "set 1", "0,2-4"]
    assert [one.sizes[0] for one in report.sets] == [round(0.3 * subject.width), 4, 4]
    assert report.n_classes == 23
    assert [one.name for one in separability(subject, neurons=[1, 2], **FEW).sets] == ["given"]
    assert [one.name for one in separability(subject, neurons="label:memorizing", **FEW).sets] == [
        "label:memorizing"
    ]


def test_tables_have_shuffled_classes_and_no_split_is_said() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    inputs = torch.eye(3)[labels] + 0.1 * torch.randn(60, 3, generator=generator)
    task = TableTask.from_arrays(inputs, labels)
    model = adopt(
        torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)),
        ["2:input"],
        example=inputs[:2],
    )
    report = separability(model, task, neurons={"hidden": range(8)}, **FEW)
    assert report["hidden"].value < -0.3
    assert report["hidden"].p_value == 0.05
    assert report.null == "classes dealt anew among the examples"
    assert "not known" in report.chosen_on


def test_what_cannot_be_measured_is_an_error(subject: Subject) -> None:
    for settings, words in (
        ({"classes": np.zeros(529, int)}, "every example is of class 0"),
        ({"classes": [0, 1]}, "for 529 examples"),
        ({"classes": np.zeros(529)}, "float64"),
        ({"examples": 9000}, "examples=9000 is out of range"),
        ({"draws": 0}, "draws=0"),
        ({"neurons": {}}, "names no set"),
    ):
        with pytest.raises(ConfigError, match=words):
            separability(subject, **settings)
    with pytest.raises(InterventionError):
        separability(subject, neurons=[100_000])
    with pytest.raises(ConfigError, match="no set 'al' was measured"):
        separability(subject, neurons=[1], **FEW)["al"]


def test_classes_of_one_example_give_no_bands(subject: Subject) -> None:
    report = separability(subject, neurons={"some": range(9)}, classes=np.arange(529), **FEW)
    assert report["some"].to_dict()["value"] is None
    assert report["some"].random is None
    assert "nan" not in repr(report)


def test_dead_neurons_have_no_value_and_the_report_shows_itself(subject: Subject) -> None:
    model = HookedMLP(MLPConfig(width=6), vocab=11)
    with torch.no_grad():
        model.embed.W_E[:, :, 4:] = 0
    task = ModularTask("add", p=11, train_fraction=0.6)
    report = separability(model, task, neurons={"dead": [4, 5], "half": [0, 4]}, **FEW)
    assert (report["dead"].value, report["dead"].silent) == (None, (2, 2))
    assert report["half"].silent == (1, 1)
    shown = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert shown["sets"]["dead"]["value"] is None
    assert "half" in repr(report)
    named = separability(model, task, neurons={"<b>": [0], "1": [1]}, **FEW)
    assert "<b>" not in named._repr_html_()
    assert named.plot().data[0].x == ("&lt;b&gt;", "1")
    assert named.plot().layout.xaxis.type == "category"
    check_figure(separability(subject, **FEW).plot(), unitless=False)

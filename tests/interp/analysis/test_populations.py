"""Are a label's neurons a population, or do they only hold the examples that named them?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from interp.analysis.populations import crossfit_labels
from interp.audit import audit
from interp.data import ModularTask
from interp.models import HookedMLP, MLPConfig, planted_mlp
from interp.subject import Subject
from interp.training import TrainConfig, train
from interp.verdict import verdict, warnings_of

TASK = ModularTask("add", p=41, train_fraction=0.6, corrupt_fraction=0.3)
PLANTED = planted_mlp(TASK, memorizing=100).model


def test_planted_memorizing_neurons_are_a_population() -> None:
    report = audit(PLANTED, TASK, n_random=20)
    assert any("a population of memorizing neurons" in sentence for sentence in report.verdict)
    found = report.to_dict()["without_memorizing"]["crossfit"]
    assert 0.4 < found["effect_kept"] < 1
    assert found["corrupted_as_labelled"] < found["random"]["corrupted_as_labelled"]["low"]


def test_neurons_that_hold_only_their_own_examples_are_no_population() -> None:
    report = audit(PLANTED, TASK, n_random=3)
    found = report.crossfits["memorizing"]
    honest = replace(found, after=found.before)
    sentences = list(verdict(replace(report, crossfits={"memorizing": honest})))
    assert any("others would hold others" in sentence for sentence in sentences)
    assert not any("a population" in sentence for sentence in sentences)


def test_the_effect_of_a_network_that_only_memorised_is_not_kept_in_full() -> None:
    """All labels are random, so that a neuron chosen by some examples serves others less."""
    task = ModularTask("add", p=23, train_fraction=0.6, corrupt_fraction=1.0)
    model = HookedMLP(MLPConfig(width=300), vocab=23)
    model = train(task, model, TrainConfig(steps=300, lr=0.01), show_progress=False).model
    found = crossfit_labels(Subject(model, task))
    assert [*found] == ["memorizing"]
    assert found["memorizing"].effect_kept < 0.9


def test_a_set_that_the_rule_needs_is_warned_of() -> None:
    report = audit(PLANTED, TASK, n_random=20)
    assert not any("needs the memorizing neurons" in warning for warning in report.warnings)
    swapped = {**report.removals, "memorizing": report.removals["generalizing"]}
    warnings = list(warnings_of(replace(report, removals=swapped), TASK))
    assert any("needs the memorizing neurons" in warning for warning in warnings)


def test_without_memorizing_neurons_there_is_nothing_to_check() -> None:
    subject = Subject(HookedMLP(MLPConfig(width=20), vocab=41), TASK)
    assert crossfit_labels(subject) == {}


def test_generalizing_neurons_serve_held_out_examples_that_did_not_label_them() -> None:
    subject = Subject(PLANTED, TASK)
    found = crossfit_labels(subject, n_random=20)["generalizing"]
    assert found.sizes[0] == pytest.approx(subject.table.counts()["generalizing"], abs=3)
    assert found.judged_by == "test"
    assert found.hurts("test")
    assert 0.8 < found.effect_kept < 1.2

"""Neurons chosen by the memories that they hold, from a text and in an audit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from interp.analysis.memory_set import neurons_by_memory
from interp.analysis.removing import remove
from interp.audit import audit
from interp.data import ModularTask
from interp.errors import InterventionError
from interp.models import planted_mlp
from interp.results import AuditReport
from interp.subject import Subject
from interp.verdict import warnings_of

TASK = ModularTask("add", p=41, train_fraction=0.6, corrupt_fraction=0.3)
PLANTED = planted_mlp(TASK, memorizing=100)


@pytest.fixture(scope="module")
def report() -> AuditReport:
    return audit(PLANTED.model, TASK)


@pytest.mark.parametrize("text", ["memory-set", "attribution:0.2", "flip", "mask"])
def test_a_text_chooses_neurons_that_hold_memories(text: str) -> None:
    found = remove(PLANTED.model, TASK, text, n_random=20)
    assert found.after.corrupted_as_labelled < 0.5 * found.before.corrupted_as_labelled
    assert found.after.test >= found.before.test - 0.05
    assert found.hurts("corrupted_as_labelled")


def test_a_share_is_of_all_neurons() -> None:
    assert len(neurons_by_memory(Subject(PLANTED.model, TASK), "attribution", 0.5)) == 160


def test_without_held_out_examples_no_neuron_can_be_chosen() -> None:
    task = ModularTask("add", p=41, train_fraction=1.0, corrupt_fraction=0.3)
    with pytest.raises(InterventionError, match="not testable, because no example is held out"):
        remove(PLANTED.model, task, "memory-set")
    warnings = audit(PLANTED.model, task, n_random=2)
    assert warnings.memory_set is None
    assert any("because no example is held out" in sentence for sentence in warnings.verdict)


def test_an_audit_tells_the_memory_set(report: AuditReport) -> None:
    found = report.to_dict()["memory_set"]
    assert found["size"] == len(found["neurons"]) > 10
    assert (PLANTED.labels[found["neurons"]] == "memorizing").mean() > 0.9
    assert found["crossfit"]["corrupted_as_labelled"] < 0.5
    assert found["p_value"] <= 0.05
    assert any(sentence.startswith("A memory set of") for sentence in report.verdict)


def test_a_memory_set_that_the_rule_needs_is_warned_of(report: AuditReport) -> None:
    assert report.memory_set is not None
    assert not any("memory set too" in warning for warning in report.warnings)
    result = report.memory_set.crossfit
    costly = replace(report.memory_set, crossfit=replace(result, after={**result.after, "test": 0.1}))
    assert any("memory set too" in w for w in warnings_of(replace(report, memory_set=costly), TASK))

"""Functions as sets of examples, their halves, and what is measured on them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from planted_parts import parted_subject
from torch.nn.functional import cross_entropy

from interp.analysis.functions import MOST, functions_of, halved
from interp.data import ModularTask
from interp.errors import ConfigError
from interp.interventions import ablate


def test_functions_by_labels_inputs_masks_and_indices() -> None:
    data = ModularTask("add", 7).dataset
    names, member = functions_of(data, "input:1")
    assert names[3] == "input 3"
    assert (member[:, 3] == (data.inputs[:, 1] == 3).numpy()).all()
    names, member = functions_of(data, {"even": data.labels % 2 == 0, "first": [0, 5]})
    assert names == ("even", "first")
    assert member.sum(0).tolist() == [int((data.labels % 2 == 0).sum()), 2]
    assert functions_of(data, None)[1].all()


@pytest.mark.parametrize(
    ("functions", "words"),
    [
        ("label", "expected 'labels'"),
        ("input:2", "K from 0 to 1"),
        ({}, "names none"),
        ({"none": [False] * 49}, "has no example"),
        ({"far": [49]}, "indices from 0 to 48"),
        ({"text": ["a"]}, "indices from 0 to 48"),
    ],
)
def test_what_names_no_examples_is_an_error(functions: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        functions_of(ModularTask("add", 7).dataset, functions)


def test_too_many_functions_are_an_error() -> None:
    with pytest.raises(ConfigError, match=f"at most {MOST}"):
        functions_of(ModularTask("add", MOST + 1).dataset, "labels")


def test_halves_keep_swapped_pairs_together_and_few_examples_are_an_error() -> None:
    subject, _ = parted_subject()
    parts = halved(subject, "input:0", "zero")
    assert 0.4 < parts.half.mean() < 0.6
    assert (parts.other_way().half == ~parts.half).all()
    with pytest.raises(ConfigError, match="in one half"):
        halved(subject, {"two": [0, 1], "rest": list(range(2, 72))}, "zero")


def test_measured_is_the_network_with_hooks_on_the_other_half() -> None:
    subject, _ = parted_subject()
    parts = halved(subject, "input:0", "zero")
    neurons = np.array([0, 3, 4, 11, 17])
    with ablate(subject.model, neurons), torch.no_grad():
        logits = subject.model(subject.data.inputs)
    right = (logits.argmax(1) == subject.data.labels) & (logits.topk(2).values.diff().ravel() < 0)
    loss = cross_entropy(logits, subject.data.labels, reduction="none")
    measured = parts.measured(neurons)
    for function in range(3):
        rows = torch.as_tensor(parts.member[:, function] & ~parts.half)
        assert measured[0, function] == pytest.approx(float(right[rows].double().mean()))
        assert measured[1, function] == pytest.approx(float(loss[rows].double().mean()), rel=1e-5)

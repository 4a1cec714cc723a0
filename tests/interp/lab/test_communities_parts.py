"""Core neurons, bricks and hyperactive neurons as parts of the study of communities."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from interp.lab.communities import bricks, core, functions, hyperactive
from interp.lab.lens.study import STUDY
from interp.lab.study import Record, StudyResult


def result_of(numbers: dict[str, float], jitter: float = 0.01) -> StudyResult:
    """Three seeds whose numbers differ a little, each by another amount."""
    generator = np.random.default_rng(0)
    records = [
        Record(
            {name: value + jitter * float(generator.standard_normal()) for name, value in numbers.items()}, {}
        )
        for _ in range(3)
    ]
    return StudyResult(STUDY, None, (0, 1, 2), tuple(records))


def test_core_findings_can_say_either() -> None:
    numbers = dict.fromkeys(core.QUANTITIES, 0.5)
    text = " ".join(core.core_findings(result_of(numbers | {"core_kept": 0.9, "core_within": 0.9})))
    assert "more than with random 40 %" in text
    assert "above that of two operations" in text
    assert "not decidedly more than with another prompt's" in text
    text = " ".join(core.core_findings(result_of(numbers | {"core_kept": 0.1, "core_digits_rank": -0.8})))
    assert "fewer than with random 40 %" in text
    assert "less alike where two classes look alike" in text


def test_bricks_findings_can_say_either() -> None:
    numbers = dict.fromkeys(bricks.QUANTITIES, 0.1)
    for value, words in ((9.0, "which reaches"), (1.0, "which does not reach")):
        given = numbers | {"bricks_digits_ratio": value, "bricks_digits_own": 0.5}
        text = bricks.bricks_findings(result_of(given))[1]
        assert words in text
        assert "The difference is more than in random partitions" in text
    spread = [Record(numbers | {"bricks_digits_ratio": value}, {}) for value in (2.0, 3.0, 5.0)]
    text = bricks.bricks_findings(StudyResult(STUDY, None, (0, 1, 2), tuple(spread)))[1]
    assert "which may reach" in text
    same = bricks.bricks_findings(result_of(numbers | {"bricks_digits_own": 0.1}))[1]
    assert "not decidedly more than in random partitions" in same


def test_hyperactive_findings_can_say_either() -> None:
    numbers = dict.fromkeys(hyperactive.QUANTITIES, 0.5) | {
        f"hyperactive_{kind}_interior": 1.0 for kind in hyperactive.KINDS
    }
    given = {"hyperactive_prototypes_gain": 0.2, "hyperactive_prototypes_accuracy": 0.9}
    result = result_of(numbers | given, 0.0)
    jittered = result_of(numbers | given)
    interior = [
        replace(
            one,
            numbers=dict(one.numbers)
            | {"hyperactive_prototypes_interior": 1.0, "hyperactive_trained_interior": 0.0},
        )
        for one in jittered.records
    ]
    text = hyperactive.hyperactive_findings(replace(result, records=tuple(interior)))
    assert "more than unchanged" in text[0]
    assert "in 3 of 3 seeds" in text[0]
    assert "in 0 of 3 seeds" in text[1]
    assert "not decidedly more than with as many random" in text[1]


def test_prototypes_respond_to_their_share_and_answer_by_assignment() -> None:
    generator = torch.Generator().manual_seed(0)
    classes = torch.arange(60) % 2
    images = torch.rand(60, 9, generator=generator) + 2 * torch.eye(9)[classes]
    images /= images.norm(dim=1, keepdim=True)
    network = hyperactive.prototype_network(images, classes, 6, 2, 0)
    response = network[1](network[0](images)).detach()
    active = (response > 0).double().mean(0)
    assert ((active - hyperactive.FIRING).abs() < 0.05).all()
    weights = network[2].weight.detach()
    assert ((weights > 0).sum(0) == 1).all()
    assert torch.allclose(weights.sum(1)[weights.sum(1) > 0], torch.tensor(1.0))
    for neuron in range(6):
        means = [response[classes == one, neuron].mean() for one in (0, 1)]
        assert weights[int(np.argmax([float(one) for one in means])), neuron] > 0
    answered = (response > 0).any(1)
    assert int(answered.sum()) > 20
    right = network(images).argmax(1) == classes
    assert float(right[answered].double().mean()) > 0.9


def test_operations_are_functions_of_one_network() -> None:
    subject, masks = functions.operations_subject(0, width=30, p=7, updates=3)
    assert [int(one.sum()) for one in masks.values()] == [49] * 4
    a, operation, b = subject.data.inputs.unbind(1)
    expected = torch.stack([a + b, a - b, -a - b, a]) % 7
    assert (subject.data.true_labels == expected.gather(0, operation[None])[0]).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("measure", "names"),
    [
        (core.measure_core, core.QUANTITIES),
        (bricks.measure_bricks, bricks.QUANTITIES),
        (hyperactive.measure_hyperactive, hyperactive.QUANTITIES),
    ],
)
def test_a_seed_has_every_quantity_and_repeats(measure: object, names: dict[str, str]) -> None:
    numbers, curves = measure(3)  # type: ignore[operator]
    assert set(names) <= set(numbers)
    assert all(value is None or isinstance(value, float) for value in numbers.values())
    json.dumps(curves)
    if measure is hyperactive.measure_hyperactive:  # once takes a minute and a half under the checks of types
        return
    again = measure(3)[0]  # type: ignore[operator]
    assert again == pytest.approx(numbers, nan_ok=True)

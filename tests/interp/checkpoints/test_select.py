"""The choice between readings: by accuracy, then by loss, and what is said where neither decides."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from interp.checkpoints.dialect import Reading
from interp.checkpoints.select import NOT_TOLD_APART, best_reading
from interp.data import ModularTask, TableTask
from interp.errors import ConfigError
from interp.models import HookedMLP, MLPConfig, analytic_mlp

TASK = ModularTask("add", p=11, split="unknown")


def reading(name: str, model: HookedMLP, assumed: tuple[str, ...] = ()) -> Reading:
    return Reading("test", 11, "add", name, assumed, lambda: model)


def scaled(factor: float) -> HookedMLP:
    model = analytic_mlp("add", p=11, width=60)
    with torch.no_grad():
        model.unembed.weight.mul_(factor)
    return model


def fitted() -> HookedMLP:
    """One whose logits are the one-hot answers."""
    model = analytic_mlp("add", p=11, width=400)
    hidden = model.prefix("blocks.0.mlp.hook_post", TASK.dataset.inputs).activations.detach()
    answers = F.one_hot(TASK.dataset.true_labels, 11).float()
    with torch.no_grad():
        model.unembed.weight.copy_(torch.linalg.lstsq(hidden, answers, driver="gelsd").solution)
    return model


def test_the_most_accurate_reading_wins_and_the_others_are_named() -> None:
    best, notes = best_reading(
        [
            reading("untrained", HookedMLP(MLPConfig(width=9), vocab=11)),
            reading("right", scaled(1), ("relu",)),
        ],
        lambda _: TASK,
    )
    assert best.reading.description == "right"
    assert best.accuracy == 1.0
    assert "by measurement; not as untrained (" in notes[0]
    assert notes[1] == "assumed, as nothing says otherwise: relu"


def test_of_equally_accurate_ones_that_with_next_to_no_squared_error_wins() -> None:
    one_hot, large = fitted(), scaled(9)
    for tried in ([one_hot, large], [large, one_hot]):
        best, notes = best_reading([reading(str(m is one_hot), m) for m in tried], lambda _: TASK)
        assert best.accuracy == 1.0
        assert best.squared_error < 0.01 / 11
        assert "by measurement; not as False (100.0 %" in notes[0]


def test_where_the_losses_disagree_nothing_is_decided() -> None:
    best, notes = best_reading([reading("first", scaled(5)), reading("second", scaled(50))], lambda _: TASK)
    assert best.reading.description == "first"
    assert NOT_TOLD_APART in notes[0]


def test_what_cannot_be_told_apart_is_said_and_the_first_is_taken() -> None:
    best, notes = best_reading(
        [reading("first", scaled(1)), reading("second", scaled(1.001))], lambda _: TASK
    )
    assert best.reading.description == "first"
    assert notes == ("read as first; measured alike, and so not told apart: second",)


def test_the_same_network_under_two_names_needs_no_note() -> None:
    _, notes = best_reading([reading("first", scaled(1)), reading("second", scaled(1))], lambda _: TASK)
    assert notes == ()


def test_a_right_network_of_few_classes_is_not_called_chance() -> None:
    task = ModularTask("add", p=3, split="unknown")
    few = Reading("test", 3, "add", "few", (), lambda: analytic_mlp("add", p=3, width=60))
    best, notes = best_reading([few], lambda _: task)
    assert (best.accuracy, notes) == (1.0, ())


def test_chance_is_called_chance() -> None:
    _, notes = best_reading([reading("only", HookedMLP(MLPConfig(width=9), vocab=11))], lambda _: TASK)
    assert "so either the network has not learnt add modulo 11" in notes[0]


def table(labels: torch.Tensor, chosen: torch.Tensor) -> TableTask:
    return TableTask.from_arrays(TASK.dataset.inputs[chosen], labels[chosen], n_classes=11)


def one_wrong(model: HookedMLP) -> HookedMLP:
    """The network without one of its answers."""
    with torch.no_grad():
        model.unembed.weight[:, 3] = 0
    return model


def test_readings_are_compared_in_the_numbering_that_suits_each_best() -> None:
    sums = TASK.dataset.labels
    task = table(sums + 1, sums < 10)
    best, notes = best_reading(
        [reading("worse", one_wrong(analytic_mlp("add", p=11, width=60))), reading("right", scaled(1))],
        lambda _: task,
    )
    assert best.reading.description == "right"
    assert "read as right (100.0 % right with labels minus 1, loss" in notes[0]
    assert "not as worse (90.0 % with labels minus 1, loss" in notes[0]
    assert not any("chance" in note for note in notes)
    assert best.numbering is not None
    assert "labels minus 1 would be right in 100.0 % instead of 0.0 %" in next(best.numbering.sentences())
    assert best.task is task


def test_the_offer_for_a_label_without_an_output_is_that_of_the_best_reading() -> None:
    sums = TASK.dataset.labels
    for labels, words in ((sums + 1, "minus 1"), (sums * 10, "numbered from 0 without gaps")):
        task = TableTask.from_arrays(TASK.dataset.inputs, labels)
        readings = [
            reading("worse", one_wrong(analytic_mlp("add", p=11, width=60))),
            reading("right", scaled(1)),
        ]
        with pytest.raises(ConfigError, match=f"has none. Labels {words} would be right in 100.0 %"):
            best_reading(readings, lambda _, task=task: task)
    with pytest.raises(ConfigError, match=r"label 11 has none. Is this table"):
        best_reading(readings, lambda _: TableTask.from_arrays(torch.zeros(20, 2).long(), torch.arange(20)))


def test_the_mixture_is_sought_in_the_numbering_that_suits_it() -> None:
    """The attention mixture of a network whose table has labels from 1, found as with labels from 0."""
    right, wrong = scaled(1), one_wrong(analytic_mlp("add", p=11, width=60))

    def mixed(coefficient: float) -> Reading:
        model = analytic_mlp("add", p=11, width=60)
        with torch.no_grad():
            weight = 1 - abs(coefficient - 0.4)
            model.unembed.weight.copy_(weight * right.unembed.weight + (1 - weight) * wrong.unembed.weight)
            model.unembed.weight.mul_(weight)
        return reading("mixture", model)

    sums, inside = TASK.dataset.labels, TASK.dataset.labels < 10
    open_one = replace(mixed(1), mixed=mixed)
    found = [
        best_reading([open_one], lambda _, labels=labels: table(labels, inside))[0].coefficient
        for labels in (sums, sums + 1)
    ]
    assert found[0] == found[1] == pytest.approx(0.4, abs=0.02)
    with pytest.raises(ConfigError, match=r"label 11 has none. Labels minus 1 would be right in 100.0 %"):
        best_reading([open_one], lambda _: TableTask.from_arrays(TASK.dataset.inputs, sums + 1))

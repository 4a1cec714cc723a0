"""The choice between readings: by accuracy, then by loss, and what is said where neither decides."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from interp.checkpoints.dialect import Reading
from interp.checkpoints.select import NOT_TOLD_APART, best_reading
from interp.data import ModularTask
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

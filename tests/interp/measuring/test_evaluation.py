"""Accuracy, loss and margin on every split against plain loops."""

from math import exp, inf, log

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from interp.data import SPLITS, Dataset, ModularTask, TableTask
from interp.errors import ConfigError, GrokscopeError
from interp.interventions import ablate
from interp.measuring.evaluation import (
    SplitValues,
    accuracy,
    all_logits,
    as_dataset,
    evaluate,
    losses,
    margins,
    measure_logits,
    split_means,
)
from interp.models import HookedMLP, MLPConfig, analytic_mlp


def members(data: Dataset, split: str) -> list[tuple[int, int]]:
    """Number and expected label of every example of a split, by the definitions of the paper."""
    found = []
    for i in range(len(data)):
        train, corrupted = bool(data.train[i]), bool(data.corrupted[i])
        inside = {
            "train": train,
            "clean": train and not corrupted,
            "corrupted_as_labelled": corrupted,
            "corrupted_as_true": corrupted,
            "test": not train,
            "all": True,
        }[split]
        as_trained = split in ("train", "clean", "corrupted_as_labelled")
        if inside:
            found.append((i, int((data.labels if as_trained else data.true_labels)[i])))
    return found


def margin_by_hand(row: list[float], label: int) -> float:
    return row[label] - max(value for c, value in enumerate(row) if c != label)


def cross_entropy_by_hand(row: list[float], label: int) -> float:
    top = max(row)
    return top + log(sum(exp(value - top) for value in row)) - row[label]


def mse_by_hand(row: list[float], label: int) -> float:
    return sum((value - (c == label)) ** 2 for c, value in enumerate(row)) / len(row)


@pytest.mark.parametrize(
    ("loss", "loss_by_hand"), [("mse", mse_by_hand), ("cross_entropy", cross_entropy_by_hand)]
)
@pytest.mark.parametrize("operation", ["add", "divide"])
@pytest.mark.parametrize("corrupt", ["all", "wrong"])
def test_measurements_equal_plain_loops(loss, loss_by_hand, operation, corrupt):
    data = ModularTask(operation, 7, 0.6, 0.5, corrupt, seed=1).dataset
    logits = torch.randn(len(data), 7, generator=torch.Generator().manual_seed(0)).mul(2).round(decimals=1)
    found = measure_logits(logits, data, loss=loss)
    rows = logits.tolist()
    for split in SPLITS:
        examples = [(rows[i], label) for i, label in members(data, split)]
        gaps = [margin_by_hand(*example) for example in examples]
        assert found.accuracy[split] == pytest.approx(np.mean([gap > 1e-9 for gap in gaps])), split
        assert found.margin[split] == pytest.approx(np.mean(gaps), abs=1e-6), split
        assert found.loss[split] == pytest.approx(
            np.mean([loss_by_hand(*example) for example in examples]), abs=1e-6
        )
    assert found.margin.corrupted_as_labelled != found.margin.corrupted_as_true


@given(st.integers(2, 6).flatmap(lambda n: st.tuples(
    st.lists(st.integers(-5, 5), min_size=n, max_size=n), st.integers(0, n - 1)
)))  # fmt: skip
def test_margins_equal_plain_loops(example):
    row, label = example
    assert margins(torch.tensor([row]).float(), torch.tensor([label])).item() == margin_by_hand(row, label)


def test_a_tie_is_a_miss():
    data = ModularTask("add", 3, 1.0).dataset
    flat = measure_logits(torch.zeros(9, 3), data)
    assert flat.accuracy.all == 0
    assert flat.margin.all == 0
    logits = F.one_hot(data.true_labels, 3).float()
    assert measure_logits(logits, data).accuracy.all == 1
    tied = logits.clone()
    tied[0] = 1
    assert measure_logits(tied, data).accuracy.all == pytest.approx(8 / 9)


@pytest.mark.parametrize(("tolerance", "expected"), [(0.0, 3), (0.5, 2), (1.0, 1), (5.0, 0)])
def test_a_margin_of_at_most_the_tolerance_is_a_miss(tolerance, expected):
    data = ModularTask("add", 2, 1.0).dataset
    logits = F.one_hot(data.true_labels, 2) * torch.tensor([[0.0], [0.5], [1.0], [1.5]])
    assert measure_logits(logits, data, tolerance=tolerance).accuracy.all == expected / 4


@pytest.mark.parametrize("value", [float("nan"), inf, -inf])
def test_a_network_that_diverged_is_not_right(value):
    data = ModularTask("add", 3, 1.0).dataset
    assert measure_logits(torch.full((9, 3), value), data).accuracy.all == 0


def test_empty_splits_are_none():
    logits = torch.randn(9, 3)
    clean = measure_logits(logits, ModularTask("add", 3, 0.5).dataset)
    for values in (clean.accuracy, clean.loss, clean.margin):
        assert values.corrupted_as_labelled is values.corrupted_as_true is None
        assert None not in (values.train, values.clean, values.test, values.all)
    full = measure_logits(logits, ModularTask("add", 3, 1.0, 1.0).dataset).accuracy
    assert full.test is full.clean is None
    assert None not in (full.train, full.corrupted_as_true)


def unknown_tasks() -> list[ModularTask | TableTask]:
    """Tasks of 9 examples and 3 classes whose split nobody knows; the table's labels are not all right."""
    pairs = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    labels = pairs.sum(1) % 3
    labels[:2] = torch.tensor([2, 2])
    return [
        ModularTask("add", 3, split="unknown"),
        TableTask.from_arrays(pairs, labels, task="add"),
        TableTask.from_arrays(pairs.float(), labels, true_labels=pairs.sum(1) % 3),
    ]


@pytest.mark.parametrize("task", unknown_tasks())
def test_of_an_unknown_split_everything_is_measured_and_nothing_else(task):
    data = task.dataset
    logits = torch.randn(9, 3, generator=torch.Generator().manual_seed(1))
    found = measure_logits(logits, data)
    sums = [(a + b) % 3 for a in range(3) for b in range(3)]
    gaps = [margin_by_hand(row, label) for row, label in zip(logits.tolist(), sums, strict=True)]
    expected = np.mean(
        [cross_entropy_by_hand(*example) for example in zip(logits.tolist(), sums, strict=True)]
    )
    assert found.accuracy.all == np.mean([gap > 0 for gap in gaps])
    assert found.margin.all == pytest.approx(np.mean(gaps), abs=1e-6)
    assert found.loss.all == pytest.approx(expected, abs=1e-6)
    for values in (found.accuracy, found.loss, found.margin):
        assert {split for split in values if values[split] is not None} == {"all"}
    means = split_means({True: torch.ones(9), False: torch.zeros(9)}, data)
    assert means == SplitValues(None, None, None, None, None, 0.0)
    assert str(means).endswith("test –  all 0.000")


def test_evaluating_a_network_whose_split_nobody_knows():
    task = ModularTask("add", 31, split="unknown")
    found = evaluate(analytic_mlp("add", 31), task)
    assert found.accuracy == SplitValues(None, None, None, None, None, 1.0)
    with pytest.raises(ConfigError, match=r"shape \(961, 31\); the task has 9 examples of 3 classes"):
        measure_logits(torch.zeros(961, 31), unknown_tasks()[1].dataset)


def test_measurements_of_a_table_equal_those_of_its_task():
    data = ModularTask("add", 5, 0.6, 0.5, "wrong").dataset
    table = TableTask.from_arrays(data.inputs, data.labels, train=data.train, task="add")
    logits = torch.randn(25, 5, generator=torch.Generator().manual_seed(2))
    assert measure_logits(logits, table.dataset) == measure_logits(logits, data)


def test_held_out_examples_are_measured_by_their_true_label():
    true, labels = torch.tensor([0, 0, 0]), torch.tensor([1, 0, 1])
    table = TableTask.from_arrays(
        torch.rand(3, 4), labels, true_labels=true, train=torch.tensor([True, True, False])
    )
    found = measure_logits(torch.tensor([[0.0, 1.0]] * 3), table.dataset).accuracy
    assert found == SplitValues(0.5, 0.0, 1.0, 0.0, 0.0, 0.0)


def test_losses_equal_pytorchs():
    logits = torch.randn(50, 7, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(50) % 7
    one_hot = F.one_hot(labels, 7).float()
    torch.testing.assert_close(losses(logits, labels, loss="mse").mean(), F.mse_loss(logits, one_hot))
    torch.testing.assert_close(
        losses(logits, labels, loss="cross_entropy").mean(), F.cross_entropy(logits, labels)
    )
    with pytest.raises(ConfigError, match="unknown loss 'l2'; expected one of 'mse', 'cross_entropy'"):
        losses(logits, labels, loss="l2")


@pytest.mark.parametrize("size", [1e-2, 1e-3, 1e-4, 1e-5])
def test_the_squared_error_of_a_nearly_perfect_answer(size):
    """The difference of large terms would leave noise, or less than nothing."""
    labels = torch.arange(500) % 97
    one_hot = F.one_hot(labels, 97).float()
    logits = one_hot + size * torch.randn(500, 97, generator=torch.Generator().manual_seed(0))
    found = losses(logits, labels, loss="mse")
    assert (found >= 0).all()
    torch.testing.assert_close(found, (logits - one_hot).square().mean(1), rtol=1e-3, atol=0)


@pytest.mark.parametrize("batch_size", [1, 7, 48, 49, 50, None])
def test_batches_equal_the_whole(batch_size):
    task = ModularTask("add", 7, 0.5, 0.3)
    model = HookedMLP(MLPConfig(width=8, norm="batch", dropout=0.5), 7).train()
    whole = evaluate(model, task, loss="mse")
    part = evaluate(model, task, loss="mse", batch_size=batch_size)
    for name in ("accuracy", "loss", "margin"):
        for split in SPLITS:
            assert getattr(part, name)[split] == pytest.approx(getattr(whole, name)[split], abs=1e-6)
    assert model.training
    torch.testing.assert_close(
        all_logits(model, task.dataset, batch_size=batch_size), model.eval()(task.dataset.inputs)
    )


def test_hooks_in_place_stay_in_force():
    task = ModularTask("add", 31)
    model = analytic_mlp("add", 31)
    assert accuracy(model, task) == evaluate(model, task.dataset).accuracy
    assert accuracy(model, task).all == 1
    with ablate(model, range(200)):
        assert accuracy(model, task).all == 0
    assert accuracy(model, task).all == 1
    assert not all_logits(model, task.dataset).requires_grad


@pytest.mark.parametrize("p", [29, 30, 32, 37])
def test_a_network_for_another_modulus_is_an_error_and_no_low_accuracy(p):
    with pytest.raises(GrokscopeError, match="31"):
        evaluate(analytic_mlp("add", 31), ModularTask("add", p))


def test_measuring_in_half_precision_and_on_plain_data():
    data = ModularTask("add", 5).dataset
    logits = torch.randn(25, 5).bfloat16()
    assert measure_logits(logits, data).accuracy == measure_logits(logits.double(), data).accuracy
    assert as_dataset(data) is data
    task = ModularTask("add", 5)
    assert as_dataset(task) is task.dataset


def test_split_means_use_the_right_labels():
    data = ModularTask("add", 5, 0.5, 0.5).dataset
    values = split_means({True: torch.ones(25), False: torch.zeros(25)}, data)
    assert [values[split] for split in SPLITS] == [1, 1, 1, 0, 0, 0]


def test_split_values():
    values = SplitValues(0.5, None, 1.0, 0.25, 0.1234, 0)
    assert list(values) == list(SPLITS)
    assert [values[split] for split in values] == [0.5, None, 1.0, 0.25, 0.1234, 0]
    assert values.to_dict() == dict(zip(SPLITS, [0.5, None, 1.0, 0.25, 0.1234, 0], strict=True))
    assert str(values) == (
        "train 0.500  clean –  corrupted_as_labelled 1.000  corrupted_as_true 0.250  test 0.123  all 0.000"
    )
    with pytest.raises(ConfigError, match="unknown split 'tests'; expected one of 'train'"):
        values["tests"]

"""Are memories gone: on networks that hold them, that hide them, and that never had them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from interp.analysis.forgetting import (
    GONE,
    LEFT,
    UNDECIDED,
    as_slow,
    difference_interval,
    held_out,
    relearning_p_value,
)
from interp.analysis.forgetting_check import check_forgetting
from interp.analysis.relearning import Relearning
from interp.data import ModularTask, TableTask
from interp.errors import ConfigError
from interp.measuring.traces import Ranks
from interp.models import HookedMLP, HookedModel, MLPConfig, adopt
from interp.training import TrainConfig, train

TASK = ModularTask("add", p=23, train_fraction=0.7, corrupt_fraction=0.3, corrupt="wrong")


def trained(task: Any, seed: int) -> HookedModel:
    settings = TrainConfig(steps=100, weight_decay=0.5, save_every=0, log_every=100, seed=seed)
    return train(task, MLPConfig(width=100), settings, show_progress=False).model


@pytest.fixture(scope="module")
def memoriser() -> HookedModel:
    return trained(TASK, 0)


@pytest.fixture(scope="module")
def never() -> HookedModel:
    """A network that was trained on the rightly labelled examples alone."""
    data = TASK.dataset
    return trained(TASK.with_training_pairs(data.inputs[data.train & ~data.mislabelled].numpy()), 1)


def test_hidden_memories_are_left(memoriser: HookedModel) -> None:
    """Answers change, as a bias is added to their true class's logit; everything else is still there."""
    hidden = HookedMLP(MLPConfig(width=100), vocab=23)
    hidden.load_state_dict(memoriser.state_dict())
    check = check_forgetting(memoriser, TASK, after=hidden, steps=0)
    assert check is not None
    assert check.answered_before == check.answered_after > 0.9
    assert check.verdict == LEFT
    assert check.relearning is None
    assert check.p_values["relearning"] is None
    assert check.held_out is not None
    text = " ".join(check.sentences())
    assert "Verdict: something is left (readout, probe)." in text
    assert json.loads(json.dumps(check.to_dict(), allow_nan=False))["verdict"] == LEFT


def test_a_network_that_never_saw_the_labels_is_not_called_to_hold_them(
    memoriser: HookedModel, never: HookedModel
) -> None:
    check = check_forgetting(memoriser, TASK, after=never, steps=20, draws=1)
    assert check is not None
    assert check.answered_after < 0.1
    assert check.probe.memorised.runner_up < 0.2
    assert check.verdict in (GONE, UNDECIDED)
    assert check.held_out is not None
    assert check.held_out.after > check.held_out.before


def test_neurons_that_are_out_have_no_part_in_the_probe(memoriser: HookedModel) -> None:
    """Without any neuron nothing can be read, and the network answers nothing."""
    check = check_forgetting(memoriser, TASK, range(99), steps=0)
    whole = check_forgetting(memoriser, TASK, [0], steps=0)
    assert check is not None
    assert whole is not None
    assert check.probe.memorised.runner_up < 0.3 < whole.probe.memorised.runner_up
    assert whole.readout.memorised.runner_up > 0.9


class Net(nn.Module):
    """A user's own classifier of measurements."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.first, self.second = nn.Linear(6, 150), nn.Linear(150, 5)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.second(torch.relu(self.first(inputs)))


def table() -> TableTask:
    numbers = np.random.default_rng(0)
    inputs = numbers.normal(size=(400, 6)).astype(np.float32)
    true = inputs[:, :5].argmax(1)
    train = np.arange(400) < 250
    labels = np.where(np.arange(400) < 80, (true + numbers.integers(1, 5, 400)) % 5, true)
    return TableTask.from_arrays(inputs, labels, true_labels=true, train=train, n_classes=5)


def fitted(task: TableTask, labels: torch.Tensor, rows: torch.Tensor, seed: int) -> HookedModel:
    net = Net(seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.03)
    for _ in range(100):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(task.dataset.inputs[rows]), labels[rows]).backward()
        optimizer.step()
    return adopt(net, ["second:input"], example=task.dataset.inputs[:4])


def test_any_classifier_with_a_table_can_be_checked() -> None:
    task = table()
    data = task.dataset
    before = fitted(task, data.labels, data.train, 0)
    after = fitted(task, data.labels, data.train & ~data.mislabelled, 1)
    gone = check_forgetting(before, task, after=after, steps=10, draws=1)
    left = check_forgetting(before, task, after=before, steps=10, draws=1)
    assert gone is not None
    assert left is not None
    assert gone.examples == 80
    assert (left.answered_before, left.answered_after) == (1.0, 1.0)
    assert left.verdict == LEFT
    assert gone.verdict != LEFT
    assert all(p is None or p > 0.01 for p in gone.p_values.values())


def test_what_cannot_be_checked_is_none_or_refused(memoriser: HookedModel) -> None:
    assert check_forgetting(memoriser, ModularTask("add", p=23)) is None
    other = HookedMLP(MLPConfig(width=10), vocab=29)
    with pytest.raises(ConfigError, match="29 classes, the one before 23"):
        check_forgetting(memoriser, TASK, after=other)
    with pytest.raises(ConfigError, match="draws=0"):
        check_forgetting(memoriser, TASK, [0], draws=0)


def relearnt(own: int, never_trained: list[int], other: list[int]) -> Relearning:
    def curve(steps: int) -> tuple[float, ...]:
        return (*[0.1] * steps, 0.6)

    curves = {"memorised": (curve(own),)}
    curves |= {"never_trained": tuple(map(curve, never_trained)), "other_label": tuple(map(curve, other))}
    return Relearning(0, 10, 50, {}, curves)


def test_relearning_is_compared_draw_by_draw() -> None:
    assert relearning_p_value(relearnt(3, [4, 5, 6], [7, 8, 9])) == 0.25
    assert relearning_p_value(relearnt(5, [4, 5, 6], [7, 8, 9])) == 0.75
    assert relearning_p_value(relearnt(3, [], [])) == 1.0
    assert as_slow(relearnt(9, [10], [12]))
    assert not as_slow(relearnt(8, [10], [12]))
    assert not as_slow(relearnt(8, [], []))


def test_intervals_cover_and_the_rule_needs_to_have_been_there() -> None:
    numbers, covered = np.random.default_rng(0), 0
    for _ in range(1000):
        first, second = numbers.binomial(60, 0.1) / 60, numbers.binomial(90, 0.04) / 90
        low, high = difference_interval(Ranks(60, first, None, 1.0), Ranks(90, second, None, 1.0))
        covered += low <= 0.06 <= high
    assert 0.93 <= covered / 1000 <= 0.99
    right, after = np.arange(200) < 150, np.arange(200) < 100
    result = held_out(right, after, 0.25)
    assert result.generalisation == 0.5
    lost = stats.sem((right & ~after).astype(float), ddof=0) * 1.96 / 0.5
    assert result.high == pytest.approx(0.5 + lost)
    assert held_out(np.arange(200) < 52, after, 0.25).generalisation is None


def test_the_verdict_needs_every_look(memoriser: HookedModel, never: HookedModel) -> None:
    check = check_forgetting(memoriser, TASK, after=never, steps=0)
    assert check is not None
    assert check.verdict == UNDECIDED
    assert "relearning was not measured" in check.open_questions()
    slow = replace(check, relearning=relearnt(10, [10], [10]))
    fast = replace(check, relearning=relearnt(8, [14, 7], [14, 7]))
    assert "relearning is somewhat faster than the controls" in fast.open_questions()
    coarse = replace(check, relearning=relearnt(4, [4], [3]))
    assert any("relearnt in 3 steps, too few to compare" in one for one in coarse.open_questions())
    stuck = relearnt(9, [9], [9])
    curves = dict.fromkeys(stuck.curves, ((0.1,) * 51,))
    none = replace(check, relearning=replace(stuck, curves=curves))
    assert any("no control was relearnt in 50 steps" in one for one in none.open_questions())
    assert not any("faster" in one for one in none.open_questions())
    assert set(slow.open_questions()) <= set(check.open_questions()) - {"relearning was not measured"}
    nothing = replace(check, readout=replace(check.readout, before=dict.fromkeys(check.readout.before)))
    assert nothing.open_questions() == ["there are no held-out examples to compare with"]

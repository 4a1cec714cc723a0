"""Relearning: hidden memories come back at once, and the network and other labels are left alone."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import interp
from interp.analysis.relearning import HALF, MEMORISED, NEVER_TRAINED, OTHER_LABEL, relearn
from interp.checkpoints import Checkpoint
from interp.data import ModularTask
from interp.errors import ConfigError
from interp.models import (
    HookedMLP,
    HookedModel,
    MLPConfig,
    Prompt,
    SmallTransformer,
    TransformerConfig,
    adopt,
)
from interp.training import TrainConfig, train

TASK = ModularTask("add", p=11, corrupt_fraction=0.4, corrupt="wrong")


def mlp() -> HookedModel:
    return HookedMLP(MLPConfig(width=40), vocab=11)


def transformer() -> HookedModel:
    config = TransformerConfig(d_model=16, n_heads=2, d_head=8, d_mlp=24)
    return SmallTransformer(config, 12, 11, Prompt.parse("a b =", p=11))


def own() -> HookedModel:
    torch.manual_seed(0)
    layers = (
        nn.Embedding(11, 8),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(16, 30),
        nn.ReLU(),
        nn.Linear(30, 11),
    )
    return adopt(nn.Sequential(*layers), ["5:input"])


@pytest.mark.parametrize("network", [mlp, transformer, own])
@pytest.mark.parametrize("mode", ["zero", "mean", "resample", "scale=0.5"])
def test_any_network_relearns_and_stays_as_it_was(network: Callable[[], HookedModel], mode: str) -> None:
    model = network()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    result = relearn(model, TASK, [0, 3], steps=60, lr=0.01, mode=mode, draws=2)
    assert result is not None
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert {kind: len(curves) for kind, curves in result.curves.items()} == {
        MEMORISED: 1, NEVER_TRAINED: 2, OTHER_LABEL: 2
    }  # fmt: skip
    for curve in result.curves[MEMORISED] + result.curves[OTHER_LABEL]:
        assert all(share < HALF for share in curve[:-1])
        assert curve[-1] >= HALF


def test_the_neurons_stay_out() -> None:
    """Without any neuron nothing can be learnt."""
    result = relearn(mlp(), TASK, range(40), steps=5, lr=0.1, draws=1)
    assert result is not None
    assert {curve for curves in result.curves.values() for curve in curves} == {(0.0,) * 6}
    assert result.to_dict() | {"curves": 0} == {
        "steps": None, "never_trained": None, "other_label": None, "faster": False, "removed": 40,
        "examples": int(TASK.dataset.mislabelled.sum()), "limit": 5,
        "settings": {"optimizer": "adamw", "lr": 0.1, "loss": "cross_entropy"}, "curves": 0,
    }  # fmt: skip
    assert "more than 5 steps" in result.sentence()


def test_hidden_memories_come_back_before_others_are_learnt() -> None:
    """A network that has memorised its labels, with neurons out that do nothing: all is still there."""
    trained = train(
        TASK, MLPConfig(width=40), TrainConfig(steps=300, save_every=0), show_progress=False
    ).model
    result = relearn(trained, TASK, [0], steps=200, lr=0.01)
    assert result is not None
    assert result.steps(MEMORISED) == 0
    assert result.faster
    assert (result.steps(NEVER_TRAINED) or np.inf) > 0
    assert "something of the memories is left" in result.sentence()


def test_labels_of_the_controls_are_wrong_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    learnt: list[tuple[torch.Tensor, torch.Tensor]] = []

    def record(
        model: Any, edit: Any, inputs: torch.Tensor, labels: torch.Tensor, config: Any
    ) -> tuple[float]:
        learnt.append((inputs, labels))
        return (0.0,)

    monkeypatch.setattr("interp.analysis.relearning._learn", record)
    relearn(mlp(), TASK, [0], draws=2)
    (wrong, own_labels), *controls = learnt
    assert len(controls) == 4
    data = TASK.dataset
    for inputs, labels in controls:
        assert len(inputs) == len(wrong)
        assert (labels != inputs.sum(1) % 11).all()
        if torch.equal(inputs, wrong):
            assert (labels != own_labels).all()
        else:
            held_out = {tuple(pair) for pair in data.inputs[data.test].tolist()}
            assert {tuple(pair) for pair in inputs.tolist()} <= held_out


def test_settings_are_those_of_the_training() -> None:
    settings = {"training": {"lr": 0.003, "loss": "mse"}}
    opened = Checkpoint(mlp(), TASK, "test", settings=settings)
    result = relearn(opened, neurons=[1], steps=1, draws=1)
    assert result is not None
    assert result.settings == {"optimizer": "adamw", "lr": 0.003, "loss": "mse"}
    again = relearn(deepcopy(opened), neurons=[1], steps=1, draws=1)
    assert again is not None
    assert again.to_dict() == result.to_dict()


def test_nothing_to_relearn_is_none_and_bad_numbers_are_refused() -> None:
    assert relearn(mlp(), TASK, []) is None
    assert relearn(mlp(), ModularTask("add", p=11), [1]) is None
    with pytest.raises(ConfigError, match="at least 1 step"):
        relearn(mlp(), TASK, [1], steps=0)
    with pytest.raises(ConfigError, match="lr=0"):
        relearn(mlp(), TASK, [1], lr=0)
    with pytest.raises(ConfigError, match="relearning diverged"):
        relearn(mlp(), TASK, [1], lr=1e30, steps=20)


def test_without_held_out_examples_one_control_is_left() -> None:
    everything = ModularTask("add", p=11, train_fraction=1.0, corrupt_fraction=0.3)
    result = relearn(mlp(), everything, [1], steps=3, draws=1)
    assert result is not None
    assert result.curves[NEVER_TRAINED] == ()
    assert "no example was held out" in result.sentence()


def test_the_figure_has_a_line_for_each_draw_and_an_audit_holds_it() -> None:
    result = relearn(mlp(), TASK, [0, 3], steps=3, draws=2)
    assert result is not None
    assert [trace.name for trace in result.plot().data] == [
        "memorised label", *["never-trained label"] * 2, *["same examples, another label"] * 2
    ]  # fmt: skip
    trained = train(
        TASK, MLPConfig(width=40), TrainConfig(steps=300, save_every=0), show_progress=False
    ).model
    report = interp.audit(trained, TASK, n_random=2, relearn_steps=2)
    assert "without_memorizing.relearn.faster" in report.flat() or report.relearning is None
    assert interp.audit(trained, TASK, n_random=2).to_dict()["without_memorizing"]["relearn"] is None

"""What updates take place in: changed neurons count in the update and in the measurement, and nothing is left over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from interp.data import ModularTask
from interp.hooks import hooked
from interp.interventions import ablate
from interp.measuring.evaluation import accuracy
from interp.models import HookedMLP, MLPConfig
from interp.training import During, TrainConfig, TrainResult, train

TASK = ModularTask("add", p=11, train_fraction=0.6, corrupt_fraction=0.3, seed=1)


def trained(during: During | None = None, steps: int = 20) -> TrainResult:
    config = TrainConfig(steps=steps, weight_decay=1.0)
    return train(TASK, MLPConfig(width=16), config, during=during, show_progress=False)


def test_each_update_is_told_how_many_came_before() -> None:
    seen = []

    @contextmanager
    def during(model: Any, step: int) -> Iterator[None]:
        seen.append(step)
        yield

    trained(during, steps=3)
    assert seen == [0, 1, 2]


def test_neurons_that_are_always_out_learn_nothing_but_decay() -> None:
    start, out = HookedMLP(MLPConfig(width=16), vocab=11, seed=0), [2, 5]
    found = trained(lambda model, step: ablate(model, out)).model
    shrunk = (1 - 0.01 * 1.0) ** 20
    for name, weights in found.state_dict().items():
        axis = 0 if name.startswith("unembed") else 2
        own = start.state_dict()[name].index_select(axis, torch.tensor(out)) * shrunk
        torch.testing.assert_close(weights.index_select(axis, torch.tensor(out)), own)
    assert not torch.allclose(found.embed.W_E[:, :, 0], start.embed.W_E[:, :, 0] * shrunk)


def test_measurements_are_made_with_the_change_in_place_and_none_is_left() -> None:
    found = trained(lambda model, step: ablate(model, range(16)))
    assert found.history[0]["accuracy"]["train"] is not None
    assert found.history[-1]["accuracy"]["train"] == 0.0  # all neurons are out: ties, which are no answers
    assert accuracy(found.model, TASK).train > 0.0
    assert not any(module._forward_hooks for module in found.model.modules())


def test_a_change_that_changes_nothing_leaves_every_bit() -> None:
    plain = trained()
    idle = trained(lambda model, step: hooked(model, {"blocks.0.mlp.hook_post": lambda x: None}))
    assert idle.history == plain.history
    for name, weights in plain.model.state_dict().items():
        assert torch.equal(weights, idle.model.state_dict()[name])

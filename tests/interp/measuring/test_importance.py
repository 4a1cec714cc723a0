"""Importance by gradients against a loop over examples, and drift against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import interp
from interp.data import Dataset, ModularTask
from interp.errors import ConfigError
from interp.measuring import passed
from interp.measuring.cached_pass import CachedPass, cached_pass
from interp.measuring.evaluation import losses
from interp.measuring.importance import drift, importance
from interp.measuring.sample import draw_sample
from interp.models import (
    HookedMLP,
    MLPConfig,
    Prompt,
    SmallTransformer,
    TransformerConfig,
    neuron_site,
    planted_mlp,
)
from interp.scoring.score import _notes
from probes.agreement import auc

P = 5
TASK = ModularTask("add", P, train_fraction=0.6, corrupt_fraction=0.3, seed=1)
GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.randn(12, 1, 5, 5, generator=GENERATOR)
TOKENS = torch.randint(4, (12, 4), generator=GENERATOR)
LABELS = torch.randint(3, (12,), generator=GENERATOR)


class Leaky(nn.Module):
    """Steps of a loop that mix all units, so that a changed one changes others later."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.mix, self.readout = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        h = torch.zeros(len(tokens), 6)
        for step in range(tokens.shape[1]):
            h = interp.tap(
                "hidden", torch.tanh(self.mix(h) + self.enter(F.one_hot(tokens[:, step], 4).float()))
            )
        return self.readout(h)


class Frozen(nn.Module):
    """What follows the first layer runs without gradients, and through NumPy."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 6)

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.first(tokens.float())
        return torch.as_tensor(np.tanh(hidden.detach().numpy())[:, :3])


def seeded(build: Callable[[], Any]) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build()


def mlp(depth: int = 2, seed: int = 0) -> HookedMLP:
    return HookedMLP(MLPConfig(width=6, depth=depth, activation="relu", bias=True), P, seed=seed).eval()


def transformer() -> SmallTransformer:
    config = TransformerConfig(d_model=8, n_heads=2, d_head=4, d_mlp=6, n_layers=2)
    return seeded(lambda: SmallTransformer(config, P + 1, P, Prompt.parse("a b =", p=P))).eval()


def convolution() -> Any:
    net = seeded(
        lambda: nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(54, 3))
    )
    return interp.adopt(net, "0:output", example=IMAGES[:2])


def recurrent() -> Any:
    return interp.adopt(seeded(Leaky), "tap:hidden", example=TOKENS[:2])


def table(inputs: Tensor) -> Dataset:
    train = torch.arange(12) < 8
    return Dataset(inputs, LABELS, LABELS, train, train & False, 3)


CASES = {
    "linear readout": (mlp, TASK.dataset, None),
    "deeper": (lambda: mlp(3), TASK.dataset, "blocks.0.mlp.hook_post"),
    "transformer": (transformer, TASK.dataset, None),
    "all positions": (transformer, TASK.dataset, "blocks.0.mlp.hook_post"),
    "one position": (transformer, TASK.dataset, "blocks.0.mlp.hook_post@1"),
    "channels": (convolution, table(IMAGES), None),
    "loop": (recurrent, table(TOKENS), None),
}


def by_example(model: Any, data: Dataset, hook: str, loss: str) -> dict[str, np.ndarray]:
    """A factor in a hook, and one pass and its gradients for each example."""
    site = neuron_site(model, hook)
    squares, sizes = [], []
    for i in range(len(data)):
        g = torch.ones(site.width, requires_grad=True)
        axis = -1 if "@" in hook else site.axis
        with interp.hooks.hooked(
            model, {hook: lambda x, g=g, axis=axis: (x.movedim(axis, -1) * g).movedim(-1, axis)}
        ):
            logits = model(data.inputs[i : i + 1])
        value = losses(logits, data.labels[i : i + 1], loss=loss).sum()
        squares.append(torch.autograd.grad(value, g, retain_graph=True)[0].square())
        sizes.append(torch.autograd.grad(logits.square().sum(), g)[0].abs())
    counted = data.train if data.split_known else torch.ones_like(data.train)
    fisher = torch.stack(squares)[counted].double().mean(0)
    return {"fisher": fisher.numpy(), "mas": torch.stack(sizes).double().mean(0).numpy()}


@pytest.mark.parametrize(
    ("case", "loss"),
    [("linear readout", "mse"), ("loop", "mse"), *((case, "cross_entropy") for case in CASES)],
)
def test_importance_is_that_of_a_loop_over_examples(case: str, loss: str) -> None:
    build, data, site = CASES[case]
    model = build()
    cached = cached_pass(model, data, site=site)
    columns, expected = importance(cached, loss), by_example(model, data, cached.hook, loss)
    for name, values in expected.items():
        assert values.max() > 0
        np.testing.assert_allclose(columns[name], values, rtol=2e-4, atol=1e-7 * values.max())


def test_of_a_sample_each_kind_of_example_counts_in_its_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    data = TASK.dataset
    cached = cached_pass(mlp(), data)
    whole = importance(cached)
    monkeypatch.setattr("interp.measuring.cached_pass.streamed", lambda *_: True)
    streamed = cached_pass(mlp(), data)
    assert not isinstance(streamed.logits, Tensor)
    for name, values in importance(streamed).items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-5)
    monkeypatch.setattr(passed, "draw_sample", lambda group, _: draw_sample(group, 15))
    monkeypatch.setattr("interp.measuring.sample.FEWEST_OF_GROUP", 1)
    sampled: CachedPass = cached_pass(mlp(), data)
    rows, weights = sampled.sample.rows, sampled.sample.weights
    assert rows is not None
    logits = cached.logits[rows]
    slopes = (2 * logits @ cached.readout.T * cached.activations[rows]).abs().numpy()
    expected = np.average(slopes, axis=0, weights=weights[sampled.group[rows].numpy()])
    np.testing.assert_allclose(importance(sampled)["mas"], expected, rtol=1e-5)


def test_what_cannot_be_differentiated_is_not_known() -> None:
    model = interp.adopt(seeded(Frozen), "first:output", example=TOKENS[:2])
    columns = importance(cached_pass(model, table(TOKENS)))
    assert np.isnan(columns["fisher"]).all()
    assert np.isnan(columns["mas"]).all()
    assert "no gradients" in _notes(columns, None)[0]


def test_it_says_how_strongly_a_neuron_acts_and_not_for_what() -> None:
    """On a planted network all memorizing neurons come before all of the rule, as they are the stronger ones."""
    task = ModularTask("add", p=31, corrupt_fraction=0.35)
    planted = planted_mlp(task, generalizing=50, memorizing=50, dead=3)
    cached = cached_pass(planted.model, task)
    alive, rule = planted.labels != "dead", planted.labels == "generalizing"
    for values in importance(cached).values():
        assert auc(values[alive], rule[alive]) < 0.1
        assert (values[~alive] < 1e-6 * values.max()).all()


def test_without_a_known_split_all_examples_count() -> None:
    none = torch.zeros(12, dtype=torch.bool)
    data = Dataset(TOKENS, LABELS, LABELS, none, none, 3, split_known=False)
    cached = cached_pass(recurrent(), data)
    np.testing.assert_allclose(
        importance(cached)["fisher"],
        by_example(recurrent(), data, cached.hook, "cross_entropy")["fisher"],
        rtol=2e-4,
    )


@pytest.mark.parametrize("case", ["linear readout", "all positions", "channels", "loop"])
def test_drift_is_the_change_of_activations_in_numpy(case: str) -> None:
    build, data, site = CASES[case]
    model, earlier = build(), build()
    with torch.no_grad():
        for one in earlier.parameters():
            one += 0.1 * torch.randn(one.shape, generator=torch.Generator().manual_seed(1))
    cached = cached_pass(model, data, site=site)
    axis = neuron_site(model, cached.hook).axis
    now, before = (
        np.moveaxis(interp.capture(one, data.inputs, cached.hook)[cached.hook].numpy(), axis, -1).reshape(
            -1, 6
        )
        for one in (model, earlier)
    )
    expected = np.sqrt(((now - before) ** 2).mean(0) / ((now**2).mean(0) + (before**2).mean(0)))
    np.testing.assert_allclose(drift(cached, earlier), expected, rtol=1e-4)
    assert not drift(cached, build()).any()


def test_drift_of_other_networks_is_refused() -> None:
    cached = cached_pass(mlp(), TASK)
    wider = HookedMLP(MLPConfig(width=7, depth=2, activation="relu", bias=True), P)
    with pytest.raises(ConfigError, match=r"shape \(2, 5, 6\), the earlier one of \(2, 5, 7\)"):
        drift(cached, wider)
    with pytest.raises(ConfigError, match="4 parameters, the earlier one 6"):
        drift(cached, mlp(3))


def test_silent_then_and_now_is_no_drift() -> None:
    model = mlp()
    with torch.no_grad():
        model.embed.W_E[:, :, 2] = 0
        model.embed.b_E[2] = 0
    assert drift(cached_pass(model, TASK), model)[2] == 0

"""Curves where the rest of the network is not linear, against hooks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from interp.data import SPLITS, ModularTask
from interp.interventions import ablate
from interp.measuring import cached_pass as passes
from interp.measuring.cached_pass import cached_pass
from interp.measuring.curves import counts_by_prefix, measure_curve, split_accuracy
from interp.measuring.evaluation import evaluate
from interp.measuring.set_logits import logits_of_order
from interp.models import (
    HookedMLP,
    HookedModel,
    MLPConfig,
    Prompt,
    SmallTransformer,
    TransformerConfig,
    adopt,
)

P, WIDTH, POST = 7, 6, "blocks.0.mlp.hook_post"
TASK = ModularTask("add", P, train_fraction=0.6, corrupt_fraction=0.4, seed=3)
ORDER = np.array([4, 0, 5, 3, 1, 2])


def transformer(**settings: object) -> SmallTransformer:
    config = TransformerConfig(8, 2, 4, WIDTH, **settings)
    return SmallTransformer(config, P + 1, P, Prompt.parse("a b =", p=P), seed=1).eval()


class InPlace(nn.Module):
    """An activation that changes its input in place."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.act, self.out = (
            nn.Embedding(P, WIDTH),
            nn.ReLU(inplace=True),
            nn.Linear(2 * WIDTH, P),
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.out(self.act(self.embed(tokens)).flatten(1))


def in_place() -> HookedModel:
    torch.manual_seed(0)
    return adopt(InPlace().eval(), ["embed:output"], example=TASK.dataset.inputs[:2])


MODELS = {
    "layer norm": (lambda: transformer(norm="layer", bias=True), POST),
    "plain norm": (lambda: transformer(norm="pre", causal=True), POST),
    "block": (lambda: transformer(n_layers=2, causal=True), POST),
    "block, norms": (lambda: transformer(n_layers=2, norm="layer", bias=True, attn_coeff=0.4), POST),
    "one position": (lambda: transformer(n_layers=2), f"{POST}@1"),
    "in place": (in_place, None),
}


@pytest.mark.parametrize("order", [ORDER, ORDER[:4]], ids=["all", "some"])
@pytest.mark.parametrize("mode", ["zero", "mean", "scale=-0.5"])
@pytest.mark.parametrize("name", MODELS)
def test_curves_equal_hooked_passes(
    name: str, mode: str, order: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, site = MODELS[name]
    model = build()
    monkeypatch.setattr(passes, "CACHED_ELEMENTS", 500)
    monkeypatch.setattr(passes, "LEAST_ROWS", 7)  # many blocks of examples
    cached = cached_pass(model, TASK, site=site, mode=mode)
    curve = measure_curve(cached, order, n_random=0)
    assert curve.removed.tolist() == list(range(len(order) + 1))
    for k in curve.removed.tolist():
        with ablate(model, order[:k], mode, site=cached.hook, reference=TASK):
            after = evaluate(model, TASK).accuracy
        for split in SPLITS:
            assert curve.accuracy[split][k] == pytest.approx(after[split], abs=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_logits_equal_those_of_each_set(name: str) -> None:
    build, site = MODELS[name]
    cached, rows = cached_pass(build(), TASK, site=site), slice(3, 20)
    removed = np.array([2, 0, 6, 3])
    results = dict(logits_of_order(cached, torch.as_tensor(ORDER), removed, rows))
    assert sorted(results) == [0, 2, 3]
    for i, logits in results.items():
        expected = cached.logits_after(torch.as_tensor(ORDER[: removed[i]]))[rows]
        torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)


def test_points_may_be_given_in_any_order() -> None:
    cached = cached_pass(transformer(norm="layer"), TASK, site=POST)
    removed = np.array([5, 0, 2])
    rising = split_accuracy(counts_by_prefix(cached, ORDER, np.sort(removed)), cached)["all"]
    mixed = split_accuracy(counts_by_prefix(cached, ORDER, removed), cached)["all"]
    assert mixed.tolist() == rising[[2, 0, 1]].tolist()


def test_taking_out_all_neurons_leaves_no_rounding_behind() -> None:
    model = HookedMLP(MLPConfig(width=WIDTH, depth=3, activation="relu"), vocab=P, seed=1).eval()
    cached = cached_pass(model, TASK, site=model.neuron_sites()[0].hook)
    curve = measure_curve(cached, ORDER, n_random=1)
    assert curve.accuracy["all"][-1] == 0  # all logits are 0, and a tie is no answer
    assert curve.random["all"].mean[-1] == 0

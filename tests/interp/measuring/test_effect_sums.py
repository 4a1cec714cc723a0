"""Sums of what neurons add to the logits against numpy, from one hooked pass a neuron."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from interp.data import ModularTask
from interp.interventions import ablate
from interp.measuring import effect_sums
from interp.measuring.cached_pass import cached_pass
from interp.measuring.effect_sums import EffectSums, Wanted
from interp.measuring.effects import measure_neurons, single_effects
from interp.models import HookedMLP, HookedModel, MLPConfig, Prompt, SmallTransformer, TransformerConfig

P, WIDTH = 7, 6
TASK = ModularTask("add", P, train_fraction=0.6, corrupt_fraction=0.4, seed=3)
RNG = np.random.default_rng(2)


def networks() -> dict[str, HookedModel]:
    prompt = Prompt.parse("a b =", p=P)
    return {
        "mlp": HookedMLP(MLPConfig(width=WIDTH, depth=3, activation="relu"), vocab=P, seed=1).eval(),
        "block": SmallTransformer(TransformerConfig(8, 2, 4, WIDTH, n_layers=2), P + 1, P, prompt).eval(),
        "norm": SmallTransformer(TransformerConfig(8, 2, 4, WIDTH, norm="layer"), P + 1, P, prompt).eval(),
    }


def by_hooks(model: HookedModel, site: str) -> np.ndarray:
    """What each neuron adds to each logit, ``(neuron, example, output)``."""
    whole, added = model(TASK.dataset.inputs).detach(), []
    for neuron in range(WIDTH):
        with ablate(model, [neuron], site=site):
            added.append(whole - model(TASK.dataset.inputs).detach())
    return torch.stack(added).numpy()


@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize("kind", ["mlp", "block", "norm"])
def test_sums_are_of_what_the_removal_of_a_neuron_takes(
    kind: str, few: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if few:
        monkeypatch.setattr(effect_sums, "HELD", 1)  # neurons one after another
    model, data, n = networks()[kind], TASK.dataset, len(TASK.dataset)
    site = model.neuron_sites()[0 if kind == "mlp" else 1].hook
    added = by_hooks(model, site)
    first, second = RNG.random((2, n)) < 0.5
    weights = RNG.integers(0, 3, (P, P)).astype(float)
    parts: list[EffectSums] = []
    wanted = Wanted([first, second], [(second, weights)])
    cached = cached_pass(model, TASK, site=site)
    assert cached.readout is None
    _, lengths = measure_neurons(cached, wanted, lambda sums: [parts.append(sums), len(sums.label)][1])
    assert lengths == ([1] * WIDTH if few else [WIDTH])
    label, true, mean = (
        np.concatenate([getattr(x, name) for x in parts]) for name in ("label", "true", "mean")
    )
    rows, classes = np.arange(n), data.true_labels.numpy()
    np.testing.assert_allclose(label, added[:, rows, data.labels.numpy()], atol=2e-6)
    np.testing.assert_allclose(true, added[:, rows, classes], atol=2e-6)
    np.testing.assert_allclose(mean, added.mean(2), atol=2e-6)
    centred = (added - added.mean(2, keepdims=True)) * weights[classes]
    weighted = np.concatenate([x.weighted for x in parts], axis=1)
    np.testing.assert_allclose(weighted[0], centred.sum(2) * second, atol=2e-5)
    tables = np.concatenate([x.tables for x in parts], axis=1)
    for table, mask in zip(tables, (first, second), strict=True):
        for c in range(P):
            np.testing.assert_allclose(table[:, c], added[:, mask & (classes == c)].sum(1), atol=2e-5)


def test_nothing_is_kept_where_no_sums_are_asked_for() -> None:
    model = networks()["block"]
    cached = cached_pass(model, TASK, site="blocks.0.mlp.hook_post")
    effects, rows = measure_neurons(cached)
    assert rows == []
    whole = single_effects(replace(cached, prefix=replace(cached.prefix, suffix=None)))
    np.testing.assert_allclose(effects.margin_drop["test"], whole.margin_drop["test"], atol=1e-6)

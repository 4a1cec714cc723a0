"""Single-neuron effects against one hooked pass a neuron."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from interp.data import SPLITS, ModularTask
from interp.interventions import ablate
from interp.measuring.cached_pass import cached_pass
from interp.measuring.effects import measure_neurons, single_effects
from interp.measuring.evaluation import evaluate
from interp.models import HookedMLP, MLPConfig

TASK = ModularTask("add", p=11, train_fraction=0.6, corrupt_fraction=0.4, seed=3)
SHAPES = [
    MLPConfig(width=9),
    MLPConfig(width=9, activation="relu", bias=True),
    MLPConfig(width=9, depth=3, activation="relu"),
]


@pytest.mark.parametrize("config", SHAPES)
@pytest.mark.parametrize("layer", [0, -1])
def test_effects_equal_one_hooked_pass_a_neuron(config: MLPConfig, layer: int) -> None:
    model = HookedMLP(config, vocab=11, seed=1).eval()
    site = model.neuron_sites()[layer].hook
    found = single_effects(cached_pass(model, TASK, site=site))
    before = evaluate(model, TASK)
    for neuron in range(9):
        with ablate(model, [neuron], site=site):
            after = evaluate(model, TASK)
        for split in SPLITS:
            drop = before.margin[split] - after.margin[split]
            assert found.margin_drop[split][neuron] == pytest.approx(drop, abs=1e-6)
            assert found.accuracy_drop[split][neuron] == pytest.approx(
                before.accuracy[split] - after.accuracy[split]
            )


@pytest.mark.parametrize("layer", [0, -1])
def test_what_each_neuron_adds_to_the_logits_is_what_its_removal_takes(layer: int) -> None:
    model = HookedMLP(SHAPES[2], vocab=11, seed=1).eval()
    site, whole = model.neuron_sites()[layer].hook, model(TASK.dataset.inputs).detach()
    cached = replace(cached_pass(model, TASK, site=site), readout=None)
    effects, added = measure_neurons(cached, lambda logits: logits)
    assert len(added) == 9
    for neuron in range(9):
        with ablate(model, [neuron], site=site):
            without = model(TASK.dataset.inputs).detach()
        np.testing.assert_allclose(added[neuron], (whole - without).numpy(), atol=1e-6)
    np.testing.assert_allclose(effects.margin_drop["test"], single_effects(cached).margin_drop["test"])

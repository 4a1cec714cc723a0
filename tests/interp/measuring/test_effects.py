"""Single-neuron effects against one hooked pass a neuron."""

from __future__ import annotations

import pytest

from interp.data import SPLITS, ModularTask
from interp.interventions import ablate
from interp.measuring.cached_pass import cached_pass
from interp.measuring.effects import single_effects
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

"""The few logits of an example that decide its answer: what follows from them is what follows from all logits."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from interp.data import ModularTask
from interp.measuring import effects, kernels
from interp.measuring.cached_pass import CachedPass, cached_pass
from interp.measuring.curves import kernel_arguments, kernel_options
from interp.measuring.effects import single_effects
from interp.measuring.logits import moments_of
from interp.measuring.passed import both_margins
from interp.measuring.rivals import rivals_of
from interp.models import HookedMLP, MLPConfig, planted_mlp

TASK = ModularTask("add", 71, train_fraction=0.5, corrupt_fraction=0.3)
NETWORKS = {
    "planted": lambda: planted_mlp(TASK, memorizing=60).model,
    "random": lambda: HookedMLP(MLPConfig(width=40), 71),
}


@pytest.fixture(scope="module", params=NETWORKS)
def cached(request: pytest.FixtureRequest) -> CachedPass:
    return cached_pass(NETWORKS[request.param](), TASK)


@pytest.mark.parametrize("kept", [1, 5, 70])
def test_margins_and_the_largest_logits_are_those_of_all(cached: CachedPass, kept: int) -> None:
    rivals, data = rivals_of(cached.logits, cached.data, kept), cached.data
    torch.testing.assert_close(rivals.margins, both_margins(cached.logits, data.labels, data.true_labels))
    both = torch.stack([data.labels, data.true_labels], dim=1)
    expected = cached.logits.scatter(1, both, float("-inf")).topk(kept, dim=1).values
    torch.testing.assert_close(rivals.values, expected)
    known = rivals.values.isfinite()
    torch.testing.assert_close(cached.logits.gather(1, rivals.classes.long())[known], rivals.values[known])
    assert rivals.largest == float(cached.logits.abs().max())
    torch.testing.assert_close(rivals.moments, moments_of(cached.logits))


def test_nan_and_infinity_are_seen(cached: CachedPass) -> None:
    for bad in (float("nan"), float("inf")):
        logits = cached.logits.clone()
        logits[5, 3] = bad
        assert not np.isfinite(rivals_of(logits, cached.data).largest)


def test_one_neuron_less_is_decided_by_rivals_or_left_open(cached: CachedPass) -> None:
    data, weights = cached.data, cached.readout
    decided = 0
    for neuron in range(0, cached.width, 7):
        change = cached.change[:, neuron]
        margins, known = rivals_of(cached.logits, data, 8).changed(change, weights[neuron], data)
        logits = cached.logits + change[:, None] * weights[neuron]
        expected = both_margins(logits, data.labels, data.true_labels)
        torch.testing.assert_close(margins[:, known], expected[:, known], atol=1e-5, rtol=1e-5)
        decided += int(known.sum())
    assert decided > 0


def test_effects_by_rivals_equal_those_of_all_logits(
    cached: CachedPass, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts, sums = kernels.single_effects(*kernel_arguments(cached), **kernel_options(cached))
    expected = effects._drops(cached, counts, sums)
    few = replace(cached)
    few.__dict__["rivals"] = rivals_of(cached.logits, cached.data, 3)  # some examples are left open
    for result in (single_effects(cached), single_effects(few)):
        for name in ("accuracy_drop", "margin_drop"):
            for split, values in getattr(expected, name).items():
                np.testing.assert_allclose(getattr(result, name)[split], values, atol=1e-6)

"""Single-neuron effects against one hooked pass a neuron; label evidence against simulated labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from interp.data import SPLITS, ModularTask
from interp.interventions import ablate
from interp.measuring.cached_pass import CachedPass, cached_pass
from interp.measuring.effects import (
    Evidence,
    Question,
    difference_evidence,
    measure_neurons,
    single_effects,
)
from interp.measuring.evaluation import evaluate
from interp.models import HookedMLP, MLPConfig

TASK = ModularTask("add", p=11, train_fraction=0.6, corrupt_fraction=0.4, seed=3)
SHAPES = [
    MLPConfig(width=9),
    MLPConfig(width=9, activation="relu", bias=True),
    MLPConfig(width=9, depth=3, activation="relu"),
]


def label_evidence(
    cached: CachedPass, examples: torch.Tensor, labels: torch.Tensor, excluded: torch.Tensor | None = None
) -> Evidence:
    return measure_neurons(cached, [Question(examples, labels, excluded)])[1][0]


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


def test_evidence_is_uniform_when_labels_are_random() -> None:
    task = ModularTask("add", p=31, corrupt_fraction=1.0, corrupt="wrong", train_fraction=0.9, seed=11)
    cached = cached_pass(HookedMLP(MLPConfig(width=400), vocab=31, seed=2), task)
    data = task.dataset
    found = label_evidence(cached, data.mislabelled, data.labels, excluded=data.true_labels)
    assert kstest(found.p, "uniform").pvalue > 0.01
    assert abs(found.z.std() - 1) < 0.15


def test_evidence_finds_a_neuron_that_knows_the_labels() -> None:
    task = ModularTask("add", p=11, corrupt_fraction=0.5, seed=0)
    data, model = task.dataset, HookedMLP(MLPConfig(width=20), vocab=11, seed=4)
    with torch.no_grad():  # neuron 0 fires for first operand 3 and writes the most frequent label found there
        model.embed.W_E[:, :, 0] = 0
        model.embed.W_E[0, :, 0] = 1
        counts = torch.bincount(data.labels[data.mislabelled], minlength=11)
        model.unembed.weight[0] = counts.double() - counts.double().mean()
    found = label_evidence(cached_pass(model, task), data.mislabelled, data.labels, excluded=data.true_labels)
    assert found.effect.argmax() == 0
    assert found.z[0] > 1.5


@pytest.mark.parametrize("barred", [False, True])
def test_moments_by_matrix_products_equal_those_by_removal(barred: bool) -> None:
    cached = cached_pass(HookedMLP(MLPConfig(width=9), vocab=11, seed=1), TASK)
    data = TASK.dataset
    question = Question(data.mislabelled, data.labels, data.true_labels if barred else None)
    fast = measure_neurons(cached, [question])[1][0]
    slow = measure_neurons(replace(cached, readout=None), [question])[1][0]
    np.testing.assert_allclose(fast.effect, slow.effect, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(fast.z, slow.z, rtol=1e-3, atol=1e-5)


def test_moments_equal_a_loop_over_examples_and_classes() -> None:
    cached = cached_pass(HookedMLP(MLPConfig(width=3), vocab=11, seed=1), TASK)
    data, examples = TASK.dataset, TASK.dataset.mislabelled
    found = label_evidence(cached, examples, data.labels, excluded=data.true_labels)
    for neuron in range(3):
        total = variance = 0.0
        for i in np.flatnonzero(examples.numpy()):
            row = (cached.activations[i, neuron].item() * cached.readout[neuron].double()).numpy()
            allowed = np.delete(row, data.true_labels[i])
            total += row[data.labels[i]] - allowed.mean()
            variance += allowed.var()
        assert found.effect[neuron] == pytest.approx(total / int(examples.sum()), rel=1e-5)
        assert found.z[neuron] == pytest.approx(total / variance**0.5, rel=1e-5)


def test_too_few_examples_give_no_p_value() -> None:
    cached, data = cached_pass(HookedMLP(MLPConfig(width=3), vocab=11), TASK), TASK.dataset
    few = torch.zeros(len(data), dtype=torch.bool)
    few[:5] = True
    assert np.isnan(label_evidence(cached, few, data.labels).p).all()


def test_a_difference_of_two_equal_sets_is_no_evidence() -> None:
    task = ModularTask("add", p=31)
    cached, data = cached_pass(HookedMLP(MLPConfig(width=30), vocab=31), task), task.dataset
    evidence = label_evidence(cached, data.test, data.true_labels)
    difference = difference_evidence(evidence, evidence)
    np.testing.assert_allclose(difference.p, 0.5)
    np.testing.assert_allclose(difference.effect, 0)

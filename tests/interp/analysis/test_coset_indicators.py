"""Coset indicators of planted, untrained and other networks."""

import json

import numpy as np
import pytest
import torch

from interp.analysis.coset_indicators import HEADER, coset_indicators
from interp.data import ModularTask
from interp.data.group_tables import symmetric
from interp.models import HookedMLP, MLPConfig, Prompt, SmallTransformer, TransformerConfig, analytic_mlp
from probes.finite_group import group_of
from probes.subgroups import subgroups_of

TASK = ModularTask("group:S4", train_fraction=0.5)


def planted(width: int = 60, seed: int = 0) -> HookedMLP:
    """Half of the neurons know where a permutation sends one point, and which it brings to another; half are random."""
    group = group_of(symmetric(4))
    subgroups, generator = subgroups_of(group), np.random.default_rng(seed)
    points = np.flatnonzero(subgroups.indices == 4)
    left, right, output = generator.normal(size=(3, width, 24))
    for neuron in range(width // 2):
        first, last = (np.flatnonzero(subgroups.members[i]) for i in generator.choice(points, 2))
        left[neuron] = left[neuron][group.table[first]].mean(0)  # on right cosets
        right[neuron] = right[neuron][group.table[:, last]].mean(1)  # on left cosets
        output[neuron] = output[neuron][group.table[group.table[first][:, :, None], last]].mean((0, 2))
    output -= output.mean(1, keepdims=True)
    output *= 10 / np.linalg.norm(output, axis=1, keepdims=True)
    model = HookedMLP(MLPConfig(width=width), vocab=24)
    with torch.no_grad():
        model.embed.W_E.copy_(torch.tensor(np.stack([left.T, right.T])))
        model.unembed.W_U.copy_(torch.tensor(output))
    return model.eval()


def test_planted_indicators_are_told_from_random_neurons():
    result = coset_indicators(planted(), TASK)
    assert (result.group, result.not_testable, result.looked_at, result.classes) == ("S4", None, 28, 9)
    assert result.indicates[:30].mean() > 0.9
    assert not result.indicates[30:].any()
    assert (result.columns["index"][:30] <= 4).mean() > 0.9
    assert result.adds[:30].sum() > 20
    assert "are constant on cosets of a subgroup of S4 beyond" in result.sentence()
    rows = list(result.rows())
    assert len(rows) == 60
    assert {len(row) for row in rows} == {len(HEADER)}
    stored = json.loads(json.dumps(result.to_dict()))
    assert stored["indicate"] == result.indicates.sum()
    assert len(result.plot().data) > 1
    assert len(next(iter(result.counts()))) > 2


def test_untrained_networks_have_no_indicators():
    p = np.concatenate(
        [
            coset_indicators(HookedMLP(MLPConfig(width=200), vocab=24, seed=seed).eval(), TASK).columns[
                "p_value"
            ]
            for seed in range(2)
        ]
    )
    assert (p < 0.01).mean() <= 0.02


def test_neurons_without_weights_of_their_own_are_read_from_activations():
    config = TransformerConfig(d_model=16, n_heads=2, d_head=8, d_mlp=24)
    model = SmallTransformer(config, 25, 24, Prompt.parse("a b =", p=24), seed=1).eval()
    result = coset_indicators(model, TASK)
    assert len(result.neuron) == len(result.columns["share"])
    assert not result.adds.any()


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (ModularTask("add", 13), "Z13 has no subgroups"),
        (ModularTask("a**2 + a*b", 13), "no multiplication of a group"),
    ],
)
def test_what_cannot_be_tested_is_said(task, reason):
    result = coset_indicators(HookedMLP(MLPConfig(width=8), vocab=13).eval(), task)
    assert reason in result.not_testable
    assert result.not_testable in result.sentence()
    assert (list(result.rows()), result.counts(), result.adds.sum()) == ([], {}, 0)
    assert result.to_dict()["not_testable"] == result.not_testable
    assert result.plot().data == ()


def test_addition_modulo_a_composite_has_cosets_that_components_decide():
    result = coset_indicators(analytic_mlp("add", p=12, width=40), ModularTask("add", p=12))
    assert result.group == "Z12"
    assert result.indicates.any()
    assert not result.adds.any()

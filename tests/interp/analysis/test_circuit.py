"""How a network computes: against plain bases on closed forms, and for networks of which little is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from interp.analysis.circuit import circuit, embeddings, gradient_symmetricity, operand_positions
from interp.data import ModularTask, TableTask
from interp.models import Prompt, SmallTransformer, TransformerConfig, adopt, analytic_mlp

P = 11
TASK = ModularTask("add", P, train_fraction=0.5)


def transformer(**settings: object) -> SmallTransformer:
    config = TransformerConfig(d_model=8, n_heads=2, d_head=4, d_mlp=6, **settings)
    return SmallTransformer(config, 2 * P + 1, P, Prompt.parse(f"a b+{P} =", p=P), seed=2).eval()


def measured(model: object, task: object) -> object:
    return circuit(model, task)


def test_losses_keep_and_lose_exactly_the_waves_of_the_sum() -> None:
    model = transformer()
    found, data = measured(model, TASK), TASK.dataset
    logits = model(data.inputs).detach().double()
    sums = data.inputs.sum(1).double()
    waves = [f(2 * np.pi * k * sums / P) for k in found.logit_frequencies for f in (torch.cos, torch.sin)]
    basis = torch.stack(waves, 1)
    part = basis @ (2 / len(data) * basis.T @ logits)
    kept, left = logits.mean(0) + part, logits - part
    labels, train = data.true_labels, data.train
    assert found.restricted_loss == pytest.approx(float(F.cross_entropy(kept, labels)), rel=1e-4)
    assert found.excluded_loss == pytest.approx(float(F.cross_entropy(left[train], labels[train])), rel=1e-4)


def test_gradients_are_those_of_the_embedded_operands() -> None:
    model = transformer()
    inputs, labels = TASK.dataset.inputs, TASK.dataset.true_labels
    cosines = []
    for pair, label in zip(inputs, labels, strict=True):
        rows = model.embed.W_E.detach()[model.prompt(pair[None])[0]].requires_grad_(True)
        stream = rows[None] + model.pos_embed.W_pos
        model._from(stream, 0, readout_only=False)[0, label].backward()
        cosines.append(float(F.cosine_similarity(rows.grad[0], rows.grad[1], dim=0)))
    assert gradient_symmetricity(model, TASK) == pytest.approx(np.mean(cosines), abs=1e-4)
    assert operand_positions(model) == [0, 1]
    assert all(parameter.grad is None for parameter in transformer().parameters())


def test_embeddings_are_read_where_the_prompt_puts_the_operands() -> None:
    model, task = transformer(), ModularTask("multiply", P)
    left, right = embeddings(model, task.ordering, P)
    table = model.embed.W_E.detach().numpy()
    np.testing.assert_array_equal(left, table[task.ordering.left])
    np.testing.assert_array_equal(right, table[P + task.ordering.right])
    first, second = embeddings(analytic_mlp("multiply", P, 20), task.ordering, P)
    assert first.shape == second.shape == (P - 1, 20)


def test_a_module_without_tokens_of_its_own_shows_its_logits_only() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Embedding(P, 6), nn.Flatten(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, P))
    model = adopt(net.eval(), ["4:input"], example=TASK.dataset.inputs[:2])
    found = measured(model, TASK)
    assert found.embedding_frequencies is None
    assert found.gradient_symmetricity is None
    assert found.algorithm is None
    assert found.to_dict()["embedding_gini"] is None
    assert 0 <= found.logit_variance_explained <= 1


def test_other_tasks_have_no_circuit() -> None:
    data = TASK.dataset
    model = analytic_mlp("add", P, 20)
    assert measured(model, ModularTask("a**2 + b**2 + a*b", P)) is None
    assert measured(model, TableTask.from_arrays(data.inputs, data.labels)) is None
    some = TableTask.from_arrays(data.inputs[5:], data.labels[5:], task="add", p=P)
    assert measured(model, some) is None


def test_a_network_that_has_not_learnt_the_rule_has_no_algorithm() -> None:
    found = measured(transformer(), TASK)
    data = TASK.dataset
    right = transformer()(data.inputs).argmax(1) == data.true_labels
    assert found.by_rule == pytest.approx(float(right[data.test].double().mean()))
    like_clock = replace(found, gradient_symmetricity=0.1, distance_irrelevance=0.9)
    assert like_clock.algorithm is None
    assert replace(like_clock, by_rule=0.9).algorithm == "clock"


def test_a_closed_form_is_computed_by_its_waves() -> None:
    found = measured(analytic_mlp("add", 31, 400), ModularTask("add", 31))
    assert found.logit_variance_explained > 0.8
    assert found.clustered < found.clustered_with_harmonics
    assert set(found.to_dict()) == {*vars(found), "algorithm"} - {"components", "excluded_pairs"}

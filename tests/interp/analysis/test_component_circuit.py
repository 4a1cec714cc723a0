"""Circuits of networks that compose the elements of a group, against closed forms and frequencies."""

import json

import numpy as np
import pytest
import torch

from interp.analysis.circuit import circuit
from interp.analysis.component_circuit import component_losses
from interp.data import ModularTask
from interp.data.group_tables import cyclic
from interp.models import HookedMLP, MLPConfig, Prompt, SmallTransformer, TransformerConfig, analytic_mlp
from interp.scoring.components import task_components
from interp.subject import Subject, score
from probes.composition import composition_of
from probes.progress_measures import cross_entropy

TASK = ModularTask("group:S4", train_fraction=0.5)


def of_characters(weights: dict[int, float]) -> HookedMLP:
    """A neuron for each pair of elements, (1[a = x] + 1[b = y])², whose logits are characters of a b c⁻¹.

    Of a component that is not constant the parts of one operand sum to 0.
    """
    components, n = task_components(TASK), TASK.p
    group = components.group
    x, y = np.divmod(np.arange(n * n), n)
    thirds = group.table[group.table[x, y][:, None], group.inverse]
    output = sum(weight * components.characters[number][thirds] for number, weight in weights.items()) / 2
    model = HookedMLP(MLPConfig(width=n * n), vocab=n)
    with torch.no_grad():
        model.embed.W_E.copy_(torch.tensor(np.eye(n)[:, np.stack([x, y])].transpose(1, 0, 2)))
        model.unembed.W_U.copy_(torch.tensor(output))
    return model.eval()


def test_logits_of_characters_are_explained_by_them():
    weights = {3: 30.0, 4: 60.0}
    model, components = of_characters(weights), task_components(TASK)
    result = circuit(model, TASK)
    assert components.sizes[1:].tolist() == [1, 4, 9, 9]
    assert result.logit_frequencies == (3, 4)
    assert result.logit_variance_explained == pytest.approx(1, abs=1e-5)
    shares = [part.share for part in result.components]
    np.testing.assert_allclose(shares, [0, 0, 0.2, 0.8], atol=1e-5)
    assert [part.key for part in result.components] == [False, False, True, True]
    assert max(part.p_value for part in result.components[2:]) < 1e-5
    assert (result.by_rule, result.algorithm, result.distance_irrelevance) == (1, None, None)
    whole = model(TASK.dataset.inputs).detach().double()
    full = torch.nn.functional.cross_entropy(whole, TASK.dataset.true_labels)
    assert result.restricted_loss == pytest.approx(float(full), abs=1e-5)
    assert result.excluded_loss == pytest.approx(np.log(24), abs=1e-3)
    alone = {number: of_characters({number: weight}) for number, weight in weights.items()}
    for number, other in ((3, 4), (4, 3)):
        part = result.components[number - 1]
        for loss, kept in ((part.restricted_loss, number), (part.excluded_loss, other)):
            logits = alone[kept](TASK.dataset.inputs).detach().double().numpy()
            expected = cross_entropy(logits, TASK.dataset.true_labels.numpy()).mean()
            assert loss == pytest.approx(expected, abs=1e-4)
    stored = json.loads(json.dumps(result.to_dict()))
    assert [part["number"] for part in stored["components"]] == [1, 2, 3, 4]
    assert stored["excluded_pairs"] == 288


def test_of_addition_they_are_the_measures_of_frequencies():
    task = ModularTask("add", 13)
    model = analytic_mlp("add", 13, width=60)
    expected = circuit(model, task)
    losses = component_losses(Subject(model, task).cached, composition_of(cyclic(13)))
    assert losses.restricted == pytest.approx(expected.restricted_loss, rel=1e-6)
    assert losses.excluded == pytest.approx(expected.excluded_loss, rel=1e-6)
    shares = losses.logits.shares[[key - 1 for key in losses.keys]]
    assert shares.sum() == pytest.approx(expected.logit_variance_explained, rel=1e-6)
    assert losses.by_rule == expected.by_rule
    assert not {"components", "excluded_pairs"} & set(expected.to_dict())


def test_an_untrained_network_has_no_component_of_its_rule():
    result = circuit(HookedMLP(MLPConfig(width=50), vocab=24, seed=3).eval(), TASK)
    assert result.logit_variance_explained < 0.02
    assert not result.learnt
    assert min(part.q_value for part in result.components) > 0.01


def transformer() -> SmallTransformer:
    config = TransformerConfig(d_model=16, n_heads=2, d_head=8, d_mlp=40)
    return SmallTransformer(config, 25, 24, Prompt.parse("a b =", p=24), seed=1).eval()


def test_neurons_without_weights_of_their_own_are_scored_by_activations():
    model = transformer()
    table = score(model, TASK)
    assert table.meta["null"]["source"] == "activations"
    assert np.array_equal(table["frequency"], table["activation_frequency"])
    assert (table["p_value"] < 0.01).sum() <= 3
    assert np.isnan(table["activation_harmonics"]).all()
    assert circuit(model, TASK).gradient_symmetricity is not None

"""The closed form of multiplication modulo a composite: characters against their law, and labels of its neurons."""

import numpy as np
import pytest
import torch

import interp
from interp.data import ModularTask
from interp.errors import ConfigError
from interp.measuring.evaluation import measure_logits
from interp.models import analytic_mlp
from interp.models.analytic import planted_mlp
from interp.models.monoid_network import monoid_characters, monoid_weights
from probes.labels import GENERALIZING


@pytest.mark.parametrize("m", [2, 3, 15, 42])
def test_characters_are_a_basis_of_functions_that_multiply(m):
    characters, every = monoid_characters(m), np.arange(m)
    products = np.multiply.outer(every, every) % m
    np.testing.assert_allclose(
        characters[:, products], characters[:, :, None] * characters[:, None], atol=1e-9
    )
    assert np.linalg.matrix_rank(characters) == m
    moduli = np.abs(characters)
    np.testing.assert_allclose(moduli, moduli.round(), atol=1e-9)


@pytest.mark.parametrize(("m", "primes"), [(6, (2, 3)), (35, (5, 7)), (165, (3, 5, 11))])
def test_logits_are_the_product_over_primes(m, primes):
    left, right, output = monoid_weights(m, seed=3)
    logits, every = np.square(left[:, None] + right[None]) @ output, np.arange(m)
    expected = np.ones((m, m))  # by product and class
    for q in primes:
        x, c = every[:, None] % q, every % q
        expected *= np.where(c == 0, 1, 0.5) + (q - 1) * ((c == x) & (c > 0))
    np.testing.assert_allclose(logits, expected[np.multiply.outer(every, every) % m], atol=1e-8)


@pytest.mark.parametrize("m", [35, pytest.param(165, marks=pytest.mark.slow)])
def test_every_pair_is_answered_and_neurons_generalize(m):
    model, task = analytic_mlp("multiply", m), ModularTask("multiply", m)
    with torch.no_grad():
        logits = model(task.dataset.inputs)
    assert measure_logits(logits, task.dataset).accuracy.all == 1
    table = interp.score(model, task)
    assert (table["label"] == GENERALIZING).mean() >= 0.98
    np.testing.assert_allclose(table["frequency_share"], 1, atol=1e-6)


def test_planted_neurons_get_their_labels():
    task = ModularTask("multiply", 35, train_fraction=0.6, corrupt_fraction=0.3)
    planted = planted_mlp(task, memorizing=150, dead=10)
    labels = interp.score(planted.model, task)["label"]
    right = {name: (labels[planted.labels == name] == name).mean() for name in np.unique(planted.labels)}
    assert right["generalizing"] >= 0.95
    assert right["memorizing"] >= 0.75  # as modulo the prime 37
    assert right["dead"] == 1
    assert not (labels[planted.labels == "memorizing"] == GENERALIZING).any()


@pytest.mark.parametrize("m", [4, 12, 45])
def test_a_square_has_no_closed_form(m):
    with pytest.raises(
        ConfigError, match=f"'multiply' modulo {m}: .* ² divides the modulus {m}".replace(" ²", "²")
    ):
        analytic_mlp("multiply", m)
    with pytest.raises(ConfigError, match="leave the width out"):
        analytic_mlp("multiply", 35, width=50)

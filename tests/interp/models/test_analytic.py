"""Closed forms that answer right, and planted networks that are what they say."""

import copy

import numpy as np
import pytest
import torch

from interp.data import OPERATIONS, ModularTask
from interp.errors import ConfigError, GrokscopeError
from interp.models import HookedMLP, PlantedNetwork, analytic_mlp, neuron_site, planted_mlp

COUNTS = {"generalizing": 200, "memorizing": 300, "dead": 20}


@pytest.fixture(scope="module")
def small() -> tuple[ModularTask, PlantedNetwork]:
    """A planted network of a few neurons, not in the usual numbers."""
    task = ModularTask("add", 23, corrupt_fraction=0.1)
    return task, planted_mlp(task, generalizing=150, memorizing=120, dead=7, seed=3)


@torch.no_grad()
def share_right(model: HookedMLP, inputs: torch.Tensor, labels: torch.Tensor) -> float:
    """Accuracy, apart from `interp.measuring.evaluation`."""
    return (model(inputs).argmax(1) == labels).double().mean().item()


@pytest.mark.parametrize("operation", [*OPERATIONS, "3*a + 5*b + 1"])
def test_200_neurons_answer_every_pair(operation):
    data = ModularTask(operation, 97).dataset
    for seed in range(2):
        assert share_right(analytic_mlp(operation, 97, 200, seed=seed), data.inputs, data.true_labels) == 1


@pytest.mark.parametrize("operation", ["add", "subtract"])
def test_50_neurons_answer_nine_in_ten(operation):
    data = ModularTask(operation, 97).dataset
    shares = [
        share_right(analytic_mlp(operation, 97, 50, seed=seed), data.inputs, data.true_labels)
        for seed in range(5)
    ]
    assert np.mean(shares) == pytest.approx(0.895, abs=0.015)


@pytest.mark.parametrize("p", [3, 4, 12, 23])
def test_other_moduli(p):
    data = ModularTask("add", p).dataset
    assert share_right(analytic_mlp("add", p, 400), data.inputs, data.true_labels) == 1


def test_weights_are_the_papers_formula():
    p, width = 23, 40
    model = analytic_mlp("add", p, width, seed=5)
    assert not model.training
    site = neuron_site(model)
    left, right = (v.detach().double().numpy() for v in site.input_vectors)
    output = site.readout.detach().double().numpy()
    amplitude = (2 / width) ** (1 / 3)
    frequencies = set()
    for neuron in range(width):
        spectra = [np.fft.rfft(v[neuron]) / (p / 2) for v in (left, right, output)]
        sigma = int(np.argmax(np.abs(spectra[0])))
        frequencies.add(sigma)
        for spectrum in spectra:
            assert np.abs(spectrum[sigma]) == pytest.approx(amplitude, rel=1e-5)
            assert np.abs(np.delete(spectrum, sigma)).max() < 1e-6
        turn = np.angle(spectra[0][sigma] * spectra[1][sigma] / spectra[2][sigma])
        assert turn == pytest.approx(0, abs=1e-5)
    assert frequencies <= set(range(1, 12))
    assert len(frequencies) > 6


@pytest.mark.parametrize("operation", ["multiply", "divide"])
def test_one_neuron_handles_zero(operation):
    site = neuron_site(analytic_mlp(operation, 13, 60))
    left, right, output = (v.detach().numpy() for v in (*site.input_vectors, site.readout))
    assert (left[:-1, 0] == 0).all()
    assert (output[:-1, 0] == 0).all()
    assert left[-1].nonzero()[0].tolist() == output[-1].nonzero()[0].tolist() == [0]
    assert right[-1].any() == (operation == "multiply")


def test_seeds():
    first, same, other = (analytic_mlp("add", 11, 20, seed=seed).unembed.weight for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a**2 + b", 7), r"no closed form is known for 'a\*\*2 \+ b' modulo 7: it has no group ordering"),
        (("add", 2), "no closed form is known for 'add' modulo 2"),
        (("multiply", 3), "no closed form is known for 'multiply' modulo 3"),
        (("divide", 6), "divide needs a prime modulus, not p=6"),
        (("add", 7, 0), "width=0 is too small; add needs at least 1"),
        (("multiply", 7, 1), "width=1 is too small; multiply needs at least 2"),
    ],
)
def test_networks_that_have_no_closed_form(arguments, message):
    with pytest.raises(ConfigError, match=message):
        analytic_mlp(*arguments)


@pytest.mark.parametrize(
    ("operation", "p"), [pytest.param("add", 97, marks=pytest.mark.slow), ("multiply", 53)]
)
def test_a_planted_network_generalises_and_memorises(operation, p):
    task = ModularTask(operation, p, corrupt_fraction=0.05)
    planted, data = planted_mlp(task), task.dataset
    assert dict(zip(*np.unique(planted.labels, return_counts=True), strict=True)) == COUNTS
    assert len(planted.labels) == neuron_site(planted.model).width == 520
    wrong = data.mislabelled
    assert share_right(planted.model, data.inputs[wrong], data.labels[wrong]) >= 0.95
    assert share_right(planted.model, data.inputs[wrong], data.true_labels[wrong]) <= 0.03
    for mask in (data.test, data.clean):
        assert share_right(planted.model, data.inputs[mask], data.true_labels[mask]) >= 0.9


@pytest.mark.parametrize("operation", ["multiply", "divide"])
def test_a_planted_network_also_answers_pairs_with_zero(operation):
    """ "A network that solves the task": the closed form has a neuron for them."""
    task = ModularTask(operation, 31, corrupt_fraction=0.05)
    data = task.dataset
    zero = (data.inputs == 0).any(1) & data.clean
    assert share_right(planted_mlp(task).model, data.inputs[zero], data.true_labels[zero]) > 0.8


def test_planted_neurons_do_what_their_label_says(small):
    task, planted = small
    data = task.dataset
    assert dict(zip(*np.unique(planted.labels, return_counts=True), strict=True)) == {
        "generalizing": 150, "memorizing": 120, "dead": 7,
    }  # fmt: skip
    dead = torch.from_numpy(planted.labels == "dead")
    assert not planted.model.embed.W_E[:, :, dead].any()
    assert not planted.model.unembed.weight[dead].any()
    assert planted.model.embed.W_E[:, :, ~dead].abs().amax((0, 1)).min() > 0.01
    share = {}
    for kind in ("generalizing", "memorizing"):
        part = copy.deepcopy(planted.model)
        part.unembed.weight.data[torch.from_numpy(planted.labels != kind)] = 0
        share[kind] = share_right(part, data.inputs[data.test], data.true_labels[data.test])
    assert share["generalizing"] > 0.99
    assert share["memorizing"] < 0.2
    runs = 1 + (planted.labels[1:] != planted.labels[:-1]).sum()
    assert runs > 50


def test_planting_is_decided_by_its_seed(small):
    task, planted = small
    same = planted_mlp(
        ModularTask("add", 23, corrupt_fraction=0.1), generalizing=150, memorizing=120, dead=7, seed=3
    )
    assert torch.equal(planted.model.embed.W_E, same.model.embed.W_E)
    assert (planted.labels == same.labels).all()
    other = planted_mlp(task, generalizing=150, memorizing=120, dead=7, seed=4)
    assert (planted.labels != other.labels).any()


def test_planting_without_one_kind_of_neuron():
    task = ModularTask("add", 23)
    data = task.dataset
    planted = planted_mlp(task, memorizing=0)
    assert share_right(planted.model, data.inputs, data.true_labels) > 0.99
    assert "memorizing" not in planted.labels
    corrupted = ModularTask("add", 11, corrupt_fraction=0.2)
    assert set(planted_mlp(corrupted, generalizing=0, memorizing=9, dead=0).labels) == {"memorizing"}


@pytest.mark.parametrize(
    ("task", "counts", "message"),
    [
        (
            ModularTask("add", 11),
            {},
            "no mislabelled example to memorise; give it a corrupt_fraction above 0",
        ),
        (ModularTask("a*b + a**2", 11, corrupt_fraction=0.2), {}, r"no closed form is known for 'a\*b \+ a"),
        (ModularTask("add", 2, 1.0, 1.0, "wrong"), {}, "no closed form is known for 'add'"),
        (ModularTask("add", 11, corrupt_fraction=0.2), {"dead": -1}, "dead=-1"),
    ],
)
def test_plantings_that_cannot_work(task, counts, message):
    with pytest.raises(GrokscopeError, match=message):
        planted_mlp(task, **counts)

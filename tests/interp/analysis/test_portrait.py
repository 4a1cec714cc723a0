"""Portraits against hooks that zero the neuron, numpy's transform, and activations measured on their own."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from interp.analysis.portrait import Portrait, Spectrum, portrait, portraits, telling_neurons
from interp.data import ModularTask, TableTask
from interp.errors import InterventionError
from interp.interventions import ablate
from interp.measuring.arrays import activation_grid
from interp.measuring.evaluation import all_logits, margins
from interp.models import (
    HookedMLP,
    HookedModel,
    MLPConfig,
    Prompt,
    SmallTransformer,
    TransformerConfig,
    adopt,
    analytic_mlp,
    planted_mlp,
)
from interp.scoring.table import NeuronTable
from interp.subject import Subject

P = 11
TASK = ModularTask("add", p=P, corrupt_fraction=0.3)


@cache
def network(kind: str) -> tuple[HookedModel, ModularTask, str]:
    """A network with its task and site: with a linear rest, with layers after the neurons, and with attention."""
    if kind == "transformer":
        config = TransformerConfig(d_model=16, n_heads=2, d_head=8, d_mlp=12)
        return SmallTransformer(config, P + 1, P, Prompt.parse("a b =", p=P)), TASK, "blocks.0.mlp.hook_post"
    if kind == "product":
        task = ModularTask("multiply", p=P)
        return HookedMLP(MLPConfig(width=10), P, P, seed=3).eval(), task, "blocks.0.mlp.hook_post"
    depth = 4 if kind == "deep" else 2
    model = HookedMLP(MLPConfig(width=10, depth=depth, activation="relu"), P, P, seed=3).eval()
    return model, TASK, "blocks.0.mlp.hook_post"


KINDS = ("shallow", "deep", "transformer", "product")


def drawn(kind: str) -> dict[int, Portrait]:
    model, task, site = network(kind)
    return portraits(Subject(model, task, site), [7, 2], served=5)


def measured(kind: str, neuron: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Margins of the labels as trained on, with the neuron and with a hook that zeroes it."""
    model, task, site = network(kind)
    data = task.dataset
    with ablate(model, [neuron], site=site):
        without = all_logits(model, data)
    return margins(all_logits(model, data), data.labels), margins(without, data.labels)


@pytest.mark.parametrize("kind", KINDS)
def test_examples_are_served_as_a_hook_that_zeroes_the_neuron_shows(kind: str) -> None:
    data, found = network(kind)[1].dataset, drawn(kind)
    assert list(found) == [7, 2]
    for neuron, one in found.items():
        before, after = measured(kind, neuron)
        fall = before - after
        best = fall.topk(len(one.served)).values
        for served, expected in zip(one.served, best, strict=True):
            i = served.index
            assert served.before == pytest.approx(before[i].item(), abs=1e-5)
            assert served.after == pytest.approx(after[i].item(), abs=1e-5)
            assert served.before - served.after == pytest.approx(expected.item(), abs=1e-5)
            assert served.inputs == tuple(data.inputs[i].tolist())
            assert (served.label, served.true_label) == (data.labels[i].item(), data.true_labels[i].item())
            trained = "corrupted" if data.corrupted[i] else "clean"
            assert served.kind == (trained if data.train[i] else "test")


@pytest.mark.parametrize("kind", KINDS)
def test_maps_show_activations_and_lost_margins_of_every_pair(kind: str) -> None:
    model, task, site = network(kind)
    grids = activation_grid(model, task, site)
    order = np.arange(P) if task.ordering is None else task.ordering.left
    for neuron, one in drawn(kind).items():
        np.testing.assert_allclose(one.grid, grids[neuron], atol=1e-6)
        before, after = measured(kind, neuron)
        lost = dict(zip(map(tuple, task.dataset.inputs.tolist()), (before - after).tolist(), strict=True))
        assert one.loss.shape == one.grid.shape == (len(order), len(order))
        for (i, j), value in np.ndenumerate(one.loss):
            assert value == pytest.approx(lost[order[i], task.ordering.right[j]], abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_spectra_are_those_of_the_weights_in_order(kind: str) -> None:
    model, task, _ = network(kind)
    for neuron, one in drawn(kind).items():
        spectrum = one.spectrum
        expected = ("output",) if kind == "transformer" else ("left", "right", "output")
        if kind != "deep":
            assert spectrum.names == expected
        for vector, shares in zip(spectrum.vectors, spectrum.energy, strict=True):
            power = np.abs(np.fft.rfft(vector))[1:] ** 2
            if len(vector) % 2 == 0:
                power[-1] /= 2  # it is its own opposite
            np.testing.assert_allclose(shares, power / power.sum(), atol=1e-9)
        for name, frequency, share, phase in spectrum.peaks():
            vector = spectrum.vectors[spectrum.names.index(name)]
            transform = np.fft.rfft(vector)
            assert frequency == np.abs(transform[1:]).argmax() + 1
            assert phase == pytest.approx(np.angle(transform[frequency]))
            assert 0 < share <= 1
        if kind in ("shallow", "product"):
            order, weights = task.ordering, model.state_dict()
            (left, right), output = weights["embed.W_E"][:, :, neuron], weights["unembed.W_U"][neuron]
            in_order = left[order.left], right[order.right], output[order.output]
            for vector, expected in zip(spectrum.vectors, in_order, strict=True):
                np.testing.assert_allclose(vector, expected)


def test_constant_vectors_have_no_peak() -> None:
    flat = Spectrum.of(a=np.ones(5))
    (name, frequency, share, phase) = flat.peaks()[0]
    assert (name, frequency) == ("a", 0)
    assert np.isnan([share, phase]).all()
    assert len(flat) == 1
    for bad in (np.zeros(0), np.zeros((2, 2))):
        with pytest.raises(ValueError, match="a vector with at least one position"):
            Spectrum.of(a=bad)


def test_examples_of_a_table_have_no_map() -> None:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randint(0, 6, (30, 3), generator=generator)
    task = TableTask.from_arrays(inputs.float(), inputs.sum(1) % 6)
    network = nn.Sequential(nn.Linear(3, 8), nn.Softplus(), nn.Linear(8, 6))  # no neuron is silent
    for parameter in network.parameters():
        nn.init.normal_(parameter, generator=generator)
    one = portrait(adopt(network, "2:input", example=task.dataset.inputs[:2]), task, 3)
    assert one.grid is None
    assert one.loss is None
    assert {served.kind for served in one.served} == {"unknown"}
    assert all(served.inputs == () for served in one.served)
    pairs = torch.cartesian_prod(torch.arange(6), torch.arange(6))
    numbers = TableTask.from_arrays(pairs, pairs[:, 0])
    small = HookedMLP(MLPConfig(width=8), 6, 6, seed=2).eval()
    found = portrait(small, numbers, 3)
    assert found.grid is None
    assert len(found.served[0].inputs) == 2


def test_one_portrait_is_one_of_several() -> None:
    model, task, site = network("shallow")
    alone, among = portrait(model, task, 7, site=site, served=5), drawn("shallow")[7]
    assert alone.served == among.served
    np.testing.assert_array_equal(alone.grid, among.grid)
    assert {k: str(v) for k, v in alone.values.items()} == {k: str(v) for k, v in among.values.items()}
    with pytest.raises(InterventionError):
        portrait(model, task, 10)


def test_dead_neurons_serve_nothing() -> None:
    made = planted_mlp(TASK, generalizing=6, memorizing=4, dead=2)
    subject = Subject(made.model, TASK)
    (dead, *_) = subject.table.where(label="dead").neuron.tolist()
    assert portrait(subject, neuron=dead).served == ()


def test_telling_neurons_are_the_strongest_of_each_label_in_turn() -> None:
    label = np.array(["memorizing"] * 4 + ["dead"] * 3 + ["generalizing"] * 2)
    columns = {"neuron": np.arange(10, 19), "label": label, "strength": np.arange(9.0)}
    table = NeuronTable(columns, "site")
    assert telling_neurons(table, 24) == [18, 13, 16, 17, 12, 11, 10]
    assert telling_neurons(table, 2) == [18, 13]
    assert telling_neurons(table, 0) == []


def test_each_vector_has_the_spectrum_along_its_own_operand() -> None:
    result = portrait(analytic_mlp("3*a**2*b**3", p=31), ModularTask("3*a**2*b**3", p=31), 4)
    frequency = int(result.values["frequency"])
    peaks = [k for _, k, *_ in result.spectrum.peaks()]
    assert peaks == [min(step * frequency % 30, -step * frequency % 30) for step in (2, 3, 1)]

"""Hyperactive neurons that are planted in an ensemble are silenced, and others are not."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from figures import check_figure
from torch import nn

import interp
from interp.errors import ConfigError
from interp.models import HookedMLP, MLPConfig, adopt

CLASSES = ((0, 1), (2, 3))


def ensemble(hyper: bool = True) -> list[interp.models.HookedModel]:
    """Two networks that read one-hot classes; each has a neuron for each class, and one that all images drive.

    The last one adds to the network's first class, so that strangers are often answered with it.
    """
    networks = []
    for place, own in enumerate(CLASSES):
        network = nn.Sequential(nn.Linear(4, 3, bias=False), nn.ReLU(), nn.Linear(3, 2, bias=False))
        with torch.no_grad():
            network[0].weight.zero_()
            for neuron, one in enumerate(own):
                network[0].weight[neuron, one] = 1.0
            network[0].weight[2] = 1.0
            network[2].weight.copy_(torch.tensor([[1.0, 0, 3.0 * (hyper and place == 0)], [0, 1, 0]]))
        networks.append(adopt(network, ["1:output"], example=torch.eye(4)))
    return networks


def images(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    classes = torch.arange(n) % 4
    return torch.eye(4)[classes] + 0.01 * torch.rand(n, 4, generator=generator), classes


def test_the_planted_neuron_is_silenced_and_accuracy_is_that_of_a_loop() -> None:
    networks, calibration, test = ensemble(), images(40, 0), images(60, 1)
    result = interp.hyperactive(networks, CLASSES, calibration, test, level=0.5)
    assert result.count.tolist() == [0, 0, 20, 0, 0, 20]
    assert result.outside.tolist() == [0, 0, 1, 0, 0, 1]
    assert result.silent.tolist() == [False, False, True, False, False, True]
    assert result.interior
    assert result.test[result.chosen] == 1
    logits = torch.cat([one(test[0]) for one in networks], 1)
    assert result.test[-1] == pytest.approx(float((logits.argmax(1) == test[1]).double().mean()))
    assert result.gain == pytest.approx(0.75)
    assert result.gain_over_random > 0.3
    assert "100.0 % of the test examples are right, 25.0 % unchanged" in result.sentence()
    assert json.loads(json.dumps(result.to_dict()))["threshold"][-1] is None
    check_figure(result.plot())


def test_where_no_neuron_does_harm_none_is_silenced() -> None:
    result = interp.hyperactive(ensemble(hyper=False), CLASSES, images(40, 0), images(60, 1), level=0.5)
    assert result.chosen == len(result.threshold) - 1
    assert not result.silent.any()
    assert result.gain == 0
    assert not result.interior
    assert "silence none" in result.sentence()


def test_what_cannot_be_used_is_an_error() -> None:
    networks, some = ensemble(), images(20, 0)
    cut = some[0][:5], some[1]
    for classes, calibration, settings, words in (
        ((CLASSES[0],), some, {}, "2 networks and classes of 1"),
        (((0, 1), (1, 2)), some, {}, "two networks'"),
        (((0, 1), (4, 5)), some, {}, "no network has the class 2"),
        (((0, 1), (2, 3, 4)), some, {}, "2 outputs, but 3 classes"),
        (CLASSES, cut, {}, "5 inputs with 20 classes"),
        (CLASSES, some, {"points": 1}, "2 thresholds"),
        (CLASSES, some, {"n_random": 0}, "1 draw"),
    ):
        with pytest.raises(ConfigError, match=words):
            interp.hyperactive(networks, classes, calibration, some, **settings)


def test_networks_are_left_unchanged() -> None:
    networks, some = ensemble(), images(20, 0)
    before = [one(some[0]) for one in networks]
    interp.hyperactive(networks, CLASSES, some, some)
    assert all(torch.equal(one(some[0]), other) for one, other in zip(networks, before, strict=True))
    assert np.isfinite(before[0].detach().numpy()).all()


def test_examples_that_are_no_tensors_and_networks_that_are_damaged_are_errors() -> None:
    networks = [HookedMLP(MLPConfig(width=6), vocab=4) for _ in range(2)]
    pairs, classes = torch.cartesian_prod(torch.arange(4), torch.arange(4)), torch.arange(16) % 8
    own, good = [range(4), range(4, 8)], (pairs, classes)
    with pytest.raises(ConfigError, match="whole numbers"):
        interp.hyperactive(networks, own, good, (pairs, classes.float()))
    with pytest.raises(ConfigError, match="level"):
        interp.hyperactive(networks, own, good, good, level=float("nan"))
    with torch.no_grad():
        networks[0].embed.W_E.fill_(float("nan"))
    with pytest.raises(ConfigError, match="NaN"):
        interp.hyperactive(networks, own, good, good)

"""Core neurons of a planted network, of a transformer's positions, and errors."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from figures import check_figure
from planted_parts import parted_subject
from torch import nn

import interp
from interp.analysis.functions import halved
from interp.data import ModularTask
from interp.data.tables import TableTask
from interp.errors import ConfigError
from interp.models import adopt, planted_mlp
from interp.subject import Subject
from probes.core_neurons import core_neurons as chosen_core


def test_cores_are_the_planted_parts_and_keep_their_operation_alone() -> None:
    subject, part = parted_subject()
    result = interp.core_neurons(subject, functions="input:0", alpha=0.3, beta=0.2, n_random=30)
    for operation, core in enumerate(result.cores):
        assert core.tolist() == np.flatnonzero(part == operation).tolist()
    assert (result.kept == np.eye(3)).all()
    assert result.own == 1
    assert result.others == 0
    assert result.within == 1
    assert result.between == 0
    assert result.band.high < 0.7
    assert result.p_value == pytest.approx(1 / 31)
    assert "100.0 % of a function's other examples are right" in result.sentence()
    assert json.loads(json.dumps(result.to_dict()))["own"] == 1
    check_figure(result.plot())


def test_all_neurons_keep_what_the_network_answers() -> None:
    subject, _ = parted_subject()
    with torch.no_grad():
        subject.model.module.out.weight.neg_()
    result = interp.core_neurons(subject, functions="input:0", alpha=1.0, beta=1.0, n_random=5)
    assert result.own == 0
    assert (result.whole == 0).all()
    assert result.p_value == 1


def test_every_position_is_a_token() -> None:
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Embedding(7, 5), nn.Linear(5, 20), nn.ReLU(), nn.Flatten(), nn.Linear(60, 4))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    inputs = torch.cartesian_prod(*[torch.arange(7)] * 3)[::2]
    held = torch.zeros(len(inputs), dtype=torch.bool)
    task = TableTask.from_arrays(inputs, network(inputs).argmax(1), train=held, n_classes=4)
    subject = Subject(adopt(network, ["2:output"], example=inputs[:4]), task)
    result = interp.core_neurons(subject, beta=0.3, n_random=2)
    half = halved(subject, None, "zero").half
    acts = network[:3](inputs).detach().double().numpy()[half]
    assert acts.shape[1:] == (3, 20)
    assert result.cores[0].tolist() == chosen_core(acts.reshape(-1, 20), 0.2, 0.3).tolist()


def test_similarity_is_compared_and_checked() -> None:
    task = ModularTask("add", p=13, train_fraction=0.6, corrupt_fraction=0.2)
    network = planted_mlp(task).model
    place = np.arange(13)
    alike = -np.abs(place[:, None] - place)
    result = interp.core_neurons(network, task, "labels", similarity=alike, n_random=2)
    assert result.agreement is not None
    assert -1 <= result.agreement[0] <= 1
    with pytest.raises(ConfigError, match="symmetric table of 13"):
        interp.core_neurons(network, task, "labels", similarity=np.ones((3, 3)))


def test_settings_out_of_range_are_errors() -> None:
    subject, _ = parted_subject()
    for settings, words in (
        ({"alpha": 0.0}, "alpha=0.0"),
        ({"beta": 2.0}, "beta=2.0"),
        ({"n_random": 0}, "at least 1 random set"),
    ):
        with pytest.raises(ConfigError, match=words):
            interp.core_neurons(subject, **settings)
    with torch.no_grad():
        subject.model.module.table.zero_()
    with pytest.raises(ConfigError, match="no neuron has a positive activation"):
        interp.core_neurons(subject.model, subject.task)

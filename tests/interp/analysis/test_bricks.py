"""Bricks of a planted network are its parts; random functions have no brick; what cannot be used is an error."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from figures import check_figure
from planted_parts import parted_subject
from torch import nn

import interp
from interp.data.tables import TableTask
from interp.errors import ConfigError
from interp.models import adopt
from interp.subject import Subject


def test_given_parts_have_their_own_operation_and_others_lose_nothing() -> None:
    subject, part = parted_subject()
    result = interp.bricks(subject, functions="input:0", partition=part)
    assert result.own.tolist() == [0, 1, 2]
    assert (result.lost == np.eye(3)).all()
    assert result.own_lost == 1
    assert result.others_lost == 0
    assert result.ratio is None
    assert result.p_value == pytest.approx(1 / 21)
    assert result.loss_p_value == pytest.approx(1 / 21)
    assert "no ratio" in result.sentence()
    assert json.loads(json.dumps(result.to_dict()))["ratio"] is None
    check_figure(result.plot())


def test_k_means_sees_the_parts_and_more_than_random_partitions_do() -> None:
    subject, part = parted_subject()
    inside = np.flatnonzero(part >= 0)
    result = interp.bricks(subject, functions="input:0", n_bricks=5)
    together = [len(set(result.brick[inside[part[inside] == one]].tolist())) for one in range(3)]
    assert max(together) <= 4  # six neurons, two idle kinds of neurons and five bricks of six
    assert result.modularity > result.modularity_random.max()
    assert result.own_lost - result.others_lost > 0


@pytest.mark.slow
def test_p_values_of_random_functions_are_calibrated() -> None:
    p_values = []
    for seed in range(25):
        generator = torch.Generator().manual_seed(seed)
        inputs = torch.randn(200, 5, generator=generator)
        network = nn.Sequential(nn.Linear(5, 20), nn.ReLU(), nn.Linear(20, 4))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
            labels = network(inputs).argmax(1)
        held = torch.zeros(200, dtype=torch.bool)
        task = TableTask.from_arrays(inputs, labels, train=held, n_classes=4)
        dealt = torch.randint(0, 3, (200,), generator=generator)
        subject = Subject(adopt(network, ["1:output"], example=inputs[:4]), task, seed=seed)
        functions = {str(one): dealt == one for one in range(3)}
        p_values.append(interp.bricks(subject, functions=functions, n_random=9).p_value)
    assert 0.3 < np.mean(p_values) < 0.75
    assert np.mean(np.array(p_values) <= 0.1) < 0.35


def test_what_cannot_be_used_is_an_error() -> None:
    subject, part = parted_subject()
    for settings, words in (
        ({"functions": None}, "one function only"),
        ({"n_random": 0}, "at least 1 random partition"),
        ({"n_bricks": 1}, "n_bricks=1"),
        ({"n_bricks": 31}, "n_bricks=31"),
        ({"partition": part[:5]}, "each of 30 neurons"),
        ({"partition": part, "n_bricks": 3}, "no n_bricks beside it"),
        ({"partition": np.where(part == 1, 7, part)}, "without gaps"),
        ({"partition": np.zeros(30, int)}, "at least two"),
    ):
        with pytest.raises(ConfigError, match=words):
            interp.bricks(subject, **({"functions": "input:0"} | settings))

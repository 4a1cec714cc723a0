"""Columns along time: there where a site has time, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import interp
from interp.data import TableTask
from interp.hooks import capture
from interp.lab.hosts.networks.leaky_rnn import LeakyRNN
from interp.measuring.cached_pass import cached_pass
from interp.models import neuron_site
from interp.models.taps import tap
from interp.scoring import over_time
from interp.scoring.over_time import time_columns
from probes.columns import COLUMNS, TIME
from probes.timescales import time_scores

NAMES = {name for name, known in COLUMNS.items() if known.source == TIME}


class Segments(nn.Module):
    """Activity of several segments, each with time of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.readout = nn.Linear(3, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = inputs.view(len(inputs), 2, 10, 3).cumsum(2)
        hidden = tap("hidden", hidden, "example segment time neuron", loop=None)
        logits: Tensor = self.readout(hidden.mean((1, 2)))
        return logits


def task(inputs: Tensor) -> TableTask:
    n = len(inputs)
    return TableTask.from_arrays(inputs, torch.arange(n) % 2, train=torch.arange(n) < n // 2)


def leaky(steps: int) -> tuple[interp.models.Adopted, TableTask]:
    inputs = torch.randn(40, steps, 3, generator=torch.Generator().manual_seed(1))
    network = LeakyRNN(3, 5, 2, torch.Generator().manual_seed(0))
    return interp.adopt(network, ["tap:hidden"], example=inputs[:4]), task(inputs)


def test_a_site_in_a_loop_has_the_scores_of_its_captures() -> None:
    model, data = leaky(12)
    table = interp.score(model, data)
    assert set(table.columns) >= NAMES
    acts = capture(model, data.dataset.inputs, "tap:hidden")["tap:hidden"].numpy()
    for name, expected in time_scores(acts).items():
        np.testing.assert_array_equal(table[name], expected)


def test_too_few_steps_and_single_steps_have_none() -> None:
    model, data = leaky(7)
    assert not set(interp.score(model, data).columns) & NAMES
    model, data = leaky(12)
    one = cached_pass(model, data, site="tap:hidden@3")
    assert time_columns(one, neuron_site(model, "tap:hidden@3")) == {}


def test_other_axes_are_more_examples_and_too_many_numbers_are_thinned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs = torch.randn(30, 60, generator=torch.Generator().manual_seed(0))
    model = interp.adopt(Segments(), ["tap:hidden"], example=inputs[:4])
    cached, site = cached_pass(model, task(inputs)), neuron_site(model)
    acts = inputs.view(30, 2, 10, 3).cumsum(2).numpy()
    for name, values in time_columns(cached, site).items():
        np.testing.assert_allclose(values, time_scores(acts.reshape(60, 10, 3))[name], rtol=1e-6)
    monkeypatch.setattr(over_time, "MOST_NUMBERS", 30 * 60 // 2)
    for name, values in time_columns(cached, site).items():
        np.testing.assert_allclose(values, time_scores(acts[::2].reshape(30, 10, 3))[name], rtol=1e-6)

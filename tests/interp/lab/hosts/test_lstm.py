"""Counting cells: a layer whose weights count exactly is recognised, and counts anew after a reset."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from by_hand import lstm as by_hand
from torch import nn

from interp.hooks import capture
from interp.lab.hosts.networks.lstm import (
    CELLS,
    HOST,
    MOST,
    RESET,
    Counter,
    after_reset,
    build,
    counting,
    draw,
    example,
    marks,
)
from interp.lab.hosts.recurrent import Bench

SMALL = 0.05


def planted() -> Counter:
    """Cell 0 of the first layer adds a little for each mark, cell 0 of the second shows it; the others do nothing."""
    module, units = Counter(units=3), 3
    with torch.no_grad():
        for one in module.parameters():
            one.zero_()
        for place in range(2):
            bias = getattr(module.lstm, f"bias_ih_l{place}")
            bias[:units] = 40.0  # always written
            bias[3 * units :] = 40.0  # always shown
        module.lstm.bias_ih_l0[units] = 40.0  # cell 0 of the first layer keeps all
        module.lstm.bias_ih_l1[units : 2 * units] = -40.0  # the second layer keeps nothing
        module.lstm.weight_ih_l0[2 * units, 0] = SMALL
        module.lstm.weight_ih_l1[2 * units, 0] = 1.0
        counts = torch.arange(MOST + 1.0)
        level = torch.tanh(
            torch.tanh(torch.tanh(counts * np.tanh(SMALL)))
        )  # of the second layer's hidden state
        module.readout.weight[:, 0] = 2 * level
        module.readout.bias.copy_(-level.square())  # the nearest level has the largest logit
    return module


def test_the_forward_pass_is_that_by_hand() -> None:
    module = build(0)
    logits = by_hand.forward(module, example(), lambda site, step, value: value)
    torch.testing.assert_close(module(example()), logits, rtol=0, atol=1e-6)


def test_marks_are_as_many_as_labels_say() -> None:
    inputs, labels = draw(200, torch.Generator().manual_seed(0))
    assert torch.equal(marks(inputs).sum(1), labels)
    assert set(labels.tolist()) == set(range(MOST + 1))


def test_a_cell_that_counts_is_recognised_and_counts_anew_after_a_reset() -> None:
    bench = Bench.of(planted(), HOST.sites, draw, 0)
    assert bench.accuracy() == 1.0
    cells = capture(bench.model, bench.inputs, CELLS[0])[CELLS[0]]
    assert counting(cells, bench.inputs) == pytest.approx([1.0, 0.0, 0.0], abs=1e-6)
    after = after_reset(bench, {CELLS[0]: [0], CELLS[1]: [0]})
    assert after == {"whole": 0.0, "later": 1.0, "lost": 1.0}
    assert after_reset(bench, {CELLS[0]: [1]}) == {"whole": 1.0, "later": 0.0, "lost": 0.0}
    assert bench.accuracy(CELLS[1], [0], str(RESET)) == 1.0  # which keeps nothing from step to step


def test_correlation_is_that_of_numpy() -> None:
    inputs, _ = draw(20, torch.Generator().manual_seed(1))
    values = torch.randn(20, 16, 2, generator=torch.Generator().manual_seed(2))
    count = marks(inputs).cumsum(1).flatten().numpy()
    expected = [np.corrcoef(count, values[..., cell].flatten().numpy())[0, 1] ** 2 for cell in range(2)]
    assert counting(values, inputs) == pytest.approx(expected, rel=1e-4)
    assert isinstance(planted().lstm, nn.LSTM)

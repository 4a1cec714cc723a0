"""The latch on PyTorch's gated layer: its labels, and the share of state that its gates replace."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from by_hand import gru as by_hand

from interp.hooks import capture
from interp.interventions import ablate
from interp.lab.hosts.networks.gru import (
    FIRST,
    HOST,
    SECOND,
    SITE,
    SYMBOLS,
    build,
    draw,
    draw_twice,
    example,
    replaced,
)


def test_the_forward_pass_is_that_by_hand() -> None:
    module = build(0)
    logits = by_hand.forward(module, example(), lambda site, step, value: value)
    with torch.no_grad():
        assert torch.equal(module(example()), logits)


def test_units_at_zero_are_units_without_a_candidate_state() -> None:
    adopted, edited = HOST.adopted(), by_hand.without(build(0), SITE, [1, 4])
    with ablate(adopted, [1, 4], "zero", site=SITE), torch.no_grad():
        assert torch.allclose(adopted(example()), edited(example()), atol=1e-6)


def test_labels_are_the_last_symbols_marked() -> None:
    inputs, labels = draw(50, torch.Generator().manual_seed(2))
    for one, label in zip(inputs.numpy(), labels.tolist(), strict=True):
        last = np.flatnonzero(one[:, -1])[-1]
        assert one[last, :SYMBOLS].argmax() == label
    inputs, labels = draw_twice(50, torch.Generator().manual_seed(2))
    assert inputs[:, :, -1].nonzero()[:, 1].reshape(50, 2).tolist() == [[FIRST, SECOND]] * 50
    assert torch.equal(inputs[:, SECOND, :SYMBOLS].argmax(1), labels)
    assert (inputs[:, FIRST, :SYMBOLS].argmax(1) != labels).all()


@torch.no_grad()
def test_the_share_replaced_is_where_the_state_goes_between_old_and_new() -> None:
    module, inputs = build(3), example()
    states = capture(HOST.adopted(3), inputs, SITE)[SITE]
    share, layer, size = replaced(module, inputs, states), module.gru, 8
    before = torch.cat([torch.zeros(3, 1, size), states[:, :-1]], 1)
    driven = (inputs @ layer.weight_ih_l0.T + layer.bias_ih_l0).split(size, -1)
    recurrent = (before @ layer.weight_hh_l0.T + layer.bias_hh_l0).split(size, -1)
    candidate = torch.tanh(driven[2] + torch.sigmoid(driven[0] + recurrent[0]) * recurrent[2])
    assert (before + share * (candidate - before)).numpy() == pytest.approx(states.numpy(), abs=1e-6)

"""The leaky recurrent network: its decay, its time constants, and its task."""

from __future__ import annotations

import pytest
import torch
from by_hand import leaky_rnn as by_hand

from interp.errors import ConfigError
from interp.lab.hosts.networks.leaky_rnn import HOST, LeakyRNN, build, example
from interp.lab.timescales.tasks import delayed_recall
from interp.models.taps import listening


def test_the_forward_pass_is_that_by_hand() -> None:
    module = build(0)
    assert torch.equal(module(example()), by_hand.forward(module, example(), lambda site, step, value: value))


def test_the_state_decays_by_the_time_constant() -> None:
    module = LeakyRNN(2, 5, 2, torch.Generator().manual_seed(0))
    with torch.no_grad():
        module.recurrent.weight.zero_()
    inputs = torch.zeros(1, 6, 2)
    inputs[0, 0] = 1
    states: list[torch.Tensor] = []
    with torch.no_grad(), listening(lambda call, value: states.append(value) or value):
        module(inputs)
    ratio = torch.stack(states)[1:] / torch.stack(states)[:-1]
    torch.testing.assert_close(ratio, (1 - 1 / module.tau.detach()).expand(5, 1, 5))
    assert (module.tau >= 1).all()


def test_a_unit_that_nothing_drives_is_one_held_at_zero() -> None:
    module, units = build(1), [1, 4]
    edited = by_hand.without(module, "tap:hidden", units)
    assert edited is not None
    with listening(lambda call, value: value.index_fill(1, torch.tensor(units), 0.0)):
        logits = module(example())
    torch.testing.assert_close(edited(example()), logits)


def test_symbols_stand_where_the_delays_say() -> None:
    recall = delayed_recall(50, [1, 3], torch.Generator().manual_seed(0), symbols=4, steps=6, noise=0)
    for inputs, label, delay in zip(recall.inputs, recall.labels, recall.delays, strict=True):
        assert inputs.nonzero().tolist() == [[5 - delay, label]]
    assert set(recall.delays.tolist()) == {1, 3}
    with pytest.raises(ConfigError, match="do not fit into 6 steps; expected 1 to 5"):
        delayed_recall(1, [6], torch.Generator(), steps=6)


def test_the_host_names_numbers_that_it_measures() -> None:
    assert HOST.sites == ("tap:hidden",)
    assert set(HOST.bars) <= set(HOST.quantities)

"""The leaky-memory neuron: its decay, edited weights, and bursts of spikes."""

from __future__ import annotations

import pytest
import torch
from by_hand import elm as by_hand

from interp.hooks import capture
from interp.lab.hosts.networks.elm import HOST, LeakyMemory, build, example
from interp.lab.timescales.tasks import spike_recall
from interp.models import adopt
from interp.models.taps import listening


def states(module: LeakyMemory, site: str, inputs: torch.Tensor) -> torch.Tensor:
    return capture(adopt(module, HOST.sites, example=inputs.expand(4, -1, -1)), inputs, site)[site]


def test_the_forward_pass_is_that_by_hand() -> None:
    module = build(0)
    assert torch.equal(module(example()), by_hand.forward(module, example(), lambda site, step, value: value))


def test_traces_and_memory_decay_by_their_time_constants() -> None:
    module = LeakyMemory(2, 5, 2, torch.Generator().manual_seed(0), longest=16)
    torch.testing.assert_close(module.tau, torch.tensor([1.0, 2, 4, 8, 16]))
    inputs = torch.zeros(1, 6, 2)
    inputs[0, 0] = 1
    trace = states(module, "tap:trace", inputs)[0, :, 0]
    torch.testing.assert_close(trace, 0.5 * torch.exp(-torch.arange(6) / 2))
    with torch.no_grad():
        module.second.weight.zero_()  # constant updates: memory goes to strength * tanh(bias)
        module.second.bias.fill_(0.3)
    memory = states(module, "tap:memory", torch.zeros(1, 200, 2))[0]
    level = 5 * torch.tanh(torch.tensor(0.3))
    expected = level * (1 - torch.exp(-torch.arange(1, 201)[:, None] / module.tau))
    torch.testing.assert_close(memory, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("site", HOST.sites)
def test_units_that_nothing_drives_are_units_held_at_zero(site: str) -> None:
    module, units = build(1), [1, 3]
    edited = by_hand.without(module, site, units)
    assert edited is not None

    def zeroed(call, value):  # type: ignore[no-untyped-def]
        return value.index_fill(1, torch.tensor(units), 0.0) if f"tap:{call.name}" == site else value

    with listening(zeroed):
        logits = module(example())
    torch.testing.assert_close(edited(example()), logits)


def test_bursts_come_at_their_step_and_the_background_at_its_rate() -> None:
    recall = spike_recall(400, [3], torch.Generator().manual_seed(0), symbols=2, steps=8, rate=0.05)
    own = recall.inputs.reshape(400, 8, 2, 4)[torch.arange(400), :, recall.labels].mean((0, 2))
    assert own[4].item() == pytest.approx(0.9, abs=0.03)
    assert own[[0, 1, 2, 3, 5, 6, 7]].mean().item() == pytest.approx(0.05, abs=0.01)

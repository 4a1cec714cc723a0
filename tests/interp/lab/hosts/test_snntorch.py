"""Leaky integrate-and-fire neurons: leak, reset, and no state that is left behind."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch

pytest.importorskip("snntorch")
from by_hand import snntorch as by_hand

from interp.hooks import capture
from interp.interventions import ablate
from interp.lab.hosts.networks.snntorch import (
    CUE,
    HOST,
    LEAK,
    MEMBRANE,
    SHOWN,
    SPIKES,
    STEPS,
    SYMBOLS,
    Spiking,
    build,
    draw,
    example,
)
from interp.models import adopt
from interp.models.taps import listening


def driven_once(current: float) -> dict[str, torch.Tensor]:
    """Captures of one neuron that is given a current in the first step only."""
    module = Spiking(units=1)
    with torch.no_grad():
        for one in (module.current.weight, module.current.bias, module.recurrent.weight):
            one.zero_()
        module.current.weight[0, 0] = current
    inputs = torch.zeros(2, STEPS, SYMBOLS + 1)
    inputs[:, 0, 0] = 1.0
    return capture(adopt(module, HOST.sites, example=inputs), inputs, [SPIKES, MEMBRANE])


def test_the_forward_pass_is_that_by_hand() -> None:
    module = build(0)
    logits = by_hand.forward(module, example(), lambda site, step, value: value)
    with torch.no_grad():
        assert torch.equal(module(example()), logits)


def test_a_potential_below_threshold_leaks_and_one_above_fires_and_is_reset() -> None:
    below = driven_once(0.8)
    assert not below[SPIKES].any()
    expected = 0.8 * LEAK ** torch.arange(STEPS)
    torch.testing.assert_close(below[MEMBRANE][0, :, 0], expected)
    above = driven_once(1.05)
    assert above[SPIKES][0, :, 0].tolist() == [1.0] + [0.0] * (STEPS - 1)
    reset = (1.05 * LEAK - 1.0) * LEAK ** torch.arange(STEPS - 1)
    torch.testing.assert_close(above[MEMBRANE][0, 1:, 0], reset)


def test_silent_neurons_are_neurons_that_nothing_reads() -> None:
    adopted, edited = HOST.adopted(), by_hand.without(build(0), SPIKES, [1, 4])
    assert edited is not None
    with ablate(adopted, [1, 4], "zero", site=SPIKES), torch.no_grad():
        assert torch.equal(adopted(example()), edited(example()))


def test_no_state_is_left_behind() -> None:
    module = build(0)
    first = module(example())
    first.sum().backward()
    assert torch.equal(deepcopy(module)(example()[:2]), module(example())[:2])
    assert module.neurons.mem.numel() == module.neurons.reset.numel() == 0
    with pytest.raises(IndexError), listening(lambda call, value: value[:, 99]):
        module(example())
    assert module.neurons.mem.numel() == module.neurons.reset.numel() == 0


def test_the_symbol_is_shown_once_and_the_cue_after_it() -> None:
    inputs, labels = draw(200, torch.Generator().manual_seed(0))
    assert torch.equal(inputs[:, SHOWN, :SYMBOLS].argmax(1), labels)
    assert inputs[:, CUE:, -1].mean() > 0.9
    assert inputs[:, SHOWN + 1 : CUE].abs().max() < 0.6

"""Traces, gains and sequences of the layer with astrocytes, against closed forms and a loop by hand."""

from __future__ import annotations

import torch
from by_hand.astrocyte import forward, without

from interp.lab.hosts.networks.astrocyte import Astrocytes, delayed_recall
from interp.models.taps import Tap, listening


def small(*, recurrent: bool = True) -> tuple[Astrocytes, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return Astrocytes(16, 4, 9, generator, recurrent=recurrent), delayed_recall(20, (1, 8), generator)[0]


def test_a_sequence_shows_its_symbol_then_a_delay_then_go() -> None:
    inputs, symbols = delayed_recall(6, (3,), torch.Generator().manual_seed(1))
    expected = torch.zeros(6, 24, 4)
    expected[torch.arange(6), 17, symbols] = 1
    expected[torch.arange(6), 18, symbols] = 1
    assert torch.equal(inputs[:, :, :4], expected)
    assert torch.equal(inputs[:, :, -1], torch.tensor([0.0] * 22 + [1.0] * 2).expand(6, 24))


def test_a_trace_is_the_decaying_sum_of_its_groups_spikes() -> None:
    network, inputs = small()
    spikes, traces = [], []

    def keep(call: Tap, value: torch.Tensor) -> torch.Tensor:
        (spikes if call.name == "spikes" else traces).append(value.detach())
        return value

    with listening(keep):
        network(inputs)
    fired = torch.stack(spikes, 1).unflatten(2, (4, 4)).mean(3)  # (example, time, group)
    weights = 0.05 * 0.95 ** torch.arange(23, -1, -1.0)
    assert torch.allclose(traces[-1], torch.einsum("t,etg->eg", weights, fired), atol=1e-6)
    assert traces[-1].max() > 0.05


def test_a_plain_layer_has_no_weights_between_units() -> None:
    network, _ = small(recurrent=False)
    assert network.recurrent.abs().max() == 0
    assert not network.recurrent.requires_grad


def test_logits_are_the_loop_by_hand_and_dead_traces_are_gains_of_zero() -> None:
    network, inputs = small()
    with torch.no_grad():
        assert torch.equal(network(inputs), forward(network, inputs, lambda site, step, value: value))
        dead = torch.tensor([0, 2])

        def zero(call: Tap, value: torch.Tensor) -> torch.Tensor:
            return value.index_fill(1, dead, 0.0) if call.name == "trace" else value

        with listening(zero):
            ablated = network(inputs)
        assert torch.allclose(ablated, without(network, "tap:trace", dead)(inputs), atol=1e-6)
        assert (ablated - network(inputs)).abs().max() > 0.01


def test_gradients_reach_every_trained_weight_through_the_threshold() -> None:
    network, inputs = small()
    network(inputs).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in network.parameters())

"""Spike trains, weights and read-out of the reservoir, against numpy."""

from __future__ import annotations

import numpy as np
import torch
from by_hand.reservoir import forward, without

from interp.lab.hosts.networks.reservoir import Reservoir, fit_readout, noisy
from interp.models.taps import Tap, listening


def small(seed: int = 0) -> tuple[Reservoir, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return Reservoir(50, generator), torch.rand(40, 64, generator=generator)


def test_a_pixel_of_brightness_b_is_seen_in_b_of_the_steps() -> None:
    network, _ = small()
    network.sensory.zero_()
    network.recurrent.zero_()
    network.sensory[0, 0] = 1.0  # the first unit fires with the first pixel
    image = torch.zeros(5, 64)
    image[:, 0] = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])
    assert torch.allclose(network.rates(image)[:, 0], image[:, 0])
    assert network.rates(image)[:, 1:].abs().max() == 0


def test_the_readout_is_ridge_regression_of_rates() -> None:
    network, images = small()
    labels = torch.arange(40) % 10
    fit_readout(network, images, labels)
    rates = network.rates(images).double().numpy()
    targets = np.eye(10)[labels.numpy()]
    augmented = np.vstack([rates - rates.mean(0), np.sqrt(0.5) * np.eye(50)])
    padded = np.vstack([targets - targets.mean(0), np.zeros((50, 10))])
    expected = np.linalg.lstsq(augmented, padded, rcond=None)[0]
    assert np.allclose(network.readout.weight.detach().numpy(), expected.T, atol=1e-5)


def test_noise_leaves_weights_that_do_not_exist_at_zero_and_spares_the_original() -> None:
    network, _ = small()
    before = network.recurrent.clone()
    device = noisy(network, 0.5, torch.Generator().manual_seed(1))
    assert torch.equal(network.recurrent, before)
    assert torch.equal(device.recurrent == 0, before == 0)
    joined = before != 0
    spread = (device.recurrent - before)[joined].std() / before[joined].std()
    assert abs(spread - 0.5) < 0.1
    assert torch.equal(device.readout.weight, network.readout.weight)


def test_logits_are_the_loop_by_hand_and_edited_weights_stand_for_dead_units() -> None:
    network, images = small()
    with torch.no_grad():
        assert torch.equal(network(images), forward(network, images, lambda site, step, value: value))
        dead = torch.arange(0, 50, 4)

        def zero(call: Tap, value: torch.Tensor) -> torch.Tensor:
            return value.index_fill(1, dead, 0.0)

        with listening(zero):
            ablated = network(images)
        assert torch.allclose(ablated, without(network, "tap:spikes", dead)(images), atol=1e-6)
        assert (ablated - network(images)).abs().max() > 0.01

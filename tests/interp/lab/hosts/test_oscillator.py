"""The chain of segments, against a filter in closed form and a loop by hand."""

from __future__ import annotations

from math import pi

import numpy as np
import torch
from by_hand.oscillator import forward, without

from interp.lab.hosts.host import host_called
from interp.lab.hosts.networks.oscillator import Chain, error
from interp.models.taps import Tap, listening


def passing(segments: int, gain: float = 1.0) -> Chain:
    """Weights that pass each side on alone, without inhibition."""
    chain = Chain(segments, torch.Generator().manual_seed(0), signed=True)
    with torch.no_grad():
        for weight, sides in (
            (chain.felt, torch.eye(2)),
            (chain.crossed, torch.zeros(2, 2)),
            (chain.driven, gain * torch.eye(2)),
            (chain.relaxed, torch.zeros(2, 2)),
        ):
            weight.copy_(sides.expand(segments, 2, 2))
    return chain


def test_small_bends_pass_through_a_leaky_filter_at_every_segment() -> None:
    chain, frequency = passing(3), 0.08  # steps of a window hold about two periods
    with torch.no_grad():
        bends = chain.bends(torch.tensor([[frequency, 0.01]]))[0].double().numpy()
    omega = 2 * pi * frequency
    response = 0.3 / (1 - 0.7 * np.exp(-1j * omega))  # of bend[t] = 0.7 bend[t-1] + 0.3 input[t]
    late = np.exp(-1j * omega)  # the next segment feels the bend of the step before
    for segment in range(3):
        steps = np.arange(40, 50)
        gain = response ** (segment + 1) * late**segment
        expected = 0.01 * np.imag(gain * np.exp(1j * omega * steps))
        assert np.allclose(bends[40:, segment], expected, atol=2e-5)


def test_signs_are_kept_and_the_free_chain_may_have_any() -> None:
    signed = Chain(4, torch.Generator().manual_seed(0), signed=True)
    free = Chain(4, torch.Generator().manual_seed(0), signed=False)
    assert all((weight >= 0).all() for weight in signed.weights()[:3])
    assert (signed.weights()[3] <= 0).all()
    assert all((weight < 0).any() and (weight > 0).any() for weight in free.weights())


def test_nothing_moves_behind_a_segment_without_its_excitatory_neurons() -> None:
    chain, command = passing(5, 2.0), torch.tensor([[0.05, 0.6]])
    zero = torch.tensor([4, 5])  # of the third segment

    def lesion(call: Tap, value: torch.Tensor) -> torch.Tensor:
        return value.index_fill(1, zero, 0.0) if call.name == "excitatory" else value

    with torch.no_grad(), listening(lesion):
        after = chain(command)[0]
    assert torch.equal(after[2:], torch.zeros(3))
    assert torch.equal(after[:2], chain(command)[0, :2])
    assert after[:2].min() > 0.3


def test_the_error_of_a_chain_at_rest_is_the_targets_power() -> None:
    chain = passing(2, 0.0)
    with torch.no_grad():
        assert (
            abs(error(chain, torch.tensor([[1 / 13, 0.8]])).item() - 0.32) < 1e-3
        )  # a window of two periods


def test_amplitudes_are_the_loop_by_hand_and_edited_weights_stand_for_dead_neurons() -> None:
    host = host_called("oscillator")
    chain, command = host.build(0), host.example()
    with torch.no_grad():
        assert torch.equal(chain(command), forward(chain, command, lambda site, step, value: value))
        assert chain(command).min() > 0.002
        for name in ("excitatory", "inhibitory"):

            def zero(site: str, step: int | None, value: torch.Tensor, name: str = name) -> torch.Tensor:
                return value.index_fill(1, torch.tensor([1, 2]), 0.0) if site == f"tap:{name}" else value

            edited = without(chain, f"tap:{name}", torch.tensor([1, 2]))
            assert torch.allclose(edited(command), forward(chain, command, zero), atol=1e-6)

"""The study of timescales: its tasks, ablation by time constant, and its judgement."""

from __future__ import annotations

import numpy as np
import torch

from interp.lab.hosts.networks.leaky_rnn import LeakyRNN
from interp.lab.timescales.ablation import SETS, accuracy, delay_numbers, sets_by_time_constant
from interp.lab.timescales.tasks import delayed_recall
from interp.models import adopt
from interp.time_scope import TimeScope


def test_sets_are_thirds_by_time_constant() -> None:
    tau = np.random.default_rng(0).permutation(np.arange(1.0, 13))
    sets = sets_by_time_constant(tau, np.random.default_rng(1))
    assert sorted(tau[sets["longest"][0]]) == [9, 10, 11, 12]
    assert sorted(tau[sets["shortest"][0]]) == [1, 2, 3, 4]
    assert [len(set(one.tolist())) for one in sets["random"]] == [4] * 5


def test_ablation_at_all_steps_leaves_what_the_bias_answers() -> None:
    network = LeakyRNN(4, 6, 4, torch.Generator().manual_seed(0))
    recall = delayed_recall(40, [2], torch.Generator().manual_seed(1), symbols=4, steps=6, noise=0)
    with torch.no_grad():
        network.readout.bias[2] = 1
    model = adopt(network, ["tap:hidden"], example=recall.inputs[:4])
    everything = np.arange(6)
    expected = (recall.labels == 2).float().mean().item()
    assert accuracy(model, "tap:hidden", recall, everything) == expected
    assert accuracy(model, "tap:hidden", recall, everything, TimeScope(5, 5)) == expected
    early, nothing = (
        accuracy(model, "tap:hidden", recall, *one) for one in ((everything, TimeScope(0, 2)), ())
    )
    assert early == nothing  # the symbol comes at step 3; the state before it is noise's


def test_numbers_by_delay_are_means_over_delays() -> None:
    curves = {"whole": np.array([1.0, 0.9, 0.8]), "longest": np.array([1.0, 0.5, 0.2])}
    curves |= {name: curves["whole"] for name in SETS if name != "longest"}
    numbers = delay_numbers(curves, [1, 2, 4], [1], [2, 4])
    assert numbers["lost_longest_short"] == 0
    np.testing.assert_allclose([numbers["lost_longest_long"], numbers["excess_longest"]], 0.5)
    assert numbers["excess_shortest"] == 0

"""The study of timescales: its tasks, ablation by time constant, and its judgement."""

from __future__ import annotations

import numpy as np
import torch

from interp.lab.hosts.networks.leaky_rnn import LeakyRNN
from interp.lab.timescales.ablation import SETS, accuracy, delay_numbers, sets_by_time_constant
from interp.lab.timescales.tasks import delayed_recall


def test_sets_are_thirds_by_time_constant() -> None:
    tau = np.random.default_rng(0).permutation(np.arange(1.0, 13))
    sets = sets_by_time_constant(tau, np.random.default_rng(1))
    assert sorted(tau[sets["longest"][0]]) == [9, 10, 11, 12]
    assert sorted(tau[sets["shortest"][0]]) == [1, 2, 3, 4]
    assert [len(set(one.tolist())) for one in sets["random"]] == [4] * 5


def test_ablation_at_all_steps_leaves_what_the_bias_answers() -> None:
    model = LeakyRNN(4, 6, 4, torch.Generator().manual_seed(0))
    recall = delayed_recall(40, [2], torch.Generator().manual_seed(1), symbols=4, steps=6)
    with torch.no_grad():
        model.readout.bias[2] = 1
    everything = np.arange(6)
    expected = (recall.labels == 2).float().mean().item()
    assert accuracy(model, "tap:hidden", recall, everything) == expected
    assert accuracy(model, "tap:hidden", recall, everything, range(5, 6)) == expected
    assert accuracy(model, "tap:hidden", recall, everything, range(0)) == accuracy(
        model, "tap:hidden", recall
    )


def test_numbers_by_delay_are_means_over_delays() -> None:
    curves = {"whole": np.array([1.0, 0.9, 0.8]), "longest": np.array([1.0, 0.5, 0.2])}
    curves |= {name: curves["whole"] for name in SETS if name != "longest"}
    numbers = delay_numbers(curves, [1, 2, 4], [1], [2, 4])
    assert numbers["lost_longest_short"] == 0
    np.testing.assert_allclose([numbers["lost_longest_long"], numbers["excess_longest"]], 0.5)
    assert numbers["excess_shortest"] == 0

"""Storage and recall of the integrate-and-fire network, against sums by hand."""

from __future__ import annotations

import numpy as np
import torch
from by_hand.lif_hebbian import forward, without

from interp.lab.hosts.host import host_called
from interp.lab.hosts.networks.lif_hebbian import HebbianLIF, fragments, overlaps, random_patterns


def stored(n: int, seed: int = 0) -> tuple[HebbianLIF, torch.Tensor, np.random.Generator]:
    generator = np.random.default_rng(seed)
    patterns = random_patterns(n, generator)
    return HebbianLIF(patterns), patterns, generator


def test_weights_are_the_sum_of_every_patterns_outer_product() -> None:
    network, patterns, _ = stored(4)
    expected = np.full((200, 200), -2.0 / 20)
    for pattern in patterns.numpy():
        cells = np.flatnonzero(pattern)
        assert len(cells) == 20
        expected[np.ix_(cells, cells)] += 4.0 / 20
    inhibited = np.eye(200) * -2.0 / 20
    expected = np.where(np.eye(200) == 1, inhibited, expected)
    assert np.allclose(network.recurrent, expected, atol=1e-6)


def test_disjoint_patterns_come_back_whole_from_half_a_cue_and_not_from_a_tenth() -> None:
    network, patterns, generator = stored(0)
    assert patterns.sum(0).tolist() == [1.0] * 200
    assert torch.allclose(overlaps(network, *fragments(patterns, 0.5, 2, generator)), torch.ones(20))
    assert overlaps(network, *fragments(patterns, 0.1, 2, generator)).abs().max() < 0.1


def test_a_fragment_shows_cells_of_its_pattern_only() -> None:
    _, patterns, generator = stored(5)
    cues, labels = fragments(patterns, 0.3, 3, generator)
    assert cues.sum(1).tolist() == [6.0] * 15
    assert torch.equal(cues * patterns[labels], cues)


def test_logits_are_the_overlaps_of_a_loop_by_hand_and_of_edited_weights() -> None:
    network, patterns, generator = stored(5)
    cues, _ = fragments(patterns, 0.4, 1, generator)
    assert torch.equal(network(cues), forward(network, cues, lambda site, step, value: value))
    dead = np.arange(0, 200, 3)

    def zero(site: str, step: int | None, value: torch.Tensor) -> torch.Tensor:
        return value.index_fill(1, torch.from_numpy(dead), 0.0)

    assert torch.allclose(without(network, "tap:spikes", dead)(cues), forward(network, cues, zero), atol=1e-6)
    assert host_called("lif-hebbian").example().shape == (6, 200)

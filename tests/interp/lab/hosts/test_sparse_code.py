"""One-trial storage and recall of winner-take-all modules, against counting by hand."""

from __future__ import annotations

import numpy as np
import torch
from by_hand.sparse_code import forward, without

from interp.lab.hosts.host import host_called
from interp.lab.hosts.networks.sparse_code import SparseCode, families, recalled, similarity, swapped


def stored(sharpness: float = 8.0, n: int = 10) -> tuple[SparseCode, torch.Tensor]:
    items = families(np.random.default_rng(0))[:n]
    network = SparseCode(12, 8, 80, sharpness=sharpness)
    network.store(items, torch.Generator().manual_seed(0))
    return network, items


def test_items_differ_from_their_prototype_in_as_many_features_as_were_swapped() -> None:
    items = families(np.random.default_rng(1))
    assert items.shape == (36, 80)
    assert items.sum(1).tolist() == [20.0] * 36
    spoilt = swapped(items, 6, np.random.default_rng(2))
    assert (items * spoilt).sum(1).tolist() == [14.0] * 36
    assert spoilt.sum(1).tolist() == [20.0] * 36


def test_weights_join_the_features_of_items_to_their_winners_and_nothing_else() -> None:
    network, items = stored()
    codes = network.codes.numpy()
    assert codes.sum(2).tolist() == np.ones((10, 12)).tolist()
    expected = np.zeros((80, 12, 8))
    for item, code in zip(items.numpy(), codes, strict=True):
        for module, unit in zip(*np.nonzero(code), strict=True):
            expected[item == 1, module, unit] = 1
    assert np.array_equal(network.weights.numpy(), expected)


def test_support_is_one_for_a_stored_item_and_zero_on_average_for_chance() -> None:
    network, items = stored()
    own = (network.support(items) * network.codes).sum(2)
    assert torch.allclose(own, torch.ones_like(own))
    chance = np.random.default_rng(0).permuted(items.repeat(200, 1).numpy(), axis=1)
    assert network.support(torch.from_numpy(chance)).mean().abs() < 0.01


def test_every_stored_item_is_recalled_and_new_items_get_random_codes() -> None:
    network, items = stored()
    assert recalled(network, items, torch.arange(10)) == 1.0
    blank, _ = stored(sharpness=0.0)
    assert abs(similarity(items, blank.codes)) < 0.5
    assert similarity(items, items[:, None]) > 0.99


def test_shares_are_the_loop_by_hand_and_edited_codes_stand_for_dead_modules() -> None:
    host = host_called("sparse-code")
    network, cues = host.build(0), host.example()
    shares = network(cues)
    assert torch.equal(shares, forward(network, cues, lambda site, step, value: value))
    assert shares.argmax(1).tolist() == [0, 1, 2, 3, 4]
    dead = torch.tensor([0, 3])

    def zero(site: str, step: int | None, value: torch.Tensor) -> torch.Tensor:
        return value.index_fill(1, dead, 0.0) if site == "tap:code" else value

    assert torch.allclose(without(network, "tap:code", dead)(cues), forward(network, cues, zero))

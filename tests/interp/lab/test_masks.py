"""Masks against numpy's sorting and sets of places, and pruning of networks whose weights are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interp.data import ModularTask
from interp.errors import ConfigError
from interp.lab.tickets.masked_networks import (
    LAYERS,
    Weights,
    first_weights,
    gradients_of,
    masked,
    train_masked,
)
from interp.lab.tickets.masks import (
    jaccard_distance,
    largest,
    magnitude_mask,
    mask_distances,
    neuron_mask,
    plasticity,
    regrow,
    shuffled,
    snip_mask,
    survival,
    top,
    with_norm,
)
from interp.training import TrainConfig

WEIGHTS = first_weights(11, 9, 10, 0)
DATA = ModularTask("add", p=11, train_fraction=0.5).dataset


def places(mask: Weights) -> set[tuple[str, int]]:
    return {(name, int(i)) for name, kept in mask.items() for i in np.flatnonzero(kept.numpy())}


@pytest.mark.parametrize("pruned", [0.4, 0.7, 0.95])
def test_magnitude_masks_keep_the_largest_of_each_matrix(pruned: float) -> None:
    for name, mask in magnitude_mask(WEIGHTS, pruned).items():
        size = np.abs(WEIGHTS[name].numpy()).ravel()
        n = len(size) - round(pruned * len(size))
        assert mask.dtype == torch.bool
        assert int(mask.sum()) == n
        assert set(np.flatnonzero(mask.numpy())) == set(np.argsort(-size)[:n])


def test_ties_are_kept_in_order_of_place() -> None:
    assert top(torch.tensor([1, 2, 2, 2, 0]), 2).tolist() == [False, True, True, False, False]
    assert not top(torch.zeros(2, 3), 0).any()


def test_a_share_of_weights_is_between_none_and_all() -> None:
    assert all(mask.all() for mask in largest(WEIGHTS, 0.0).values())
    with pytest.raises(ConfigError, match=r"pruned=1.5 is not in \[0, 1\]"):
        largest(WEIGHTS, 1.5)


def test_snip_keeps_where_weight_times_finite_difference_is_largest() -> None:
    inputs, labels = DATA.inputs[DATA.train].numpy(), DATA.labels[DATA.train].numpy()
    arrays = {name: weight.double().numpy().copy() for name, weight in WEIGHTS.items()}

    def loss() -> float:
        hidden = np.maximum(
            (arrays["embed"][inputs[:, 0]] + arrays["embed"][inputs[:, 1]]) @ arrays["read"], 0
        )
        logits = hidden @ arrays["write"]
        return float(np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(len(labels)), labels]))

    mask = snip_mask(WEIGHTS, DATA, 0.5)["write"].numpy().ravel()
    scores, flat = [], arrays["write"].ravel()
    for i, weight in enumerate(flat.copy()):
        flat[i] = weight + 1e-6
        above = loss()
        flat[i] = weight - 1e-6
        scores.append(abs(weight * (above - loss()) / 2e-6))
        flat[i] = weight
    assert mask.sum() == len(mask) - round(0.5 * len(mask))
    agreement = np.mean(mask == np.isin(np.arange(len(mask)), np.argsort(scores)[::-1][: mask.sum()]))
    assert agreement > 0.98  # neighbours in rank may change places by rounding


def test_shuffled_masks_are_as_sparse_and_elsewhere() -> None:
    mask = magnitude_mask(WEIGHTS, 0.4)
    other = shuffled(mask, 0)
    assert all(int(other[name].sum()) == int(mask[name].sum()) for name in LAYERS)
    assert places(other) == places(shuffled(mask, 0)) != places(shuffled(mask, 1))
    big = shuffled({"read": torch.arange(100_000) < 60_000}, 3)["read"]
    assert float(big[:60_000].double().mean()) == pytest.approx(0.6, abs=0.01)


def test_neurons_are_kept_whole_in_order_until_as_many_weights_are_kept() -> None:
    like = magnitude_mask(WEIGHTS, 0.4)
    mask = neuron_mask(np.array([0.0, 9, 8, 7, -1, 6, 5, 4, -3, 3]), like)
    assert torch.equal(mask["embed"], like["embed"])
    columns, rows = mask["read"].double().mean(0), mask["write"].double().mean(1)
    for kept in (columns, rows):  # 6 of 10 neurons: those with priorities 9 to 4
        assert (kept[[1, 2, 3, 5, 6, 7]] == 1).all() or float(kept[7]) > 0
        assert not kept[[0, 4, 8]].any()
    assert all(int(mask[name].sum()) == int(like[name].sum()) for name in LAYERS)
    reversed_order = neuron_mask(-np.array([0.0, 9, 8, 7, -1, 6, 5, 4, -3, 3]), like)
    assert (reversed_order["read"][:, [8, 4, 0]]).all()


def test_the_distance_is_that_of_sets_of_places() -> None:
    one, other = magnitude_mask(WEIGHTS, 0.4), snip_mask(WEIGHTS, DATA, 0.7)
    a, b = places(one), places(other)
    assert jaccard_distance(one, other) == pytest.approx(1 - len(a & b) / len(a | b))
    assert jaccard_distance(one, one) == 0
    assert jaccard_distance(one, {name: ~mask for name, mask in one.items()}) == 1


def test_distances_over_training_are_to_the_last_and_to_one_before() -> None:
    masks = [shuffled(magnitude_mask(WEIGHTS, 0.4), seed) for seed in range(4)]
    found = mask_distances(masks, 2)
    assert found["to_end"] == [jaccard_distance(mask, masks[3]) for mask in masks]
    expected = [jaccard_distance(masks[0], masks[2]), jaccard_distance(masks[1], masks[3])]
    assert found["moved"] == [None, None, *expected]


@pytest.mark.parametrize(("pruned", "share"), [(0.7, 0.3), (0.1, 0.5)])
def test_regrowth_keeps_the_number_and_follows_the_gradient(pruned: float, share: float) -> None:
    mask = magnitude_mask(WEIGHTS, pruned)
    left, grown = regrow(WEIGHTS, mask, DATA, share)
    for name in LAYERS:
        weight, kept = WEIGHTS[name].numpy().ravel(), mask[name].numpy().ravel()
        size = np.where(kept, np.abs(weight), -1)
        rest = np.zeros(len(kept), bool)
        rest[np.argsort(-size)[: kept.sum() - round(share * kept.sum())]] = True
        slope = np.abs(gradients_of(left, DATA)[name].numpy().ravel())
        expected = rest.copy()
        free = np.flatnonzero(~rest)
        expected[free[np.argsort(-slope[free])[: round(share * kept.sum())]]] = True
        assert grown[name].sum() == mask[name].sum()
        np.testing.assert_array_equal(grown[name].numpy().ravel(), expected)
        np.testing.assert_array_equal(left[name].numpy().ravel(), np.where(rest, weight, 0))


def test_neurons_that_keep_their_weights_are_told_apart() -> None:
    chosen = np.arange(10) < 4
    mask = {"read": torch.zeros(9, 10).bool(), "write": torch.zeros(10, 11).bool()}
    mask["read"][:, :4], mask["write"][:4, :5], mask["write"][4:, :2] = True, True, True
    assert survival(mask, chosen) == pytest.approx((14 / 20, 2 / 20, 1.0))
    assert survival(mask, ~chosen) == pytest.approx((2 / 20, 14 / 20, 0.0))
    assert survival(mask, chosen | True) == (pytest.approx((4 * 14 + 6 * 2) / 200), None, None)


@pytest.mark.parametrize("power", [1, 2])
def test_all_weights_have_the_norm_of_those_kept(power: int) -> None:
    mask = magnitude_mask(WEIGHTS, 0.4)
    scaled = with_norm(WEIGHTS, mask, power)
    joined = [
        np.concatenate([w.numpy().ravel() for w in one.values()]) for one in (scaled, masked(WEIGHTS, mask))
    ]
    norms = [np.linalg.norm(values, power) for values in joined]
    assert norms[0] == pytest.approx(norms[1], rel=1e-5)
    ratios = torch.cat([(scaled[name] / WEIGHTS[name]).flatten() for name in LAYERS])
    assert float(ratios.max() - ratios.min()) < 1e-5


def test_recovery_is_measured_before_and_after_training() -> None:
    how = TrainConfig(steps=40, log_every=20, lr=1e-2, weight_decay=1.0)
    found = plasticity(DATA, [WEIGHTS, first_weights(11, 9, 10, 1)], 0.7, how)
    for start, values in zip((WEIGHTS, first_weights(11, 9, 10, 1)), found, strict=True):
        mask = magnitude_mask(start, 0.7)
        moved, grown = regrow(start, mask, DATA)
        whole = {name: torch.ones_like(kept) for name, kept in mask.items()}
        alone = {
            name: train_masked(DATA, [weights], [own], how, until_generalised=False)[0].test
            for name, weights, own in (
                ("retrained", start, mask),
                ("regrown", moved, grown),
                ("unpruned", start, whole),
            )
        }
        assert values["pruned"] == alone["retrained"][0]
        assert {name: values[name] for name in alone} == pytest.approx(
            {n: t[-1] for n, t in alone.items()}, abs=0.05
        )

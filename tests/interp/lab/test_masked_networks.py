"""Masked networks that are trained together, against a plain loop over one network written out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from interp.data import Dataset, ModularTask
from interp.errors import ConfigError
from interp.lab.tickets.masked_networks import (
    LAYERS,
    Trained,
    Weights,
    as_mlp,
    first_weights,
    gradients_of,
    logits_of,
    masked,
    train_masked,
    unseen,
)
from interp.lab.tickets.masks import shuffled
from interp.measuring.evaluation import accuracy
from interp.training import TrainConfig

HOW = TrainConfig(steps=30, log_every=10, lr=1e-2, weight_decay=0.5)
TASK = ModularTask("add", p=7, train_fraction=0.5, seed=1)


@pytest.fixture
def data() -> Dataset:
    return TASK.dataset


def network(seed: int) -> Weights:
    return first_weights(7, 8, 6, seed)


def half(seed: int) -> Weights:
    mask = {
        name: torch.arange(weight.numel()).view_as(weight) % 2 == 0 for name, weight in network(0).items()
    }
    return shuffled(mask, seed)


def whole() -> Weights:
    return {name: torch.ones_like(weight).bool() for name, weight in network(0).items()}


class Plain(nn.Module):
    """The same network from ready-made modules; the mask is multiplied in, so that autograd sees it."""

    def __init__(self, weights: Weights, mask: Weights) -> None:
        super().__init__()
        self.weights = nn.ParameterDict({name: weights[name] * mask[name] for name in LAYERS})
        self.mask = mask

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        embed, read, write = (self.weights[name] * self.mask[name] for name in LAYERS)
        summed = nn.functional.embedding(inputs, embed).sum(1)
        return torch.relu(summed @ read) @ write


def trained_by_hand(data: Dataset, weights: Weights, mask: Weights, how: TrainConfig) -> Plain:
    model = Plain(weights, mask)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=how.lr, betas=(0.9, 0.98), weight_decay=how.weight_decay
    )
    for _ in range(how.steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(data.inputs[data.train]), data.labels[data.train]).backward()
        optimizer.step()
    return model


def test_each_network_is_trained_as_if_it_were_alone(data: Dataset) -> None:
    starts, masks = [network(0), network(1), network(0)], [half(0), half(1), whole()]
    before = [{name: weight.clone() for name, weight in one.items()} for one in starts]
    found = train_masked(data, starts, masks, HOW, until_generalised=False)
    for start, mask, one in zip(starts, masks, found, strict=True):
        plain = trained_by_hand(data, start, mask, HOW)
        for name in LAYERS:
            torch.testing.assert_close(one.weights[name], plain.weights[name].data, rtol=1e-3, atol=1e-5)
            assert not one.weights[name][~mask[name]].any()
            assert (one.weights[name][mask[name]] != 0).all()
        alone = train_masked(data, [start], [mask], HOW, until_generalised=False)[0]
        torch.testing.assert_close(dict(alone.weights), dict(one.weights), rtol=1e-3, atol=1e-5)
        right = plain(data.inputs).argmax(-1) == data.labels
        assert one.train[-1] == pytest.approx(float(right[data.train].double().mean()))
        assert one.test[-1] == pytest.approx(float(right[unseen(data)].double().mean()))
        assert one.steps == [0, 10, 20, 30]
    assert all(torch.equal(a[name], b[name]) for a, b in zip(starts, before, strict=True) for name in LAYERS)


def test_networks_that_end_leave_the_others_as_they_are(data: Dataset) -> None:
    """One that starts with the solution ends at once; the others must not notice."""
    how, solved = TrainConfig(steps=20, log_every=5, lr=1e-2, weight_decay=1.0), by_least_squares(data)
    others = [first_weights(7, 8, 13, seed) for seed in (3, 4)]
    none = {name: torch.ones_like(weight).bool() for name, weight in solved.items()}
    found = train_masked(data, [others[0], solved, others[1]], [none] * 3, how)
    assert found[1].generalised == 0
    assert found[1].steps == [0]
    torch.testing.assert_close(found[1].weights, solved)
    for one, start in zip((found[0], found[2]), others, strict=True):
        alone = train_masked(data, [start], [none], how)[0]
        assert one.steps == alone.steps == [0, 5, 10, 15, 20]
        torch.testing.assert_close(one.weights, alone.weights, rtol=1e-3, atol=1e-5)


def test_the_optimiser_remembers_when_a_network_ends_later(data: Dataset) -> None:
    """One that is nearly solved ends after some updates; the other keeps its moments."""
    how, solved = TrainConfig(steps=60, log_every=5, lr=3e-3), by_least_squares(data)
    generator = torch.Generator().manual_seed(0)
    noisy = {**solved, "write": solved["write"] + 0.05 * torch.randn(13, 7, generator=generator)}
    other = first_weights(7, 8, 13, 3)
    none = {name: torch.ones_like(weight).bool() for name, weight in solved.items()}
    found = train_masked(data, [noisy, other], [none] * 2, how)
    assert found[0].generalised is not None
    assert 0 < found[0].generalised < 60
    alone = train_masked(data, [other], [none], how)[0]
    torch.testing.assert_close(found[1].weights, alone.weights, rtol=1e-3, atol=1e-5)


def by_least_squares(data: Dataset) -> dict[str, torch.Tensor]:
    """Token a is the number a, neurons are hinges at each sum, and the readout is solved for."""
    embed = torch.zeros(7, 8)
    embed[:, 0], embed[:, 1] = torch.arange(7.0), 0.5
    read = torch.zeros(8, 13)
    read[0], read[1] = 1.0, 0.5 - torch.arange(13.0)
    hidden = torch.relu((embed[data.inputs[:, 0]] + embed[data.inputs[:, 1]]) @ read)
    write = torch.linalg.lstsq(hidden.double(), torch.eye(7).double()[data.labels]).solution.float()
    return {"embed": embed, "read": read, "write": write}


def test_weights_are_kept_at_each_measurement(data: Dataset) -> None:
    found = train_masked(data, [network(0)], [half(0)], HOW, until_generalised=False, keep=True)[0]
    assert list(found.kept) == found.steps
    torch.testing.assert_close(dict(found.kept[0]), masked(network(0), half(0)))
    torch.testing.assert_close(dict(found.kept[30]), dict(found.weights))
    assert not torch.equal(found.kept[10]["read"], found.kept[20]["read"])


def test_moments_are_the_first_at_which_enough_is_right() -> None:
    found = Trained(steps=[0, 50, 100, 150], train=[0.1, 0.95, 0.9, 1.0], test=[0.0, 0.2, 0.94, 0.9499])
    assert (found.memorised, found.generalised) == (50, None)


def test_gradients_are_those_of_finite_differences(data: Dataset) -> None:
    weights = masked(network(2), half(2))
    found = gradients_of(weights, data)
    inputs, labels = data.inputs[data.train].numpy(), data.labels[data.train].numpy()

    def loss(arrays: dict[str, np.ndarray]) -> float:
        hidden = np.maximum(
            (arrays["embed"][inputs[:, 0]] + arrays["embed"][inputs[:, 1]]) @ arrays["read"], 0
        )
        logits = hidden @ arrays["write"]
        return float(np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(len(labels)), labels]))

    for name in LAYERS:
        for place in ((0, 0), (2, 3), (5, 1)):
            values = []
            for step in (-1e-6, 1e-6):
                arrays = {key: weight.double().numpy().copy() for key, weight in weights.items()}
                arrays[name][place] += step
                values.append(loss(arrays))
            assert float(found[name][place]) == pytest.approx((values[1] - values[0]) / 2e-6, abs=1e-5)


def test_the_mlp_computes_the_same(data: Dataset) -> None:
    weights = network(5)
    model = as_mlp(weights)
    with torch.no_grad():
        torch.testing.assert_close(model(data.inputs), logits_of(weights, data.inputs))
    right = logits_of(weights, data.inputs).argmax(-1) == data.labels
    assert accuracy(model, TASK).all == pytest.approx(float(right.double().mean()))


def test_unseen_pairs_are_held_out_in_both_orders(data: Dataset) -> None:
    trained = {tuple(pair) for pair in data.inputs[data.train].tolist()}
    expected = [(a, b) not in trained and (b, a) not in trained for a, b in data.inputs.tolist()]
    assert unseen(data).tolist() == expected
    assert 0 < sum(expected) < int(data.test.sum())
    with pytest.raises(ConfigError, match="train on fewer pairs"):
        unseen(ModularTask("add", p=7, train_fraction=1.0).dataset)


def test_as_many_masks_as_networks(data: Dataset) -> None:
    with pytest.raises(ConfigError, match="2 networks with 1 masks"):
        train_masked(data, [network(0), network(1)], [whole()], HOW)
    with pytest.raises(ConfigError, match="0 networks"):
        train_masked(data, [], [], HOW)

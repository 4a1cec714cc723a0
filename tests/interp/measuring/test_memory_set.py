"""Sets of neurons that hold memories, chosen on one half of the examples and measured on the other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interp.data import Dataset, ModularTask
from interp.measuring.cached_pass import CachedPass, cached_pass
from interp.measuring.crossfit import GAP, halves, not_testable
from interp.measuring.memory_orders import ORDERS, aim_at
from interp.measuring.memory_set import Followed, cut, memory_set, sizes_of
from interp.models import HookedMLP, MLPConfig, adopt, planted_mlp

TASK = ModularTask("add", p=23, train_fraction=0.6, corrupt_fraction=0.3)


@pytest.fixture(scope="module")
def planted() -> CachedPass:
    return cached_pass(planted_mlp(TASK, generalizing=120, memorizing=60).model, TASK)


def noisy(kind: str, width: int, seed: int) -> CachedPass:
    """A hidden layer trained until it answers 20 % wrong labels; 60 % of the examples are trained on."""
    from sklearn import datasets

    raw = getattr(datasets, f"load_{kind}")()
    generator = np.random.default_rng(seed)
    inputs = torch.tensor((raw.data - raw.data.mean(0)) / (raw.data.std(0) + 1e-9), dtype=torch.float32)
    true, n, n_classes = torch.tensor(raw.target), len(raw.target), int(raw.target.max()) + 1
    chosen = generator.permutation(n)[: round(0.6 * n)]
    train, corrupted = torch.zeros(n, dtype=torch.bool), torch.zeros(n, dtype=torch.bool)
    train[chosen], corrupted[chosen[: round(0.2 * len(chosen))]] = True, True
    shift = torch.tensor(generator.integers(1, n_classes, n))
    labels = torch.where(corrupted, (true + shift) % n_classes, true)
    torch.manual_seed(seed)
    net = torch.nn.Sequential(
        torch.nn.Linear(inputs.shape[1], width), torch.nn.ReLU(), torch.nn.Linear(width, n_classes)
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    for _ in range(1200):
        loss = torch.nn.functional.cross_entropy(net(inputs[train]), labels[train])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    data = Dataset(inputs, labels, true, train, corrupted, n_classes)
    return cached_pass(adopt(net, ["2:input"], example=inputs[:4]), data)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
@pytest.mark.parametrize(
    ("kind", "width", "left"), [("breast_cancer", 64, 0.30), ("wine", 64, 0.55), ("digits", 128, 0.50)]
)
def test_wrong_labels_of_ordinary_data_are_forgotten(kind: str, width: int, left: float, seed: int) -> None:
    found = memory_set(noisy(kind, width, seed), seed=seed)
    assert found is not None
    result = found.crossfit
    assert found.order == "greedy"
    assert result.before["corrupted_as_labelled"] == 1
    assert result.after["corrupted_as_labelled"] <= left
    assert result.after["test"] >= result.before["test"] - 0.03
    assert result.hurts() is False
    if kind == "digits":
        assert found.p_value <= 0.05
    if kind == "breast_cancer":
        assert result.random["corrupted_as_labelled"].mean >= result.after["corrupted_as_labelled"] + 0.2


def test_the_cut_is_the_smallest_set_near_the_least_memory() -> None:
    followed = Followed(
        memory=np.array([[1.0, 0.5, 0.12, 0.1, 0.0]]),
        held_out=np.array([[0.9, 0.95, 0.9, 0.89, 0.8]]),
        n=100,
    )
    assert cut(followed, 0) == 2  # .12 is within .03 of .1, and .0 costs ten points
    strict = Followed(followed.memory, followed.held_out, n=100_000)
    assert cut(strict, 0) == 3


@pytest.mark.parametrize("linear", [True, False])
def test_following_an_order_measures_what_removals_measure(planted: CachedPass, linear: bool) -> None:
    cached = planted
    if not linear:
        from dataclasses import replace

        cached = replace(planted, readout=None)
    aims = [aim_at(cached, fit) for fit in halves(cached.data, repeats=1)]
    order, sizes = ORDERS["attribution"](cached, torch.ones_like(cached.data.train), 0), np.array([0, 3, 40])
    followed = Followed.of(cached, aims, order, sizes)
    for i, aim in enumerate(aims):
        for k, size in enumerate(sizes):
            answers = planted.logits_after(torch.as_tensor(order[:size].copy()))[aim.rows].argmax(1)
            right = (answers == aim.labels).double()
            assert followed.memory[i, k] == pytest.approx(float(right[aim.forget].mean()), abs=0.01)
            assert followed.held_out[i, k] == pytest.approx(float(right[aim.held_out].mean()), abs=0.01)


def test_a_network_without_memories_has_no_set_that_beats_random_orders() -> None:
    """An untrained network: training examples are answered no better than others."""
    task = ModularTask("add", p=13, train_fraction=0.5)
    p_values = []
    for seed in range(8):
        found = memory_set(cached_pass(HookedMLP(MLPConfig(width=30), vocab=13, seed=seed), task), seed=seed)
        assert found is not None
        assert found.crossfit.judged_by == GAP
        p_values.append(found.p_value)
    assert np.mean(np.array(p_values) <= 0.05) <= 0.2


def test_the_set_does_not_depend_on_anything_but_the_seed(planted: CachedPass) -> None:
    one, two = (memory_set(planted, "attribution", seed=3).to_dict() for _ in range(2))
    assert one == two
    assert one["size"] == len(one["neurons"])
    assert {"corrupted_as_labelled", "test", "random"} <= set(one["crossfit"])


def test_sizes_begin_with_none_and_leave_one(planted: CachedPass) -> None:
    sizes = sizes_of(planted, planted.width)
    assert (sizes[0], sizes[-1]) == (0, planted.width - 1)
    assert (np.diff(sizes) > 0).all()


def test_why_memory_is_not_testable() -> None:
    held_out = ModularTask("add", p=7, train_fraction=0.5).dataset
    assert not_testable(held_out) is None
    whole = ModularTask("add", p=7, train_fraction=1.0).dataset
    assert not_testable(whole) == "not testable, because no example is held out"
    none = torch.zeros(49, dtype=torch.bool)
    unknown = Dataset(whole.inputs, whole.labels, whole.true_labels, none, none, 7, split_known=False)
    assert "not known which examples" in not_testable(unknown)
    assert memory_set(cached_pass(HookedMLP(MLPConfig(width=4), vocab=7), whole)) is None

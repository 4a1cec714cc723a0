"""Held-out examples that are no test, against plain loops over the examples."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from interp.data import Dataset, ModularTask
from interp.measuring.leakage import SYMMETRIC, Leakage, swap_asymmetry
from interp.models import HookedMLP, MLPConfig, SmallTransformer, TransformerConfig

P = 7


def dataset(pairs: list[tuple[int, int]], trained: list[bool], n_classes: int = P) -> Dataset:
    """Addition on the pairs given, which may occur several times."""
    inputs, train = torch.tensor(pairs), torch.tensor(trained)
    labels = inputs.sum(1) % n_classes
    return Dataset(inputs, labels, labels, train, torch.zeros_like(train), n_classes)


def logits_of(data: Dataset, answers: list[int]) -> Tensor:
    """Logits that answer each example as listed."""
    return torch.nn.functional.one_hot(torch.tensor(answers), data.n_classes).float()


def by_loops(data: Dataset, *, symmetric: bool) -> list[bool]:
    """Which held-out examples were trained on, one comparison at a time."""
    rows, train = data.inputs.tolist(), data.train.tolist()
    trained = [row for row, inside in zip(rows, train, strict=True) if inside]
    seen = [*trained, *([row[::-1] for row in trained] if symmetric else [])]
    return [not inside and row in seen for row, inside in zip(rows, train, strict=True)]


def split(seed: int) -> Dataset:
    return ModularTask("add", p=P, train_fraction=0.5, seed=seed).dataset


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("tied", [True, False])
def test_swapped_pairs_leak_to_a_network_that_treats_both_orders_alike(tied: bool, seed: int) -> None:
    data = split(seed)
    model = HookedMLP(MLPConfig(width=10, tied=tied), vocab=P, seed=seed)
    found = Leakage(data, model(data.inputs).detach())
    wanted = by_loops(data, symmetric=tied)
    assert found.symmetric is tied
    assert found.leaked.tolist() == wanted
    assert any(wanted) is tied


def test_symmetry_is_measured_and_needs_no_special_kind_of_network() -> None:
    """A transformer without positions, and with full attention, cannot tell (a, b) from (b, a) at a fixed token."""
    from interp.models import Prompt

    data = split(0)
    prompt = Prompt.parse("a b =", p=P)
    model = SmallTransformer(TransformerConfig(d_model=8, n_heads=2, d_head=4, d_mlp=8), P + 1, P, prompt)
    assert not Leakage(data, model(data.inputs).detach()).symmetric
    with torch.no_grad():
        model.pos_embed.W_pos.zero_()
        found = Leakage(data, model(data.inputs))
    assert found.asymmetry == pytest.approx(0, abs=1e-5)
    assert found.leaked.tolist() == by_loops(data, symmetric=True)


def test_duplicates_leak_to_every_network() -> None:
    pairs = [(0, 1), (0, 1), (2, 3), (2, 3), (2, 3), (1, 0), (4, 5), (4, 5)]
    data = dataset(pairs, [True, False, False, True, False, False, False, False])
    found = Leakage(data, torch.randn(8, P, generator=torch.Generator().manual_seed(0)))
    assert not found.symmetric
    assert found.leaked.tolist() == by_loops(data, symmetric=False)
    assert found.to_dict() == {
        "test_pairs": 6,
        "leaked": 3,
        "duplicates": 3,
        "asymmetry": found.asymmetry,
        "accuracy_without": found.to_dict()["accuracy_without"],
    }


def test_the_accuracy_without_leaked_examples_is_that_of_the_others() -> None:
    pairs = [(0, 1), (1, 0), (2, 3), (4, 4), (5, 6), (3, 3)]
    data = dataset(pairs, [True, False, False, False, False, False])
    right = data.true_labels.tolist()
    answers = [right[0], right[1], (right[2] + 1) % P, right[3], (right[4] + 1) % P, right[5]]
    symmetric = Leakage(data, logits_of(data, answers))
    assert symmetric.asymmetry == 0  # of (0, 1) and (1, 0), the only pair in both orders
    found = symmetric.to_dict()
    assert (found["test_pairs"], found["leaked"], found["duplicates"]) == (5, 1, 0)
    assert found["accuracy_without"] == pytest.approx(2 / 4)  # (4, 4) and (3, 3), of four
    answers[1] = (answers[1] + 1) % P
    found = Leakage(data, logits_of(data, answers)).to_dict()
    assert (found["leaked"], found["accuracy_without"]) == (0, pytest.approx(2 / 5))


def test_where_every_held_out_example_leaks_no_accuracy_is_left() -> None:
    data = dataset([(0, 1), (1, 0)], [True, False])
    found = Leakage(data, logits_of(data, [1, 1])).to_dict()
    assert (found["leaked"], found["accuracy_without"]) == (1, None)


def test_without_held_out_examples_nothing_can_leak() -> None:
    data = ModularTask("add", p=P, train_fraction=1.0).dataset
    assert Leakage(data, torch.zeros(len(data), P)).to_dict() is None


def test_the_asymmetry_is_a_root_mean_square_over_the_spread() -> None:
    data = split(1)
    logits = torch.randn(len(data), P, generator=torch.Generator().manual_seed(1))
    row = {tuple(pair): i for i, pair in enumerate(data.inputs.tolist())}
    squares = [(logits[row[a, b]] - logits[row[b, a]]).square() for a, b in row if a != b and (b, a) in row]
    wanted = torch.cat(squares).mean() / (logits - logits.mean(0)).square().mean()
    assert swap_asymmetry(logits, data) == pytest.approx(float(wanted.sqrt()), rel=1e-5)
    assert SYMMETRIC < swap_asymmetry(logits, data) < 2


@pytest.mark.parametrize(
    "data",
    [
        dataset([(0, 1), (2, 3)], [True, False]),
        dataset([(0, 0), (1, 1)], [True, False]),
    ],
)
def test_without_pairs_in_both_orders_the_asymmetry_is_not_known(data: Dataset) -> None:
    logits = torch.zeros(2, P)
    assert swap_asymmetry(logits, data) is None
    assert not Leakage(data, logits).symmetric


def test_only_pairs_of_numbers_have_an_order() -> None:
    inputs = torch.tensor([[0, 1, 2], [1, 0, 2], [2, 1, 0]])
    train = torch.tensor([True, False, False])
    labels = inputs.sum(1) % P
    data = Dataset(inputs, labels, labels, train, torch.zeros_like(train), P)
    found = Leakage(data, torch.zeros(3, P))
    assert found.asymmetry is None
    assert found.leaked.tolist() == [False, False, False]

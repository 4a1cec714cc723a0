"""Sets of neurons chosen on one half of the examples and measured on the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from interp.data import Dataset, ModularTask
from interp.measuring import evaluation
from interp.measuring.cached_pass import CachedPass, cached_pass
from interp.measuring.crossfit import GAP, crossfit, halves, memory_shown_by
from interp.measuring.sample import Sample
from interp.models import HookedMLP, MLPConfig, planted_mlp

TASK = ModularTask("add", p=23, train_fraction=0.6, corrupt_fraction=0.3)
DATA = TASK.dataset


@pytest.fixture(scope="module")
def planted() -> CachedPass:
    return cached_pass(planted_mlp(TASK).model, TASK)


def test_halves_are_alike_in_every_kind_of_example() -> None:
    fits = halves(DATA, repeats=3, seed=1)
    assert len(fits) == 6
    for one, other in zip(fits[::2], fits[1::2], strict=True):
        assert (one ^ other).all()
        for kind in (DATA.mislabelled, DATA.clean, DATA.test):
            assert abs(int((one & kind).sum()) - int((other & kind).sum())) <= 1
            for label in range(TASK.p):
                inside = kind & (DATA.true_labels == label)
                assert abs(int((one & inside).sum()) - int((other & inside).sum())) <= 1
    assert not torch.equal(fits[0], fits[2])
    assert all(torch.equal(a, b) for a, b in zip(fits, halves(DATA, repeats=3, seed=1), strict=True))


def test_accuracies_are_those_of_the_other_half(planted: CachedPass) -> None:
    one, other = halves(DATA, repeats=1)
    memorizing = np.flatnonzero(planted_mlp(TASK).labels == "memorizing")
    sets = [memorizing[:250], memorizing[10:]]
    found = crossfit(planted, [one, other], sets, n_draws=2)
    assert found is not None
    wanted, drops = [], np.zeros(2)
    for neurons, fit in zip(sets, (one, other), strict=True):
        answers = planted.logits_after(torch.as_tensor(neurons)).argmax(1)
        wanted.append((answers == DATA.true_labels)[DATA.test & ~fit].double().mean().item())
        for i, half in enumerate((fit, ~fit)):
            mine = DATA.labels[DATA.corrupted & half]
            before, after = (
                x.argmax(1)[DATA.corrupted & half]
                for x in (planted.logits, planted.logits_after(torch.as_tensor(neurons)))
            )
            drops[i] += ((before == mine).double().mean() - (after == mine).double().mean()).item()
    assert found.after["test"] == pytest.approx(np.mean(wanted), abs=0.02)
    assert found.effect_kept == pytest.approx(drops[1] / drops[0], abs=0.05)
    assert (found.size, found.judged_by) == (270, "corrupted_as_labelled")
    assert found.to_dict()["test"] == found.after["test"]


def test_neurons_that_hold_one_half_leave_the_other_half_its_memories() -> None:
    """A network in which every neuron holds one example: what half A names says nothing of half B."""
    n = 80
    labels = torch.arange(n) % 4
    train = torch.arange(n) < n // 2
    wrong = torch.where(train, (labels + 1) % 4, labels)
    data = Dataset(torch.arange(n)[:, None], wrong, labels, train, train, n_classes=4)
    cached = one_neuron_each(data)
    fits = halves(data, repeats=2)
    sets = [np.flatnonzero((fit & data.train).numpy()) for fit in fits]
    found = crossfit(cached, fits, sets)
    assert found is not None
    assert found.effect_kept == 0
    assert found.after["corrupted_as_labelled"] == 1
    assert found.beats_random() is False
    everything = crossfit(cached, fits, [np.flatnonzero(data.train.numpy())] * 4)
    assert everything is not None
    assert everything.effect_kept == 1
    assert everything.after["corrupted_as_labelled"] == 0
    assert everything.beats_random() is True
    assert everything.hurts() is False


def one_neuron_each(data: Dataset) -> CachedPass:
    """A cached pass in which neuron i is active on example i alone, and writes its label."""
    cached = cached_pass(HookedMLP(MLPConfig(width=4), vocab=5), ModularTask("add", p=5))
    n, eye = len(data), torch.eye(len(data))
    readout = torch.nn.functional.one_hot(data.labels, data.n_classes).float() * 3
    logits = readout + torch.nn.functional.one_hot(data.true_labels, data.n_classes)
    return (
        replace(cached, data=data, activations=eye, change=-eye, logits=logits, readout=readout)
        if n
        else cached
    )


def test_without_wrong_labels_the_membership_gap_shows_memory() -> None:
    task = ModularTask("add", p=11, train_fraction=0.5)
    assert memory_shown_by(task.dataset) == GAP
    cached = cached_pass(HookedMLP(MLPConfig(width=30), vocab=11, seed=1), task)
    found = crossfit(cached, halves(task.dataset), [np.arange(5)] * 6, n_draws=3)
    assert found is not None
    assert found.judged_by == GAP
    assert found.after[GAP] == pytest.approx(found.after["train"] - found.after["test"])


def test_where_no_example_shows_memory_nothing_is_measured() -> None:
    nothing_held_out = ModularTask("add", p=7, train_fraction=1.0, corrupt_fraction=0.5)
    cached = cached_pass(HookedMLP(MLPConfig(width=6), vocab=7), nothing_held_out)
    assert crossfit(cached, halves(cached.data), [np.arange(2)] * 6) is None


def test_a_set_that_is_most_of_the_network_has_no_control(planted: CachedPass) -> None:
    found = crossfit(planted, halves(DATA, 1), [np.arange(planted.width - 1)] * 2, n_draws=2)
    assert found is not None
    assert found.beats_random() is None


def test_swapped_pairs_and_repeated_examples_stay_together() -> None:
    data = ModularTask("add", p=13, train_fraction=0.5, corrupt_fraction=0.3).dataset
    a, b = data.inputs.T
    swapped = b * 13 + a
    for fit in halves(data, symmetric=True):
        assert (fit == fit[swapped]).all()
        assert 60 < int(fit.sum()) < 110
    assert not all((fit == fit[swapped]).all() for fit in halves(data))
    twice = torch.arange(len(data)) // 2 * 2
    repeated = replace(data, inputs=data.inputs[twice])
    for fit in halves(repeated):
        assert (fit == fit[twice]).all()


def test_a_sample_mixes_groups_as_all_examples_do(
    monkeypatch: pytest.MonkeyPatch, planted: CachedPass
) -> None:
    """A tenth of the wrong labels, and every other example, tell the accuracies of all: 1 in 10 counts ten times."""
    fits = halves(DATA, repeats=1)
    sets = [np.flatnonzero(planted_mlp(TASK).labels == "memorizing")] * 2
    whole = crossfit(planted, fits, sets, n_draws=3)
    monkeypatch.setattr(evaluation, "HELD", 0)
    some = cached_pass(planted.model, TASK)
    rows = torch.cat([(~DATA.corrupted).nonzero()[:, 0], DATA.corrupted.nonzero()[::10, 0]]).sort().values
    drawn, sizes = (np.bincount(group, minlength=3) for group in (some.group[rows], some.group))
    some.__dict__["sample"] = Sample(rows, drawn, sizes / drawn)
    part = crossfit(some, fits, sets, n_draws=3)
    assert whole is not None
    assert part is not None
    assert len(some.sampled.data) == len(rows) < len(DATA)
    for split in ("train", "all", GAP):
        assert part.before[split] == pytest.approx(whole.before[split], abs=0.03)
        assert part.after[split] == pytest.approx(whole.after[split], abs=0.03)
        assert part.random[split].mean == pytest.approx(whole.random[split].mean, abs=0.04)

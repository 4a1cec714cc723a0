"""Ranks of memorised labels, against a loop, by construction, and on never-trained labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import fisher_exact

from interp.data import ModularTask
from interp.data.dataset import Dataset
from interp.measuring.cached_pass import cached_pass
from interp.measuring.removals import removal
from interp.measuring.traces import (
    memory_traces,
    more_often,
    ranks,
    uniform_wrong_labels,
    wrong_labels_of_class,
)
from interp.models import HookedMLP, MLPConfig

TASK = ModularTask("add", p=11, corrupt_fraction=0.4, corrupt="wrong")
DATA = TASK.dataset


def scattered(seed: int = 0) -> torch.Tensor:
    return torch.randn(len(DATA), DATA.n_classes, generator=torch.Generator().manual_seed(seed))


def test_ranks_are_those_of_a_loop() -> None:
    logits, labels = (
        scattered().round(decimals=0),
        uniform_wrong_labels(DATA, torch.arange(len(DATA)), np.random.default_rng(0)),
    )
    wanted = []
    for row, label, true in zip(logits.tolist(), labels.tolist(), DATA.true_labels.tolist(), strict=True):
        others = [value for c, value in enumerate(row) if c not in (label, true)]
        wanted.append(1 + sum(value >= row[label] for value in others))
    result = ranks(logits, labels, DATA.true_labels)
    assert result.mean_rank == pytest.approx(np.mean(wanted))
    assert result.runner_up == pytest.approx(np.mean(np.equal(wanted, 1)))
    assert result.top_five == pytest.approx(np.mean(np.less_equal(wanted, 5)))


def test_a_planted_trace_is_seen_and_noise_is_none() -> None:
    noise = scattered(1)
    without = memory_traces(noise, noise, DATA)
    assert without is not None
    assert without.left is False
    rows = DATA.mislabelled.nonzero()[::2, 0]
    planted = noise.index_put((rows, DATA.labels[rows]), torch.tensor(9.0))
    planted.scatter_(1, DATA.true_labels[:, None], 20.0)
    traces = memory_traces(planted, noise, DATA)
    assert traces is not None
    assert traces.left
    assert traces.memorised.runner_up >= 0.5
    assert traces.before["memorised"] == without.memorised
    assert "traces of the memories are left" in traces.sentence()


def test_noise_that_depends_on_the_class_is_no_trace() -> None:
    """Labels c + 1 in a network that confuses every c with c + 1, trained on or not."""
    paired = replace(DATA, labels=torch.where(DATA.train, (DATA.true_labels + 1) % 11, DATA.true_labels))
    logits = scattered(2).scatter_add(1, ((DATA.true_labels + 1) % 11)[:, None], torch.full((121, 1), 5.0))
    traces = memory_traces(logits, logits, paired)
    assert traces is not None
    assert traces.control is not None
    assert traces.class_control is not None
    assert traces.memorised.runner_up > 0.9
    assert traces.control.runner_up < 0.3
    assert traces.class_control.runner_up > 0.9
    assert traces.left is False


def test_the_p_value_is_fishers() -> None:
    for counts in ((3, 10, 1, 12), (0, 5, 4, 9), (18, 20, 30, 200)):
        hits, total, control, of = counts
        table = [[hits, total - hits], [control, of - control]]
        assert more_often(*counts) == pytest.approx(fisher_exact(table, "greater").pvalue)


def test_drawn_labels_are_wrong_and_those_of_the_class() -> None:
    rows, generator = DATA.test.nonzero()[:, 0], np.random.default_rng(3)
    assert (uniform_wrong_labels(DATA, rows, generator) != DATA.true_labels[rows]).all()
    drawn = wrong_labels_of_class(DATA, rows, generator)
    pairs = set(
        zip(DATA.true_labels[DATA.mislabelled].tolist(), DATA.labels[DATA.mislabelled].tolist(), strict=True)
    )
    classes = {true for true, _ in pairs}
    for true, label in zip(DATA.true_labels[rows].tolist(), drawn.tolist(), strict=True):
        assert (true, label) in pairs or (true not in classes and label != true)


def two_classes() -> Dataset:
    return replace(DATA, labels=DATA.labels % 2, true_labels=DATA.true_labels % 2, n_classes=2)


def test_ranks_are_none_where_they_tell_nothing() -> None:
    assert memory_traces(scattered()[:, :2], scattered()[:, :2], two_classes()) is None
    clean = ModularTask("add", p=11).dataset
    assert memory_traces(scattered(), scattered(), clean) is None
    everything = ModularTask("add", p=11, train_fraction=1.0, corrupt_fraction=0.3).dataset
    alone = memory_traces(scattered(), scattered(), everything)
    assert alone is not None
    assert alone.control is alone.p_value is alone.left is None
    assert "no held-out examples" in alone.sentence()


def test_a_network_without_any_neuron_has_no_trace() -> None:
    cached = cached_pass(HookedMLP(MLPConfig(width=8), vocab=11), TASK)
    traces = removal(cached, range(8), n_draws=2).ranks
    assert traces is not None
    assert traces.memorised.runner_up == 0
    assert traces.to_dict()["chance"]["runner_up"] == pytest.approx(0.1)

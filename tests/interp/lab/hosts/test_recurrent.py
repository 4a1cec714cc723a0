"""Shared parts of hosts on recurrent packages: selectivity, random others, ablated accuracy, and their sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from interp.lab.hosts.host import Config
from interp.lab.hosts.networks.rnn import HOST, Recall, draw
from interp.lab.hosts.recurrent import (
    Bench,
    class_spread,
    cost_sentence,
    generator_for,
    most,
    random_others,
    train_on,
)
from interp.lab.hosts.study import study_of
from interp.lab.hosts.training import seeded
from interp.lab.running import run_study
from interp.lab.study import Record, StudyResult

RESULTS = Path(__file__).parents[4] / "notebooks" / "results" / "studies"


def test_spread_is_the_variance_of_class_means_with_equal_weights() -> None:
    values, labels = torch.randn(30, 4), torch.tensor([0] * 5 + [1] * 10 + [2] * 15)
    means = np.array([values.numpy()[labels.numpy() == one].mean(0) for one in range(3)])
    assert class_spread(values, labels) == pytest.approx(means.var(0), rel=1e-5)
    assert most(np.array([0.5, 2.0, 1.0]), 2) == [1, 2]


def test_random_others_are_as_many_and_not_the_chosen() -> None:
    for one in random_others(6, [1, 2], np.random.default_rng(0)):
        assert len(set(one)) == 2
        assert not {1, 2} & set(one)
    assert len(random_others(3, [0, 1], np.random.default_rng(0), draws=1)[0]) == 2


def test_training_and_first_weights_depend_on_the_seed_alone() -> None:
    weights = []
    for _ in range(2):
        torch.rand(1)
        state = torch.get_rng_state()
        with seeded(3):
            module = Recall(units=4)
        train_on(module, draw, 2, 3, lambda done, note="": None)
        assert torch.equal(state, torch.get_rng_state())
        weights.append(module.rnn.weight_hh_l0)
    assert torch.equal(*weights)


def test_accuracy_without_units_is_that_of_a_loop() -> None:
    with seeded(0):
        module = Recall(units=4)
    bench = Bench.of(module, HOST.sites, draw, 0)
    hidden = torch.zeros(len(bench.inputs), 4)
    layer = module.rnn
    with torch.no_grad():
        for step in range(bench.inputs.shape[1]):
            driven = bench.inputs[:, step] @ layer.weight_ih_l0.T + layer.bias_ih_l0
            hidden = torch.tanh(driven + hidden @ layer.weight_hh_l0.T + layer.bias_hh_l0)
            if step >= 12:
                hidden[:, [0, 3]] = 0.0
        right = module.readout(hidden).argmax(1) == bench.labels
    assert bench.right(HOST.sites[0], [0, 3], "12-").tolist() == right.tolist()
    assert not torch.equal(bench.inputs[:64], draw(64, generator_for(0, 0))[0])


@pytest.mark.parametrize(
    ("without", "verdict"),
    [
        ([0.2, 0.3, 0.25], "The first costs more"),
        ([0.9, 0.95, 0.9], "The first costs less"),
        ([0.2, 0.9, 0.6], "Which costs more is not decided"),
    ],
)
def test_the_sentence_follows_the_interval(without: list[float], verdict: str) -> None:
    records = tuple(Record({"whole": 1.0, "a": value, "b": 0.6}, {}) for value in without)
    result = StudyResult(study_of(Config(which="rnn")), Config(which="rnn"), (0, 1, 2), records)
    assert verdict in cost_sentence(result, "a", "b", "these at zero", "others at zero")


COSTS = [
    ("rnn", "writing", "holding", 1),
    ("rnn", "delay", "delay_random", None),  # the claim is not decided
    ("gru", "after", "between", 1),
    ("gru", "after", "after_random", None),
    ("lstm", "layer_0", "layer_1", 1),
    ("lstm", "layer_0", "layer_0_random", None),
    ("snntorch", "membrane", "spikes", -1),  # the claim does not hold: spikes carry the symbol
    ("snntorch", "all_spikes", "all_membranes", 1),
    ("ncps", "clocks", "clocks_before", 1),
    ("ncps", "clocks", "clocks_random", None),
    ("titans", "own", "other", 1),
    ("titans", "own_last", "own_before", 1),
    ("titans", "frozen_later", "frozen_earlier", 1),
    ("titans", "slots", "slots_random", 1),
    ("titans", "surprise_again", "surprise_new", 1),
]


@pytest.mark.parametrize(("name", "first", "second", "sign"), COSTS)
def test_committed_results_decide_what_is_said_of_them(
    name: str, first: str, second: str, sign: int | None
) -> None:
    settings = {"out": RESULTS / f"hosts-{name}", "show_progress": False, "workers": 1, "which": name}
    result = run_study(
        "hosts", range(6), **settings
    )  # a seed that is not there would have to be measured anew
    higher = result.difference(second, first)
    assert higher is not None
    assert higher.sign == sign
    accuracies = result.over("whole")
    assert accuracies is not None
    assert min(accuracies.values) > 0.95
    assert len(result.findings()) >= 3

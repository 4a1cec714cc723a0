"""Accuracies beside the share of the commonest class, against scipy and on networks that answer one class."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from scipy.stats import binomtest

import interp
from interp.data import ModularTask, TableTask
from interp.measuring.base_rate import BaseRate, base_rate_of, beats_base_rate


@pytest.mark.parametrize(("right", "sizes"), [([222, 222], [300, 300]), ([5, 0], [50, 40]), ([0, 0], [3, 9])])
def test_interval_and_p_value_are_the_exact_binomial_ones(right: list[int], sizes: list[int]) -> None:
    rate = BaseRate("test", torch.tensor(right), torch.tensor(sizes))
    test = binomtest(sum(right), sum(sizes), max(sizes) / sum(sizes), alternative="greater")
    assert rate.p_value == pytest.approx(test.pvalue)
    interval = binomtest(sum(right), sum(sizes)).proportion_ci(0.95, "exact")
    assert rate.interval == pytest.approx((interval.low, interval.high))


def test_three_quarters_of_balanced_rows_are_above_the_base_rate() -> None:
    rate = BaseRate("test", torch.tensor([222, 222]), torch.tensor([300, 300]))
    assert rate.p_value < 1e-30
    assert rate.sentence() == "It generalises in part: 74.0 % of held-out examples, base rate 50.0 %."
    whole = replace(rate, right=torch.tensor([299, 298]))
    assert whole.sentence() == "It generalises: 99.5 % of held-out examples, base rate 50.0 %."


def test_held_out_examples_that_did_not_leak_decide() -> None:
    data = ModularTask("add", p=7, train_fraction=0.5).dataset
    logits = torch.nn.functional.one_hot(data.true_labels, 7).float()
    leaked = data.test & (torch.arange(len(data)) % 2 == 0)
    rate = base_rate_of(logits, data, leaked)
    assert (rate.split, rate.examples) == ("test", int((data.test & ~leaked).sum()))
    assert beats_base_rate(logits, data, leaked)
    assert not beats_base_rate(torch.zeros_like(logits), data, leaked)
    assert base_rate_of(logits, data, data.test).split == "all"


def test_a_network_that_answers_the_commonest_class_does_not_generalise() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(600, 4, generator=generator)
    labels = (torch.rand(600, generator=generator) < 0.1).long()
    net = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
    with torch.no_grad():
        net[2].bias += torch.tensor([20.0, 0.0])
    task = TableTask.from_arrays(x, labels, train=torch.arange(600) < 300)
    report = interp.audit(interp.adopt(net.eval(), ["2:input"]), task, n_random=2)
    assert report.accuracy.test > 0.85
    assert report.phase.name not in ("generalisation", "coexistence")
    assert report.table.counts()["generalizing"] == 0
    assert report.verdict[0].startswith("It does not generalise: ")
    assert "recall of class 1 is 0.0 %, balanced accuracy 50.0 %" in report.verdict[0]
    found = report.to_dict()["base_rate"]
    assert found["recall"] == {"0": 1.0, "1": 0.0}
    assert not found["above"]

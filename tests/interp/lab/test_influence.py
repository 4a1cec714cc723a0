"""Memorisation scores against loops and closed forms, and the study of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from figures import check_figure
from sklearn.metrics import roc_auc_score

from interp import MLPConfig, ModularTask
from interp.data import Dataset
from interp.errors import ConfigError
from interp.lab.influence.memory import (
    errors_by_number,
    falls_as,
    memorisation,
    memory_effects,
    precision_at,
    share_from,
    train_on_subsets,
)
from interp.lab.influence.mislabelled import Digits, Sums
from interp.lab.influence.study import ARMS, STUDY, Config, measure
from interp.lab.running import run_study
from interp.lab.study import Record, StudyResult
from interp.measuring.evaluation import margins
from interp.models import HookedMLP
from interp.progress import silent

TINY = {"networks": 12, "p": 11, "width": 40, "steps": 60}


def drawn(networks: int, right_with: float, right_without: float, n: int = 400, seed: int = 0) -> Any:
    """Answers that are right with these probabilities, and half of the networks with each example."""
    generator = np.random.default_rng(seed)
    included = generator.random((networks, n)).argsort(0) < networks // 2
    chance = np.where(included, right_with, right_without)
    return generator.random((networks, n)) < chance, included


# --- scores ---


def test_a_score_is_the_difference_of_two_shares_counted_one_by_one() -> None:
    generator = np.random.default_rng(0)
    correct, included = generator.random((9, 40)) < 0.6, generator.random((9, 40)) < 0.7
    included[:, 0], included[:, 1], included[1:, 2] = True, False, True
    included[0, 2] = False  # left out by one network only
    found = memorisation(correct, included)
    for i in range(40):
        sides: dict[bool, list[bool]] = {True: [], False: []}
        for network in range(9):
            sides[bool(included[network, i])].append(bool(correct[network, i]))
        one, other = sides[True], sides[False]
        if not one or not other:
            assert np.isnan(found.score[i])
            continue
        assert found.score[i] == pytest.approx(sum(one) / len(one) - sum(other) / len(other))
        if min(len(one), len(other)) > 1:
            variance = sum(np.var(side, ddof=1) / len(side) for side in (one, other))
            assert found.error[i] == pytest.approx(variance**0.5)
        else:
            assert np.isnan(found.error[i])
    assert np.isnan(found.score[:2]).all()


def test_what_is_known_only_if_seen_scores_1_and_what_is_known_anyway_0() -> None:
    included = np.random.default_rng(0).random((20, 3)).argsort(0) < 14
    correct = included.copy()
    correct[:, 1], correct[:, 2] = True, ~included[:, 2]
    found = memorisation(correct, included)
    assert found.score.tolist() == [1.0, 0.0, -1.0]
    assert found.error.tolist() == [0.0, 0.0, 0.0]


def test_the_error_is_how_far_scores_of_equal_examples_scatter() -> None:
    found = memorisation(*drawn(20, 0.8, 0.3, n=40_000))
    truth = (0.8 * 0.2 / 10 + 0.3 * 0.7 / 10) ** 0.5
    assert found.score.mean() == pytest.approx(0.5, abs=0.005)
    assert found.score.std() == pytest.approx(truth, rel=0.02)
    assert np.sqrt(np.square(found.error).mean()) == pytest.approx(truth, rel=0.02)


def test_answers_and_subsets_must_belong_together() -> None:
    with pytest.raises((ConfigError, TypeError), match="4"):  # a TypeError where shapes are type-checked
        memorisation(np.ones((3, 4), bool), np.ones((4, 3), bool))
    with pytest.raises(ConfigError, match="do not belong together"):
        memorisation(np.ones((0, 4), bool), np.ones((0, 4), bool))


def test_each_example_is_left_out_equally_often_by_networks_drawn_at_random() -> None:
    seen: list[tuple[int, int]] = []
    told: list[int] = []

    def fit(keep: np.ndarray, number: int) -> np.ndarray:
        seen.append((number, int(keep.sum())))
        return np.full(2000, number % 2 == 0)

    def report(done: int, note: str = "") -> None:
        told.append(done)

    correct, included = train_on_subsets(fit, 2000, networks=10, share=0.7, report=report)
    assert (included.sum(0) == 7).all()
    assert [number for number, _ in seen] == list(range(10)) == [one - 1 for one in told]
    assert all(1300 < size < 1500 for _, size in seen)  # 70 % of 2000, to within five standard deviations
    assert all((right == (number % 2 == 0)).all() for number, right in enumerate(correct))
    together = (included[:, :-1] & included[:, 1:]).sum(0)
    assert together.mean() == pytest.approx(4.9, abs=0.1)  # 10 · .7 · .7: neighbours are drawn apart
    again = train_on_subsets(fit, 2000, networks=10, share=0.7)[1]
    other = train_on_subsets(fit, 2000, networks=10, share=0.7, seed=1)[1]
    assert (again == included).all()
    assert (other != included).any()


# --- errors ---


def test_errors_fall_as_one_over_the_root_of_the_number_of_networks() -> None:
    found = errors_by_number(*drawn(24, 0.7, 0.2, n=4000), share=0.5)
    sizes = found["networks"]
    assert sizes == list(range(2, 25, 2))
    for size, formula, spread in zip(sizes, found["formula"], found["spread"], strict=True):
        truth = ((0.7 * 0.3 + 0.2 * 0.8) / (size / 2)) ** 0.5
        assert (formula is None) == (size < 4)  # one network on a side has no variance
        assert (spread is None) == (size > 12)  # two estimates need twice as many
        for value in (formula, spread):
            assert value is None or value == pytest.approx(truth, rel=0.04)
    for name in ("formula", "spread"):
        assert falls_as(sizes, found[name]) == pytest.approx(-0.5, abs=0.02)


def test_fewer_networks_are_drawn_in_the_proportion_of_the_subsets() -> None:
    generator = np.random.default_rng(1)
    included = generator.random((20, 3000)).argsort(0) < 14
    correct = np.where(included, generator.random((20, 3000)) < 0.6, False)
    found = errors_by_number(correct, included, share=0.7)
    assert found["networks"] == [3, 6, 9, 12, 15, 18]  # 2 of 3
    for size, formula in zip(found["networks"][1:], found["formula"][1:], strict=True):
        assert formula == pytest.approx((0.6 * 0.4 / (2 * size / 3)) ** 0.5, rel=0.05)
    assert [one is None for one in found["spread"]] == [False] * 3 + [True] * 3
    assert errors_by_number(correct, included, share=0.95)["networks"] == [4, 8, 12, 16, 20]


def test_a_slope_needs_two_errors_above_nought() -> None:
    assert falls_as([3, 6], [0.1, None]) is None
    assert falls_as([3, 6], [0.0, 0.1]) is None
    assert falls_as([2, 4, 8], [8.0, 4.0, 2.0]) == pytest.approx(-1.0)


def test_precision_and_tails() -> None:
    generator = np.random.default_rng(0)
    score, wrong = generator.normal(size=50), generator.random(50) < 0.3
    ranked = sorted(range(50), key=lambda i: -score[i])[:10]
    assert precision_at(score, wrong, 0.2) == sum(wrong[i] for i in ranked) / 10
    bars = np.array([-1.0, 0.0, 1.0])
    assert share_from(score, bars) == [sum(s >= bar for s in score) / 50 for bar in bars]


# --- neurons ---


def test_a_neuron_costs_what_setting_its_weights_to_zero_costs() -> None:
    task = ModularTask("add", p=7, train_fraction=0.8, corrupt_fraction=0.3, corrupt="wrong")
    model, data = HookedMLP(MLPConfig(width=5), vocab=7, seed=1), task.dataset
    memorised = np.random.default_rng(0).random(len(data)) < 0.4
    found = memory_effects(model, data, memorised)
    high = data.train & torch.from_numpy(memorised)
    rest = data.train & ~high
    before = margins(model(data.inputs), data.labels)
    for neuron in range(5):
        edited = HookedMLP(MLPConfig(width=5), vocab=7, seed=1)
        with torch.no_grad():
            edited.unembed.weight[neuron] = 0.0
            lost = before - margins(edited(data.inputs), data.labels)
        assert found[neuron] == pytest.approx(float(lost[high].mean() - lost[rest].mean()), abs=1e-5)


def test_the_true_labels_play_no_part_in_what_a_neuron_costs() -> None:
    task = ModularTask("add", p=7, train_fraction=0.8, corrupt_fraction=0.3, corrupt="wrong")
    model, data = HookedMLP(MLPConfig(width=5), vocab=7), task.dataset
    memorised = np.arange(len(data)) % 3 == 0
    unknown: Dataset = replace(data, true_labels=data.labels, corrupted=data.train & False)
    assert (
        memory_effects(model, data, memorised).tolist() == memory_effects(model, unknown, memorised).tolist()
    )


@pytest.mark.parametrize("value", [True, False])
def test_neurons_need_examples_of_both_kinds(value: bool) -> None:
    task = ModularTask("add", p=7)
    with pytest.raises(ConfigError, match="Change the threshold"):
        memory_effects(HookedMLP(MLPConfig(width=3), vocab=7), task.dataset, np.full(49, value))


# --- what is trained on ---


def test_a_network_learns_its_part_of_the_training_set_with_its_wrong_labels() -> None:
    fit = Sums(Config(p=11, wrong=0.2, width=60, weight_decay=0.0, steps=150), 0)
    keep = np.random.default_rng(0).random(len(fit.wrong)) < 0.7
    data = fit.task.dataset
    assert (data.labels != data.true_labels)[data.train].tolist() == fit.wrong.tolist()
    assert fit.wrong.sum() == round(0.2 * len(fit.wrong))
    right = fit(keep, 0)
    assert right[keep].all()
    assert right[~keep & fit.wrong].mean() < 0.5
    answers = fit.train(keep, 0)(data.inputs).argmax(1)  # the same network again
    assert ((answers == data.labels)[data.train].numpy() == right).all()
    assert fit.held_out == [float((answers == data.true_labels)[data.test].double().mean())]
    assert (fit(keep, 1) != right).any()  # another number, another network


def test_digits_have_wrong_labels_that_are_another_digit() -> None:
    config = Config(on="digits", wrong=0.1, width=20, weight_decay=0.1, steps=60)
    fit = Digits(config, 0)
    assert len(fit.wrong) == round(0.8 * 1797)
    assert fit.wrong.sum() == round(0.1 * len(fit.wrong))
    assert ((fit.labels != fit.true[: fit.n]) == fit.wrong).all()
    assert set(fit.labels.tolist()) == set(range(10))
    keep = np.arange(fit.n) < 300
    right = fit(keep, 0)
    assert right[keep].mean() > 0.95
    assert right[~keep & ~fit.wrong].mean() > 0.6
    assert right[~keep & fit.wrong].mean() < 0.3
    assert 0.6 < fit.held_out[0] < 1
    fit.true[fit.n :] = -1  # no answer is right where nothing was trained on
    fit(keep, 0)
    assert fit.held_out[1] == 0
    assert (Digits(config, 0).labels == fit.labels).all()
    assert (Digits(config, 1).labels != fit.labels).any()


def test_neurons_are_compared_with_the_audit_only_if_some_examples_stand_out() -> None:
    fit = Sums(Config(p=11, wrong=0.2, width=30, weight_decay=0.0, steps=30), 0)
    numbers, costs = fit.neurons(np.ones(len(fit.wrong), bool), 5)
    assert numbers["neurons_auc"] is None
    assert numbers["n_memorizing"] is not None
    assert costs == {}


# --- the study ---


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"on": "image"}, "experiment"),
        ({"networks": 4}, "2 or more without"),
        ({"share": 1.0}, "share"),
        ({"threshold": 1.5}, "threshold"),
        ({"wrong": 1.0}, "wrong"),
        ({"on": "digits", "p": 59}, "10 classes"),
        ({"p": -3}, "p=-3"),
        ({"steps": -1}, "steps=-1"),
        ({"width": -2}, "width=-2"),
        ({"wrong": -0.5}, "wrong=-0.5"),
        ({"weight_decay": -2.0}, "weight_decay=-2.0"),
        ({"weight_decay": float("nan")}, "weight_decay=nan"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Config(**given)


def test_settings_that_are_not_given_are_those_of_the_experiment() -> None:
    for on, own in ARMS.items():
        config = Config(on=on)
        assert {name: getattr(config, name) for name in own} == own
    config = Config(on="corrupted", weight_decay=0.0, steps=7, p=13)
    assert (config.weight_decay, config.steps, config.p, config.width) == (0.0, 7, 13, 300)


def test_a_training_set_needs_wrong_labels() -> None:
    with pytest.raises(ConfigError, match="expected both kinds"):
        measure(Config(wrong=1e-4, **TINY), 0, silent)


def test_a_run_end_to_end_where_nothing_generalises() -> None:
    result = run_study("influence", [0, 1], show_progress=False, workers=1, on="never", **TINY)
    numbers = result.records[0].numbers
    assert numbers["learnt_wrong"] == 1.0
    assert numbers["score_wrong"] > 0.6
    assert numbers["score_right"] > 0.6
    assert numbers["held_out"] < 0.3
    assert abs(numbers["null_score"]) < 0.3
    assert numbers["calibration"] == pytest.approx(1, abs=0.3)
    assert result.records[0].curves["tails"]["right"][0] == 1.0
    assert "do not generalise" in result.findings()[0]
    check_figure(result.plot())


def test_a_run_end_to_end_on_digits() -> None:
    settings = {"networks": 7, "width": 50, "steps": 200, "weight_decay": 0.0}
    result = run_study("influence", [0], show_progress=False, on="digits", **settings)
    numbers = result.records[0].numbers
    assert numbers["score_wrong"] > 0.7 > 0.4 > numbers["score_right"]
    assert numbers["precision"] > 0.5
    assert numbers["neurons_auc"] is None
    assert not [one for one in result.findings() if "eurons" in one]
    assert len(result.plot().data) == 9
    check_figure(result.plot())


@pytest.mark.slow
def test_wrong_labels_and_the_neurons_that_know_them_are_found_where_networks_generalise() -> None:
    result = run_study("influence", [0], show_progress=False, p=37, width=200, steps=300, networks=10)
    numbers = result.records[0].numbers
    assert numbers["held_out"] > 0.95
    assert numbers["score_wrong"] > 0.5
    assert abs(numbers["score_right"]) < 0.05
    assert numbers["auc"] > 0.9
    assert numbers["neurons_auc"] > 0.95
    assert abs(numbers["neurons_control"] - 0.5) < 0.3
    cost = result.records[0].curves["costs"]["memorised"]
    both = [*cost["memorizing"], *cost["generalizing"]]
    truth = [1] * len(cost["memorizing"]) + [0] * len(cost["generalizing"])
    assert numbers["neurons_auc"] == pytest.approx(roc_auc_score(truth, both))
    check_figure(result.plot())


def made_up(*each: dict[str, Any], **settings: Any) -> StudyResult:
    """A result with these numbers, and usual ones beside them."""
    usual = dict.fromkeys(STUDY.quantities, 0.0) | {"chance": 0.02, "held_out": 1.0, "calibration": 1.0}
    usual |= {"slope_spread": -0.5, "auc": 0.99, "neurons_auc": 0.99, "neurons_control": 0.5}
    records = tuple(Record(usual | one, {}) for one in each)
    return StudyResult(STUDY, Config(**settings), tuple(range(len(each))), records)


def test_the_judgement_of_examples_goes_both_ways() -> None:
    def said(*areas: float, held_out: float = 1.0, learnt: float = 1.0) -> str:
        usual = {"held_out": held_out, "learnt_wrong": learnt}
        return " ".join(made_up(*({"auc": area} | usual for area in areas)).findings())

    assert "networks generalise" in said(0.98, 0.99, 0.985)
    assert "The score tells wrong labels from right ones:" in said(0.98, 0.99, 0.985)
    never = said(0.5, 0.52, 0.51, held_out=0.03)
    assert "do not generalise" in never
    assert "cannot tell wrong labels from right ones, because all of them are memorised alike" in never
    unlearnt = said(0.5, 0.52, 0.51, held_out=0.03, learnt=0.85)
    assert "from right ones, because the wrong labels were not learnt:" in unlearnt
    assert "because" not in said(0.5, 0.52, 0.51)
    assert "in part only" in said(0.7, 0.8, 0.9)
    assert "decides nothing" in said(0.99)


def test_the_judgement_of_neurons_and_errors_goes_both_ways() -> None:
    def said(*each: dict[str, Any]) -> str:
        return " ".join(made_up(*each).findings())

    above = [{"neurons_auc": 0.98 + 0.01 * i} for i in range(3)]
    assert ", above that of as many random examples" in said(*above)
    assert ", below that" in said(*({"neurons_auc": 0.1 + 0.01 * i} for i in range(3)))
    assert "not decidedly different" in said({"neurons_auc": 0.2}, {"neurons_auc": 0.9}, {"neurons_auc": 0.5})
    assert "cannot be compared" in said({"neurons_auc": None}, {})
    assert "-0.5, as 1/√K does" in said({}, {})
    assert "not as 1/√K does" in said(*({"slope_spread": -0.9 - 0.01 * i} for i in range(3)))
    assert "too wide to tell" in said(*({"slope_spread": slope} for slope in (-0.1, -0.7, -0.3)))
    assert "-0.5, which one seed does not decide" in said({})
    assert "too few networks" in said({"slope_spread": None})

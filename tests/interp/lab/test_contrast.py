"""Scores and searches against loops and scikit-learn, and against a network whose neurons are known."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from figures import check_figure
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from interp import ModularTask, ablate, accuracy, planted_mlp
from interp.errors import ConfigError, HookNameError
from interp.lab.contrast.methods import METHODS, crossfitted
from interp.lab.contrast.scores import (
    InputSets,
    contrast_scores,
    effect_of,
    input_sets,
    label_attribution,
    scores_of,
)
from interp.lab.contrast.study import SCORES, Config, inspect, judge, measure
from interp.lab.running import run_study
from interp.lab.sets import chosen_neurons, pareto_front, search_sets
from interp.lab.study import Record, StudyResult, study_called
from interp.measuring.cached_pass import cached_pass
from interp.models import HookedMLP, MLPConfig
from interp.progress import silent
from interp.subject import Subject
from probes.agreement import auc

TASK = ModularTask(p=31, train_fraction=0.6, corrupt_fraction=0.35)
TINY = Config(p=11, width=24, steps=30, n_random=3, n_candidates=8)


def activations(seed: int, n: int) -> torch.Tensor:
    """Of five neurons, the last of which never changes; some values occur twice."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(n, 5)).round(1)
    values[:, 1] += seed
    values[:, 4] = 0.0
    return torch.from_numpy(values).float()


@pytest.fixture(scope="module")
def planted() -> Any:
    return planted_mlp(TASK, generalizing=120, memorizing=100, dead=5)


@pytest.fixture(scope="module")
def record(planted: Any) -> Record:
    opened = type("Opened", (), {"model": planted.model, "task": TASK})()
    return inspect(opened, Config(share=0.4, n_random=5), 0, silent)


def test_detectors_are_those_of_scikit_learn() -> None:
    first, other = activations(1, 30), activations(0, 50)
    found, truth = contrast_scores(first, other), np.arange(80) < 30
    for neuron in range(5):
        values = torch.cat([first, other])[:, neuron].numpy()
        assert found["auroc"][neuron] == pytest.approx(roc_auc_score(truth, values))
        assert found["average_precision"][neuron] == pytest.approx(average_precision_score(truth, values))
    assert found["auroc"][1] > 0.7
    assert found["auroc"][4] == 0.5
    assert contrast_scores(first[:, :1], other[:, :1])["auroc"] == pytest.approx(found["auroc"][:1])


def test_statistics_of_activations_are_those_of_a_loop() -> None:
    first, other = activations(1, 30), activations(0, 50)
    found = contrast_scores(first, other)
    for neuron in range(4):
        one, two = (x[:, neuron].double().numpy() for x in (first, other))
        assert found["mean_ratio"][neuron] == pytest.approx(abs(one).mean() / abs(two).mean())
        assert found["maximum_ratio"][neuron] == pytest.approx(abs(one).max() / abs(two).max())
        assert found["z"][neuron] == pytest.approx((one.mean() - two.mean()) / two.std())
        assert found["kurtosis"][neuron] == pytest.approx(stats.kurtosis(np.concatenate([one, two])))
    assert [found[name][4] for name in ("mean_ratio", "maximum_ratio", "z", "kurtosis")] == [1, 1, 0, -2]
    assert contrast_scores(torch.ones(2, 1), torch.zeros(2, 1))["mean_ratio"].tolist() == [np.inf]


def test_importance_is_weight_times_activation_for_each_output() -> None:
    first, other = activations(1, 30), activations(0, 50)
    weight = torch.from_numpy(np.random.default_rng(3).normal(size=(5, 7)))
    found = contrast_scores(first, other, weight, share=0.4)
    contrast, selected = np.zeros(5), np.zeros(5)
    for output in range(7):
        importance = [
            np.array(
                [abs(float(weight[n, output])) * float(x[:, n].square().mean().sqrt()) for n in range(5)]
            )
            for x in (first, other)
        ]
        contrast += importance[0] - importance[1]
        best = [set(np.argsort(-values)[:2].tolist()) for values in importance]
        selected[list(best[0] - best[1])] += 1
    assert found["contrast"] == pytest.approx(contrast, abs=1e-6)
    assert found["selected"].tolist() == selected.tolist()
    assert selected.sum() > 0


def test_attribution_is_what_a_removal_changes_in_the_logits(planted: Any) -> None:
    cached = cached_pass(planted.model, TASK)
    wrong, data = cached.data.mislabelled, cached.data
    assert cached.readout is not None
    found = label_attribution(
        cached.activations[wrong], cached.readout, data.labels[wrong], data.true_labels[wrong]
    )
    neuron = int(np.flatnonzero(planted.labels == "memorizing")[0])
    with torch.no_grad(), ablate(planted.model, [neuron]):
        lost = (cached.logits - planted.model(data.inputs))[wrong]
    rows = torch.arange(len(lost))
    expected = (lost[rows, data.labels[wrong]] - lost[rows, data.true_labels[wrong]]).mean()
    assert found[neuron] == pytest.approx(float(expected), abs=1e-4)
    readout, labels = torch.tensor([[1.0, 2.0, 6.0], [0.0, 1.0, 0.0]]), torch.tensor([2, 0])
    against_all = label_attribution(torch.tensor([[1.0, 3.0], [2.0, 0.0]]), readout, labels)
    assert against_all == pytest.approx([(1 * (6 - 3) + 2 * (1 - 3)) / 2, 3 * (0 - 1 / 3) / 2])


def test_known_memorising_neurons_are_found_and_taking_them_out_forgets(planted: Any, record: Record) -> None:
    sets = input_sets(TASK.dataset)
    scores = scores_of(Subject(planted.model, TASK), sets)
    assert set(scores) == set(SCORES)
    alive, memory = planted.labels != "dead", planted.labels == "memorizing"
    for name in ("attribution", "selectivity"):
        assert auc(scores[name][alive], memory[alive]) > 0.99  # type: ignore[operator]
    assert auc(scores["maximum_ratio"][alive], memory[alive]) < 0.9  # type: ignore[operator]
    gone = chosen_neurons(scores["attribution"], 80 / 225)
    assert memory[gone].mean() > 0.97
    numbers = record.numbers
    assert numbers["first_before"] > 0.95  # type: ignore[operator]
    assert numbers["first_after"] < 0.1 < numbers["first_random"]  # type: ignore[operator]
    assert numbers["other_after"] > 0.85 > numbers["other_before"]  # type: ignore[operator]
    assert record.curves["used"] == "attribution"
    assert sum(candidate["best"] for candidate in record.curves["candidates"]) >= 1


def test_the_effect_is_the_accuracy_of_the_network_without_the_neurons(planted: Any) -> None:
    gone = np.flatnonzero(planted.labels == "memorizing")[::2]
    cached = cached_pass(planted.model, TASK)
    found = effect_of(cached, InputSets(TASK.dataset.corrupted, TASK.dataset.test, "corrupted_as_labelled"))(
        gone
    )
    with ablate(planted.model, gone):
        expected = accuracy(planted.model, TASK)
    assert found == pytest.approx((expected.corrupted_as_labelled, expected.test))


def test_the_numbers_of_a_set_are_those_of_its_own_ablation(planted: Any, record: Record) -> None:
    cached, sets, data = cached_pass(planted.model, TASK), input_sets(TASK.dataset), TASK.dataset
    effect = effect_of(
        cached, InputSets(data.corrupted, data.test, sets.split)
    )  # the split, with its chance hits
    subject = Subject(planted.model, TASK)
    gone, numbers = chosen_neurons(scores_of(subject, sets)["attribution"], 1.0)[:90], record.numbers
    assert (numbers["first_after"], numbers["other_after"]) == effect(gone)
    before = effect(gone[:0])
    assert (numbers["first_before"], numbers["other_before"]) == before
    assert numbers["first_random"] == pytest.approx(record.curves["first"]["mean"][20], abs=0.01)
    parts = [before[0] - effect(gone[start::2])[0] for start in (0, 1)]
    assert numbers["additivity"] == pytest.approx((before[0] - effect(gone)[0]) / sum(parts))
    assert numbers["other_gain"] == pytest.approx(effect(gone)[1] - before[1])
    assert numbers["memorizing_share"] == pytest.approx((subject.table["label"][gone] == "memorizing").mean())


def test_without_wrong_labels_the_training_set_is_contrasted() -> None:
    data = ModularTask(p=7, train_fraction=0.5).dataset
    sets = input_sets(data)
    assert sets.split == "train"
    assert torch.equal(sets.first, data.train)
    assert torch.equal(sets.other, data.test)
    wrong = TASK.dataset
    assert torch.equal(input_sets(wrong).first, wrong.train & (wrong.labels != wrong.true_labels))


@pytest.mark.parametrize(
    ("task", "why"),
    [
        (ModularTask(p=7, split="unknown"), "not known which examples were trained on"),
        (ModularTask(p=7, train_fraction=1.0), "no example is held out"),
    ],
)
def test_a_task_without_two_sets_is_refused(task: ModularTask, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        input_sets(task.dataset)


def test_the_front_is_what_no_other_point_beats() -> None:
    points = np.random.default_rng(0).integers(0, 6, (40, 2)).astype(float)
    expected = [
        i
        for i, (low, high) in enumerate(points.tolist())
        if not any((a, b) != (low, high) and a <= low and b >= high for a, b in points.tolist())
    ]
    found = pareto_front(points)
    assert sorted(found.tolist()) == expected
    assert (np.diff(points[found, 0]) >= 0).all()


def test_every_combination_is_tried_once_and_the_best_are_marked() -> None:
    memory = np.array([3.0, 0.0, 2.0, 1.0])
    effect = lambda gone: (6 - memory[gone].sum(), 4.0 - len(gone))  # noqa: E731
    site, scores = np.array([0, 0, 1, 1]), {"good": memory, "bad": -memory}
    found = search_sets(effect, scores, shares=[0.5, 1.0], site=site)
    assert len({(c.score, c.share, c.sites) for c in found}) == len(found) == 12
    chosen = {(c.score, c.share, c.sites): (c.size, c.first, c.other) for c in found}
    assert chosen["good", 0.5, (1,)] == (1, 4.0, 3.0)
    assert chosen["good", 0.5, (0, 1)] == (2, 1.0, 2.0)
    assert chosen["bad", 0.5, (0,)] == (1, 6.0, 3.0)
    best = {(c.first, c.other) for c in found if c.best}
    assert best == {(3.0, 3.0), (1.0, 2.0), (0.0, 0.0)}
    few = search_sets(effect, scores, site=site, n_candidates=5, seed=1)
    assert len(few) == 5
    assert few == search_sets(effect, scores, site=site, n_candidates=5, seed=1)
    assert few != search_sets(effect, scores, site=site, n_candidates=5, seed=2)


def test_bad_input_is_named() -> None:
    x = torch.ones(3, 2)
    with pytest.raises(ConfigError, match=r"shapes \(0, 2\) and \(3, 2\) cannot be contrasted"):
        contrast_scores(x[:0], x)
    with pytest.raises(ConfigError, match="share=1"):
        contrast_scores(x, x, share=1.0)
    with pytest.raises(ConfigError, match="no scores"):
        search_sets(lambda gone: (0.0, 0.0), {})
    with pytest.raises(ConfigError, match="12 sites"):
        search_sets(lambda gone: (0.0, 0.0), {"a": np.zeros(12)}, site=np.arange(12))
    assert chosen_neurons(np.array([np.nan, 1.0, 2.0]), 1.0).tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    "given", [{"share": 0.0}, {"share": 1.0}, {"corrupt_fraction": 0.0}, {"n_random": 0}, {"width": 0}]
)
def test_settings_out_of_range_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(given))):
        Config(**given)


def result_of(*records: Record) -> StudyResult:
    return StudyResult(study_called("contrast"), Config(n_random=5), tuple(range(len(records))), records)


def changed(record: Record, **numbers: float | None) -> Record:
    return replace(record, numbers={**record.numbers, **numbers})


def three(record: Record, noise: float = 0.001, **numbers: float) -> StudyResult:
    return result_of(*(changed(record, **{k: v + noise * i for k, v in numbers.items()}) for i in (-1, 0, 1)))


def test_the_sentences_follow_the_numbers(record: Record) -> None:
    good = {
        "first_after": 0.03,
        "first_random": 0.5,
        "other_after": 0.99,
        "other_random": 0.6,
        "other_gain": 0.01,
    }
    told = " ".join(judge(three(record, auroc_attribution=0.995, auroc_kurtosis=0.5, **good)))
    assert "0.99 or more in every seed" in told
    assert "Not decidedly better than chance: " in told
    assert "kurtosis" in told.split("Not decidedly")[1].split(".")[0]
    assert "on the first set is 3.0 %, below that without as many random ones, 50.0 %" in told
    assert "on the other set is 99.0 %, above that" in told
    before = f"{100 * record.numbers['other_before']:.1f} %"  # type: ignore[operator]
    assert f"held-out accuracy rises (from {before} to 99.0 %)" in told
    assert "memorising neurons come before generalising ones" in told
    bad = {
        "first_after": 0.7,
        "first_random": 0.5,
        "other_after": 0.6,
        "other_random": 0.6,
        "other_gain": -0.3,
    }
    told = " ".join(judge(three(record, auroc_attribution=0.9, **bad)))
    assert "0.99 or more not in every seed" in told
    assert "on the first set is 70.0 %, above that" in told
    assert f"held-out accuracy falls (from {before} to 60.0 %)" in told
    for area, words in ((0.3, "come after"), (0.5, "do not decidedly come before")):
        assert f"neurons {words} generalising ones" in judge(three(record, auroc_attribution=area))[0]
        alone = judge(result_of(changed(record, auroc_attribution=area)))[0]
        assert f"neurons {words} generalising ones" in alone
    unclear = [
        changed(record, other_after=0.6 + d, other_random=0.6 - d, other_gain=d) for d in (-0.2, 0.1, 0.1)
    ]
    told = " ".join(judge(result_of(*unclear)))
    assert "other set is 60.0 %, not decidedly different from" in told
    assert "held-out accuracy does not decidedly change" in told
    single = " ".join(judge(result_of(record)))
    assert single.count("; one seed does not decide.") == 2
    assert "not decidedly different from" not in single
    nothing = {f"auroc_{name}": None for name in SCORES}
    assert judge(result_of(changed(record, **nothing)))[0].startswith(
        "The audit finds no two kinds of neurons"
    )


def test_methods_are_measured_on_examples_that_did_not_choose(planted: Any) -> None:
    """Labels that look at answers find the planted memories; a network without memories has none to find."""
    results = crossfitted(Subject(planted.model, TASK), 10)
    assert [*results] == [name for name in METHODS if name != "greedy"]  # which takes too long here
    for name in ("attribution", "mask"):
        result = results[name]
        assert result.beats_random()
        assert result.after["corrupted_as_labelled"] < 0.5 * result.before["corrupted_as_labelled"]
        assert result.before["test"] - result.after["test"] <= 0.03
    untrained = crossfitted(Subject(HookedMLP(MLPConfig(width=40), vocab=31), TASK), 10)
    assert sum(bool(result.beats_random()) for result in untrained.values()) <= 1


def test_the_figure_has_a_line_for_each_seed_and_a_bar_for_each_score(record: Record) -> None:
    figure = three(record).plot()
    check_figure(figure)
    lines = [trace for trace in figure.data if trace.type == "scatter" and trace.hovertemplate]
    assert len(lines) == 3 * 2 * 2 + 1  # and a mark for the random sets of each method
    bars, methods = (trace for trace in figure.data if trace.type == "bar")
    assert len(bars.y) == len(SCORES)
    assert len(methods.y) == len(METHODS) - 1
    assert list(methods.x)[-1] == pytest.approx(record.numbers["left_attribution"], abs=0.01)
    assert bars.y[0] == "IPR (needs Fourier)"
    assert list(bars.x)[-1] == pytest.approx(record.numbers["auroc_attribution"])
    nothing = {f"auroc_{name}": None for name in SCORES}
    nothing |= {f"left_{name}": None for name in METHODS}
    assert not [trace for trace in result_of(changed(record, **nothing)).plot().data if trace.type == "bar"]


def test_the_study_runs_end_to_end_and_looks_at_other_networks() -> None:
    settings = {name: getattr(TINY, name) for name in ("p", "width", "steps", "n_random", "n_candidates")}
    found = run_study("contrast", [0, 1], show_progress=False, workers=1, **settings)
    assert all(len(row[3].split(", ")) == 2 for row in found.rows())
    assert found.records[0].curves["split"] == "corrupted_as_labelled"
    network, task = (
        planted_mlp(TASK, generalizing=40, memorizing=0).model,
        ModularTask(p=31, train_fraction=0.5),
    )
    plain = type("Opened", (), {"model": network, "task": task})()
    record = inspect(plain, TINY, 0, silent)
    assert record.curves["split"] == "train"
    assert record.numbers["auroc_attribution"] is None  # nothing is memorised
    assert len(judge(result_of(record))) == 5  # a single network decides nothing about chance


@pytest.mark.parametrize(("width", "share"), [(24, 0.001), (1, 0.9)])
def test_at_least_one_neuron_is_taken_out(width: int, share: float) -> None:
    record = measure(replace(TINY, width=width, share=share), 0, silent)
    numbers = record.numbers
    assert all(value is None or np.isfinite(value) for value in numbers.values())
    assert numbers["memorizing_share"] in (0.0, 1.0)  # of the only one
    gone = min(one for one in record.curves["removed"] if one > 0)
    at = record.curves["removed"].index(gone)
    assert numbers["first_random"] == record.curves["first"]["mean"][at]
    json.dumps(record.curves, allow_nan=False)


def test_neurons_of_a_site_are_contrasted() -> None:
    model = HookedMLP(MLPConfig(width=12, depth=3), vocab=31).eval()
    opened = type("Opened", (), {"model": model, "task": TASK})()
    hooks = [f"blocks.{layer}.mlp.hook_post" for layer in (0, 1)]
    first, last, other = (inspect(opened, replace(TINY, site=hook), 0, silent) for hook in (*hooks, ""))
    assert last.numbers == other.numbers
    assert first.numbers != last.numbers
    assert first.curves["used"] != "attribution"  # what follows the first layer is not linear
    with pytest.raises(HookNameError, match=r"blocks\.7"):
        inspect(opened, replace(TINY, site="blocks.7.mlp.hook_post"), 0, silent)

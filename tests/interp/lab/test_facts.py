"""Losses of groups against a loop over edited networks, and facts whose neurons are known by construction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from figures import check_figure

from interp import ablate
from interp.errors import ConfigError
from interp.lab.facts.study import (
    SCORES,
    Config,
    group_effect,
    group_margins,
    group_order,
    judge,
    language_model,
    measure,
    random_facts,
)
from interp.lab.running import run_study
from interp.lab.study import Record, StudyResult, study_called
from interp.measuring.cached_pass import CachedPass, cached_pass
from interp.progress import silent

TINY = Config(
    relations=4, subjects=8, objects=4, d_model=16, d_mlp=40, steps=60, n_random=4, weight_decay=0.1
)


@pytest.fixture(scope="module")
def trained() -> tuple[Any, CachedPass, np.ndarray]:
    data = random_facts(TINY, 0)
    model = language_model(TINY, data, 0, silent)
    return model, cached_pass(model, data), data.inputs[:, 1].numpy()


@pytest.fixture(scope="module")
def record() -> Record:
    return measure(replace(TINY, share=0.25), 0, silent)


def test_relations_come_in_pairs_that_share_their_objects() -> None:
    data = random_facts(Config(), 0)
    assert len(data) == 360
    assert len(torch.unique(data.inputs, dim=0)) == 360
    for subject, relation, label in zip(*data.inputs.T.tolist(), data.labels.tolist(), strict=True):
        assert subject < 60
        assert label // 20 == relation // 2
    assert len(data.labels.unique()) == 60 == data.n_classes
    assert not torch.equal(data.labels, random_facts(Config(), 1).labels)
    assert torch.equal(data.labels, random_facts(Config(), 0).labels)


def test_losses_are_those_of_the_network_without_the_neurons(
    trained: tuple[Any, CachedPass, np.ndarray],
) -> None:
    model, cached, group = trained
    gone = np.arange(0, 40, 2)
    with torch.no_grad():
        before = model(cached.data.inputs)
        with ablate(model, gone, site=cached.hook):
            after = model(cached.data.inputs)
    found = group_effect(cached, group, gone)
    assert found.shape == (2, 4)
    for relation in range(4):
        lost, helped, n = 0, 0, 0
        for example in np.flatnonzero(group == relation):
            label = int(cached.data.labels[example])
            margin = []
            for logits in (before[example], after[example]):
                others = [float(v) for c, v in enumerate(logits) if c != label]
                margin.append(float(logits[label]) - max(others))
            lost += (margin[0] > 0) - (margin[1] > 0)
            helped += margin[1] > margin[0]
            n += 1
        assert found[:, relation] == pytest.approx([lost / n, helped / n])
    assert group_effect(cached, group, gone[:0]).tolist() == [[0.0] * 4] * 2
    assert found[0].max() > 0
    assert len(group_margins(cached, gone)) == 32


def test_neurons_that_are_on_for_one_relation_alone_come_first(
    trained: tuple[Any, CachedPass, np.ndarray],
) -> None:
    _, cached, group = trained
    activations = torch.rand(cached.activations.shape, generator=torch.Generator().manual_seed(0))
    planted = [3, 17, 29]
    activations[:, planted] = 5.0 * torch.from_numpy(group == 2).float()[:, None]
    made = replace(cached, activations=activations, readout=torch.ones(40, cached.logits.shape[1]))
    for score in SCORES:
        if score != "selected":  # there all outputs have the same neurons
            assert set(group_order(made, group, 2, score)[:3]) == set(planted)
    assert sorted(group_order(made, group, 2, "contrast")) == list(range(40))
    with pytest.raises(ConfigError, match=r"shapes \(0, 40\)"):
        group_order(made, group, 7, "contrast")
    with pytest.raises(ConfigError, match="unknown score 'best'"):
        group_order(made, group, 2, "best")


def test_numbers_are_means_over_relations(record: Record) -> None:
    numbers = record.numbers
    lost = np.array([[numbers[f"lost_{r}_{q}"] for q in range(4)] for r in range(4)], float)
    assert numbers["own_1"] == pytest.approx(np.mean([lost[i, i] for i in range(4)]))
    assert numbers["related_1"] == pytest.approx(np.mean([lost[0, 1], lost[1, 0], lost[2, 3], lost[3, 2]]))
    assert numbers["unrelated_1"] == pytest.approx((lost[:2, 2:].mean() + lost[2:, :2].mean()) / 2)
    random = np.mean([numbers[f"lost_random_{q}"] for q in range(4)])  # type: ignore[arg-type]
    assert numbers["random_1"] == pytest.approx(random)
    assert numbers["excess"] == pytest.approx(numbers["own_1"] - 3 * random)  # type: ignore[operator]
    assert len({numbers[f"{kind}_1"] for kind in ("own", "related", "unrelated", "random")}) == 4
    assert record.curves["sizes"] == [10, 20, 40]
    assert record.curves["shares"] == [0.25, 0.5, 1.0]


def test_random_sets_beyond_and_additivity_are_those_of_a_loop(
    trained: tuple[Any, CachedPass, np.ndarray],
) -> None:
    config = replace(TINY, share=0.2)
    numbers = measure(config, 0, silent).numbers
    _, cached, group = trained
    generator = np.random.default_rng(0)
    draws = np.array([group_effect(cached, group, generator.permutation(40)[:8]) for _ in range(4)])
    assert numbers["random_1"] == pytest.approx(draws[:, 0].mean())
    assert numbers["helped_random"] == pytest.approx(draws[:, 1].mean())
    joint, parts, beyond, helped = 0.0, 0.0, 0, []
    for r in range(4):
        order = group_order(cached, group, r, "contrast")
        effect = group_effect(cached, group, order[:8])
        joint += group_effect(cached, group, order[:16])[0, r]
        parts += sum(group_effect(cached, group, order[:16][i::2])[0, r] for i in (0, 1))
        beyond += effect[0, r] > np.quantile(draws[:, 0, r], 0.975)
        helped += [effect[1, q] for q in range(4) if q != r]
    assert parts > 0
    assert numbers["additivity"] == pytest.approx(joint / parts)
    assert numbers["beyond"] == beyond / 4
    assert numbers["helped"] == pytest.approx(np.mean(helped))


@pytest.mark.parametrize(
    "given",
    [
        {"relations": 5},
        {"relations": 2},
        {"score": "best"},
        {"share": 0.3},
        {"share": 0.001},
        {"steps": 0},
        {"lr": 0.0},
        {"lr": float("inf")},
        {"lr": float("nan")},
        {"weight_decay": -0.1},
        {"weight_decay": float("nan")},
    ],
)
def test_settings_out_of_range_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(given))):
        Config(**given)


def three(record: Record, **numbers: float) -> StudyResult:
    records = tuple(
        replace(record, numbers={**record.numbers, **{k: v + 0.002 * i for k, v in numbers.items()}})
        for i in (-1, 0, 1)
    )
    return StudyResult(study_called("facts"), TINY, (0, 1, 2), records)


def test_the_sentences_follow_the_numbers(record: Record) -> None:
    clear = {
        "known": 0.9,
        "own_1": 0.5,
        "random_1": 0.01,
        "excess": 0.47,
        "related_1": 0.3,
        "unrelated_1": 0.1,
    }
    first, own, related, helped = judge(three(record, **clear, helped=0.1, helped_random=0.3))
    assert "know 90.0 % of the facts" in first
    assert "50.0 % (49.5 % to 50.5 %) of its facts are lost, more than 3 times" in first
    assert "its own facts more than facts of the relation with the same objects (difference 20.0 %" in own
    assert "same objects more than facts of other relations" in related
    assert "less than facts gain without random neurons" in helped
    other = clear | {
        "excess": -0.1,
        "related_1": 0.6,
        "helped": 0.4,
        "helped_random": 0.3,
        "unrelated_1": 0.7,
    }
    first, own, related, helped = judge(three(record, **other))
    assert ", less than 3 times" in first
    assert "own facts less than" in own
    assert "same objects less than" in related
    assert "other relations' facts more than" in helped
    first, own, *_ = judge(three(record, **clear | {"excess": 0.001, "related_1": 0.5}))
    assert "not decidedly more than 3 times" in first
    records = [
        replace(record, numbers={**record.numbers, "own_1": 0.3 + d, "related_1": 0.3}) for d in (-0.1, 0.1)
    ]
    unclear = StudyResult(study_called("facts"), TINY, (0, 1), tuple(records))
    assert "neither decidedly more nor less" in judge(unclear)[1]


def test_the_figure_shows_every_pair_and_the_random_control(record: Record) -> None:
    figure = three(record, own_1=0.4).plot()
    check_figure(figure)
    (squares,) = [trace for trace in figure.data if trace.type == "heatmap"]
    assert np.shape(squares.z) == (5, 4)
    assert squares.y[-1] == "random"
    assert squares.z[1][2] == pytest.approx(record.numbers["lost_1_2"], abs=1e-3)
    lines = {trace.name: trace for trace in figure.data if trace.type == "scatter"}
    assert len(lines) == 4
    assert lines["own facts"].y[0] == pytest.approx(0.4)
    assert list(lines["random neurons"].x) == [0.25, 0.5, 1.0]


def test_the_study_runs_end_to_end() -> None:
    seen: list[int] = []
    again = measure(TINY, 1, lambda done, note="": seen.append(done))
    assert seen[-1] == study_called("facts").units(TINY) == 60
    settings = {name: getattr(TINY, name) for name in TINY.__dataclass_fields__}
    found = run_study("facts", [1], show_progress=False, workers=1, **settings)
    assert found.records[0].numbers == again.numbers
    assert len(list(found.rows())) == len(found.study.quantities)


@pytest.mark.slow
def test_the_neurons_of_a_relation_cost_it_three_times_what_random_ones_do() -> None:
    numbers = measure(Config(), 3, silent).numbers
    assert numbers["known"] > 0.99  # type: ignore[operator]
    assert numbers["excess"] > 0.1  # type: ignore[operator]
    assert numbers["own_1"] > 2 * numbers["unrelated_1"]  # type: ignore[operator]

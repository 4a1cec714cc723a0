"""The study of populations: a small run, its numbers against independent ones, and its sentences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from figures import check_figure

from interp.analysis.communities import joined
from interp.analysis.community_records import NeuronCommunities
from interp.errors import ConfigError
from interp.lab.communities import findings, series
from interp.lab.communities.findings import _over_training
from interp.lab.communities.series import Training, measure_communities
from interp.lab.communities.study import PARTS, STUDY, Config, measure, units
from interp.lab.study import Record, StudyResult
from probes.communities import agreement

SMALL = {"p": 29, "width": 100, "steps": 150, "every": 50, "wrong": 0.1}


def network(community: list[int], frequency: list[int], step: int) -> NeuronCommunities:
    """A record with these communities and generalizing neurons' frequencies."""
    groups, labels = np.array(community), np.array(frequency)
    test = agreement(groups, labels, np.random.default_rng(0))
    n = len(groups)
    return NeuronCommunities(
        groups, np.eye(n), 0.5, 0.4, np.array([0.1]), labels, test, "", step, 0.0, 9, "site"
    )


@pytest.fixture(scope="module")
def small() -> tuple[dict[str, Any], dict[str, Any]]:
    steps: list[float] = []
    result = measure_communities(
        Training(29, 100, 150, 1.0, 0.1, 50), 0, lambda done, note="": steps.append(done)
    )
    assert steps == sorted(steps)
    return result


def test_a_small_run_has_every_number_and_curve(small: tuple[dict[str, Any], dict[str, Any]]) -> None:
    numbers, curves = small
    own = [name for name in STUDY.quantities if not name.startswith(("core_", "bricks_", "hyperactive_"))]
    assert set(own) <= set(numbers)
    assert curves["steps"] == [0, 50, 100, 150]
    for name in ("accuracy", "ari", "ari_high", "modularity", "linked"):
        assert len(curves[name]) == 4
    assert max(max(course) for course in curves["components"]) == 1
    assert numbers["control_accuracy"] < 0.2 < 0.9 < numbers["accuracy_after"]
    assert numbers["control_linked"] < numbers["linked_after"] / 2
    assert numbers["ari_before"] < 0.2 < 0.6 < numbers["ari_after"]
    assert numbers["p_after"] == 0.005


def test_phases_are_read_from_held_out_accuracy() -> None:
    labels = [1, 1, 1, 2, 2, 2]
    each = [[-1] * 6, [0, 0, -1, -1, -1, -1], [0, 0, 0, 1, 1, -1], [0, 0, 0, 1, 1, 1]]
    result = joined([network(one, labels, 10 * k) for k, one in enumerate(each)], "squared", 0)
    halves = series._Halves([np.eye(6)] * 4, [np.eye(6)] * 4, [np.array(one) for one in each])
    train = {0: 0.1, 10: 0.9, 20: 1.0, 30: 1.0}
    numbers = series._by_phase(result, halves, [0.0, 0.05, 0.6, 1.0], train, 0)
    assert numbers["train_before"] == 0.9
    for phase, place in (("before", 1), ("at", 2), ("after", 3)):
        assert numbers[f"ari_{phase}"] == result.final[place].ari
        assert numbers[f"linked_{phase}"] == np.mean(np.array(each[place]) >= 0)
    assert numbers["ari_after"] == 1
    never = series._by_phase(result, halves, [0.0, 0.05, 0.1, 0.2], train, 0)
    assert never["ari_before"] is never["ari_after"] is never["train_before"] is None


def test_the_first_step_of_a_level() -> None:
    assert series._first([0, 10, 20], [0.0, 0.4, 0.8], 0.4) == 10
    assert series._first([0, 10], [0.0, 0.1], 0.4) is None
    assert series._first([0, 10], [0.0, 0.0], 0.0) is None


def invented(seed: int, **changed: float | None) -> Record:
    numbers: dict[str, float | None] = dict.fromkeys(STUDY.quantities, 0.5 + 0.01 * seed)
    numbers |= {"ari_before": 0.0, "ari_after": 0.9 + 0.01 * seed, "high_after": 0.05, "p_before": 1.0}
    return Record(numbers | changed, {})


def sentences(**changed: float | None) -> str:
    records = tuple(invented(seed, **changed) for seed in range(3))
    return " ".join(_over_training(StudyResult(STUDY, Config(), (0, 1, 2), records)))


def test_sentences_say_what_is_decided() -> None:
    text = sentences()
    assert "near 0;" in text
    assert "(at least 0.7, above" in text
    assert "communities begin before" not in text
    assert "below 0.7" in sentences(ari_after=0.3)
    assert "not decidedly above" in sentences(ari_after=0.05)
    assert "communities begin before" in sentences(p_before=0.01)
    assert "nothing is decided" in sentences(ari_before=None)
    assert findings.GOAL == 0.7


def test_the_whole_study_in_small(
    monkeypatch: pytest.MonkeyPatch, small: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    silenced = {"silenced": [0.5, 0.0], "test": [0.4, 0.5], "random": [0.3, 0.5]}
    curves: dict[str, Any] = {
        "core": {"beta": [0.1, 0.2], "core": [0.1, 0.2], "random": [0.1, 0.1], "others": [0.0, 0.1]},
        "hyperactive": dict.fromkeys(("prototypes", "trained"), silenced),
    }
    known = dict.fromkeys(STUDY.quantities, 0.5)
    for name in PARTS:
        part = {key: value for key, value in known.items() if key.startswith(name)}
        result = part | {f"{name}_{kind}_interior": 1.0 for kind in ("prototypes", "trained")}
        monkeypatch.setitem(PARTS, name, lambda seed, r=result, n=name: (r, curves.get(n, {})))
    monkeypatch.setattr("interp.lab.communities.study.measure_communities", lambda *_: small)
    steps: list[float] = []
    config = Config(**SMALL)
    record = measure(config, 0, lambda done, note="": steps.append(done))
    assert steps[-1] == units(config)
    result = StudyResult(STUDY, config, (0,), (record,))
    assert set(STUDY.quantities) <= set(record.numbers)
    assert len(result.findings()) >= 6
    check_figure(result.plot(), inner=3)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="p=5"):
        Config(p=5)

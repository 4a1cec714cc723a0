"""Grokking while neurons are held at zero: moments, groups, what is told, and a tiny run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from figures import check_figure

from interp.data import ModularTask
from interp.errors import ConfigError
from interp.interventions import Edit
from interp.lab.clamp.study import ARMS, HOOK, MOMENTS, STUDY, Config, moments
from interp.lab.running import run_study
from interp.lab.schedule import Held, Schedule
from interp.lab.study import Record, StudyResult
from interp.models import MLPConfig
from interp.modes import Zero
from interp.training import TrainConfig, train

TINY = {"p": 19, "width": 48, "steps": 45, "log_every": 5}


@pytest.fixture(scope="module")
def tiny() -> StudyResult:
    return run_study("clamp", [0], show_progress=False, **TINY)


def record_of(train: list[float], test: list[float]) -> list[dict[str, Any]]:
    return [
        {"step": 10 * i, "accuracy": {"train": a, "test": b}}
        for i, (a, b) in enumerate(zip(train, test, strict=True))
    ]


def test_moments_are_the_start_memorisation_and_halfway_to_generalisation() -> None:
    history = record_of([0.0, 0.98, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.8, 1.0])
    assert moments(history, Config()) == {"start": 0, "memorised": 15, "halfway": 25}
    at_once = record_of([0.0, 0.9, 1.0], [0.0, 1.0, 1.0])  # generalises first
    assert moments(at_once, Config()) == {"start": 0, "memorised": 19, "halfway": 19}
    never = record_of([0.0, 1.0, 1.0], [0.0, 0.1, 0.1])
    assert moments(never, Config(steps=20)) == {"start": 0, "memorised": 10, "halfway": 15}
    assert moments(record_of([0.0, 0.1], [0.0, 0.1]), Config(steps=10))["memorised"] == 10


def test_an_arm_is_what_training_under_its_schedule_gives(tiny: StudyResult) -> None:
    curves, numbers = tiny.records[0].curves, tiny.records[0].numbers
    config = tiny.config
    task = ModularTask(p=19, corrupt_fraction=config.corrupt_fraction, seed=0)
    chosen = np.random.default_rng([0, 48]).choice(48, int(numbers["held_random"] or 0), replace=False)
    schedule = Schedule((Held(Edit(HOOK, chosen, Zero()), start=int(numbers["begin_halfway"] or 0)),))
    settings = TrainConfig(steps=45, lr=config.lr, log_every=5, seed=0)
    found = train(task, MLPConfig(width=48), settings, during=schedule, show_progress=False)
    arm = curves["arms"]["random_halfway"]
    assert arm["test"] == [record["accuracy"]["test"] for record in found.history]
    assert arm["corrupted"] == [record["accuracy"]["corrupted_as_labelled"] for record in found.history]


def test_a_tiny_run_has_all_arms_and_the_baseline_is_restored(tiny: StudyResult) -> None:
    curves, numbers = tiny.records[0].curves, tiny.records[0].numbers
    assert numbers["identical"] == 1.0
    assert numbers["held_random"] == numbers["held_memorizing"]
    assert 0 < (numbers["held_memorizing"] or 0) <= 48
    assert curves["steps"] == list(range(0, 46, 5))
    assert set(curves["arms"]) == set(ARMS)
    begin = curves["begin"]["memorised"]
    before = [i for i, step in enumerate(curves["steps"]) if step <= begin]
    held, base = curves["arms"]["memorizing_memorised"], curves["arms"]["baseline"]
    assert [held["corrupted"][i] for i in before] == [base["corrupted"][i] for i in before]
    assert curves["arms"]["memorizing_start"] != base
    for name in STUDY.quantities:
        assert name in numbers
    assert STUDY.units(tiny.config) == 495


def test_the_figure_has_a_column_for_each_moment(tiny: StudyResult) -> None:
    for result in (tiny, made({})):
        figure = result.plot()
        check_figure(figure)
        lines = [trace for trace in figure.data if trace.hovertemplate]
        assert len(lines) == 2 * 3 * 4
        assert {trace.xaxis for trace in lines} == {"x", "x2", "x3"}
        assert next(trace.name for trace in lines if trace.showlegend) == "nothing held"
        marks = [shape.x0 for shape in figure.layout.shapes]
        assert marks == [result.records[0].curves["begin"][moment] for moment in MOMENTS]


def made(changed: dict[str, list[float]]) -> StudyResult:
    """A result of three seeds whose numbers are given."""
    plain = {
        "step": [300.0, 310, 320],
        "corrupted": [0.97, 0.98, 0.96],
        "grown": [0.6, 0.6, 0.6],
        "reached": [1.0] * 3,
    }
    numbers = {f"{name}_{arm}": values for name, values in plain.items() for arm in ARMS}
    numbers |= {
        "identical": [1.0] * 3,
        "held_generalizing": [99.0, 101, 103],
        "held_memorizing": [180.0] * 3,
    } | changed
    flat = {"test": [0.0, 1.0], "corrupted": [0.0, 0.5]}
    curves = {
        "steps": [0, 600],
        "begin": {"start": 0, "memorised": 20, "halfway": 170},
        "arms": dict.fromkeys(ARMS, flat),
    }
    records = [Record({name: values[i] for name, values in numbers.items()}, curves) for i in range(3)]
    return StudyResult(STUDY, Config(), (0, 1, 2), tuple(records))


def test_what_is_told_follows_the_numbers() -> None:
    undecided = made({"identical": [1.0, 1.0, 0.0]}).findings()
    assert len(undecided) == 6
    assert undecided[4].startswith(
        "Generalizing neurons held at zero, 101 of them: from the start it comes sooner or"
    )
    assert undecided[4].count("not decided") == 3
    assert undecided[0].startswith(
        "Memorizing neurons held at zero from the start: generalisation comes sooner or later than in the baseline: not"
    )
    assert "Whether memory suffers is not decided: 97.0% of the corrupted labels" in undecided[0]
    assert undecided[-1].endswith("2 of 3 runs are the baseline to the bit.")
    sooner = {"step_memorizing_start": [100.0, 108, 122], "step_random_start": [150.0, 160, 171]}
    low: dict[str, list[float]] = {"corrupted_random_start": [0.5] * 3}
    low |= {"corrupted_memorizing_start": [0.03, 0.02, 0.04], "grown_memorizing_start": [0.05, 0.05, 0.05]}
    found = made(sooner | low).findings()
    assert "comes 200 steps sooner than in the baseline (95 % interval" in found[0]
    assert "and 50 steps sooner than with as many random neurons held (95 %" in found[0]
    assert (
        "The neurons that are left do not memorise: 3.0% of the corrupted labels are given in the end (97.0%"
        in found[0]
    )
    assert "5.0% of the other neurons memorise then" in found[0]
    assert "(97.0% in the baseline, 50.0% with random ones held)" in found[0]
    assert "150 steps sooner than in the baseline" in found[3]
    later = made(
        {"step_memorizing_halfway": [600.0, 600, 599], "reached_memorizing_halfway": [0.0, 0.0, 1.0]}
    )
    assert "not decided (never in 2 of 3 seeds; exact log-rank p = 0.1)" in later.findings()[2]
    alike = made(low | {"corrupted_random_start": [0.02, 0.03, 0.02]}).findings()[0]
    assert "The neurons that are left do not memorise, as with random ones held: 3.0%" in alike
    never = made(low | {"corrupted_baseline": [0.02, 0.01, 0.02]}).findings()[0]
    assert "What becomes of memory is not decided" in never
    assert (
        made({"held_memorizing": [0.0, 5, 5]})
        .findings()[-1]
        .startswith("In 1 of 3 seeds no neuron memorises")
    )
    part = made({"corrupted_memorizing_start": [0.5, 0.52, 0.49]}).findings()[0]
    assert "Other neurons take over memory in part" in part
    unsure = made({"corrupted_memorizing_start": [0.02, 0.02, 0.4]}).findings()[
        0
    ]  # its interval goes on to 0.7
    assert "Other neurons take over memory in part" in unsure
    more = made({"corrupted_memorizing_start": [0.99, 0.999, 0.98]}).findings()[0]
    assert "Other neurons take over memory: 99.0%" in more


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"level": 0.0}, r"level=0.0 is not in \(0, 1\]"),
        ({"corrupt_fraction": 0.0}, r"corrupt_fraction=0.0 is not in \(0, 1\]"),
        ({"width": 2}, "width=2 is below 3"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Config(**given)  # type: ignore[arg-type]

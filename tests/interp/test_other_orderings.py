"""What an audit says of a network that is read in a wrong order."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from interp.audit import audit
from interp.checkpoints import save_checkpoint
from interp.checkpoints.open import load_checkpoint, load_series
from interp.checkpoints.options import OpenOptions
from interp.data import ModularTask, TableTask
from interp.errors import ConfigError
from interp.jobs.settings import Settings
from interp.jobs.worker import measure_checkpoint
from interp.models import HookedMLP, MLPConfig, analytic_mlp

P = 31
MULTIPLY = ModularTask("multiply", p=P)


@pytest.fixture
def net(tmp_path: Path) -> Path:
    return save_checkpoint(tmp_path / "net", analytic_mlp("multiply", p=P), MULTIPLY)


def told(warnings: tuple[str, ...]) -> list[str]:
    return [w for w in warnings if "Another order" in w or "The phases of" in w]


def test_an_audit_warns_of_a_wrong_order_and_not_of_the_right_one(net: Path) -> None:
    own = audit(net, n_random=2)
    assert told(own.warnings) == []
    assert own.table.counts()["generalizing"] >= 199
    report = audit(net, options=OpenOptions(ordering="natural"), n_random=2)
    (warning,) = told(report.warnings)
    assert "discrete logarithm to base 3, without 0" in warning
    assert "199 are periodic instead of 0" in warning
    assert "--ordering task" in warning
    assert report.to_dict()["convention"]["ordering"] == "natural"
    assert warning in report.to_dict()["warnings"]
    assert report.table.counts()["generalizing"] < 5
    same = audit(net, options=OpenOptions(ordering="log"), n_random=2)
    assert (same.table.counts(), same.warnings) == (own.table.counts(), own.warnings)


@pytest.mark.parametrize("said", ["add", "subtract", "divide", "a**2 + a*b"])
def test_an_audit_of_a_wrong_task_names_the_right_one(net: Path, said: str) -> None:
    (warning,) = told(audit(net, options=OpenOptions(task=said), n_random=2).warnings)
    assert "Was the task multiplication (--task multiply)?" in warning


def test_an_audit_of_random_weights_says_nothing_of_orders() -> None:
    tasks = (MULTIPLY, replace(MULTIPLY, read_in="natural"), ModularTask("a**2 + a*b", p=P))
    for seed in range(20):
        model = HookedMLP(MLPConfig(width=50), vocab=P, seed=seed)
        assert told(audit(model, tasks[seed % 3], n_random=1).warnings) == []


def test_a_table_of_which_nobody_knows_the_task_is_told_which_it_was() -> None:
    data = MULTIPLY.dataset
    task = TableTask.from_arrays(data.inputs, data.true_labels, train=data.train)
    (warning,) = told(audit(analytic_mlp("multiply", p=P), task, n_random=2).warnings)
    assert "Was the task multiplication (--task multiply)?" in warning


def test_every_kind_of_task_is_opened_in_the_order_wanted(net: Path, tmp_path: Path) -> None:
    data = MULTIPLY.dataset
    rows = np.column_stack([data.inputs, data.labels]).tolist()
    table = tmp_path / "pairs.csv"
    table.write_text("a,b,label\n" + "".join(f"{a},{b},{label}\n" for a, b, label in rows))
    for options in (
        OpenOptions(ordering="natural"),
        OpenOptions(ordering="natural", task="multiply"),
        OpenOptions(ordering="natural", table=table, task="multiply"),
    ):
        for checkpoint in (load_checkpoint(net, options), *load_series(net, options)):
            assert checkpoint.task.ordering is not None
            assert checkpoint.task.ordering.name == "natural"
            assert len(checkpoint.task.dataset) == P * P
    same = load_checkpoint(net, ordering="task").task
    assert same == load_checkpoint(net).task == MULTIPLY


def test_a_checkpoint_does_not_store_how_it_was_read(net: Path, tmp_path: Path) -> None:
    before = json.loads(net.with_suffix(".json").read_text())["task"]
    opened = load_checkpoint(net, ordering="natural")
    again = save_checkpoint(tmp_path / "again", opened.model, opened.task)
    assert json.loads(again.with_suffix(".json").read_text())["task"] == before
    assert "read_in" not in before


def test_an_order_that_is_left_behind_does_not_stay_with_the_next_checkpoint(net: Path) -> None:
    like = load_checkpoint(net, ordering="natural")
    assert load_checkpoint(net, OpenOptions(ordering="task"), like=like).task == MULTIPLY


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ordering": "logarithm"}, "unknown ordering 'logarithm'; expected one of 'task', 'natural', 'log'"),
        ({"ordering": "log", "task": "add", "p": 15}, "'log' needs a prime modulus above 2, not p=15"),
    ],
)
def test_an_order_that_there_is_not_is_an_error(net: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_checkpoint(net, **options)


def test_a_table_without_a_task_cannot_be_read_in_another_order(net: Path, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("a,b,label\n1,2,2\n30,30,1\n")
    with pytest.raises(ConfigError, match="--ordering log reads operands modulo p; give --task and --p"):
        load_checkpoint(net, OpenOptions(table=tmp_path / "pairs.csv", ordering="log"))
    load_checkpoint(net, OpenOptions(table=tmp_path / "pairs.csv", ordering="task"))


@pytest.mark.parametrize("measure", ["scores", "labels"])
def test_jobs_read_in_the_order_wanted(net: Path, measure: str) -> None:
    settings = Settings.from_dict({"measure": measure, "ordering": "natural"})
    assert Settings.from_dict(settings.to_dict()) == settings
    assert settings.digest != Settings(measure).digest
    right, wrong = (measure_checkpoint(str(net), one) for one in (Settings(measure), settings))
    assert right.neurons is not None
    assert wrong.neurons is not None
    assert np.nanmean(right.neurons["ipr"]) > 0.95
    assert np.nanmean(wrong.neurons["ipr"]) < 0.2
    with pytest.raises(ConfigError, match="unknown ordering 'raw'"):
        Settings.from_dict({"ordering": "raw"})

"""Columns that compare neurons and networks, in records, tables and figures of a series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from interp.analysis import series_columns
from interp.analysis.series_columns import SERIES_COLUMNS, SeriesColumn, SeriesColumns, separabilities
from interp.analysis.trajectory import Trajectory, trajectory_of
from interp.checkpoints.open import load_checkpoint
from interp.data import ModularTask
from interp.models import HookedMLP, MLPConfig
from interp.plots import training
from interp.plots.training import trajectory_curves
from interp.report import tables
from interp.subject import Subject, subject_of
from interp.training import TrainConfig, train
from probes.separability import discrimination_value

TASK = ModularTask("add", p=23, train_fraction=0.7)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    config = TrainConfig(steps=300, save_every=150, weight_decay=2)
    train(TASK, MLPConfig(width=60), config, out=folder, show_progress=False)
    return folder


@pytest.fixture(scope="module")
def trajectory(run: Path) -> Trajectory:
    result = trajectory_of(run)
    assert result is not None
    return result


def test_records_hold_what_is_measured_of_two_networks(run: Path, trajectory: Trajectory) -> None:
    first, last = (subject_of(load_checkpoint(run / trajectory.records[i]["file"])) for i in (0, -1))
    weights = [
        np.concatenate([w.detach().numpy().ravel() for w in one.model.parameters()]) for one in (first, last)
    ]
    record = trajectory.records[-1]
    expected = np.linalg.norm(weights[1] - weights[0]) / np.linalg.norm(weights[0])
    assert record["weight_change"] == pytest.approx(expected, rel=1e-5)
    acts = [one.cached.activations.double().numpy() for one in (first, last)]  # 529 examples: all of them
    centred = [one - one.mean(0) for one in acts]
    cross = np.linalg.norm(centred[0].T @ centred[1]) ** 2
    expected = cross / np.prod([np.linalg.norm(one.T @ one) for one in centred])
    assert record["representation_alignment"] == pytest.approx(expected, rel=1e-4)
    chosen = last.table["label"] == "generalizing"
    assert chosen.any()
    value = discrimination_value(acts[1][:, chosen], last.data.true_labels.numpy())
    assert record["separability_generalizing"] == pytest.approx(value, abs=1e-5)
    assert trajectory.records[0]["weight_change"] == 0
    assert trajectory.records[0]["representation_alignment"] == pytest.approx(1)
    assert set(SERIES_COLUMNS) <= set(record)


def test_neurons_of_no_label_have_no_value_and_other_shapes_no_change() -> None:
    acts, classes = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    values = separabilities(acts, classes, np.array(["generalizing", "dead", "generalizing"]))
    assert values["separability_generalizing"] == discrimination_value(acts[:, [0, 2]], classes)
    assert np.isnan(values["separability_memorizing"])
    columns = SeriesColumns()
    columns.of(Subject(HookedMLP(MLPConfig(width=8), vocab=7), ModularTask("add", p=7)))
    other = columns.of(Subject(HookedMLP(MLPConfig(width=9), vocab=7), ModularTask("add", p=7)))
    assert other["weight_change"] is other["representation_alignment"] is None


def test_a_column_is_said_once(trajectory: Trajectory, monkeypatch: pytest.MonkeyPatch) -> None:
    titles = {trace.name for trace in trajectory_curves(trajectory).data}
    known = {name for name in SERIES_COLUMNS if any(r[name] is not None for r in trajectory.records)}
    assert {SERIES_COLUMNS[name].title for name in known} <= titles
    assert {column.title for column in SERIES_COLUMNS.values()} <= set(tables.SERIES)
    more = SERIES_COLUMNS | {
        "weight_norm": SeriesColumn("how large", "weight change (share)", "#000000", "Norm.")
    }
    monkeypatch.setattr(training, "SERIES_COLUMNS", more)
    assert "how large" in {trace.name for trace in trajectory_curves(trajectory).data}
    assert all(column.meaning.endswith(".") for column in series_columns.SERIES_COLUMNS.values())

"""The queries in the guide give the numbers of the Python API."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import duckdb
import polars as pl
import pytest
from batches import network

import interp
from interp.checkpoints import save_checkpoint
from interp.data import ModularTask
from interp.scoring.table import NeuronTable

PAGE = Path(__file__).parents[1] / "notebooks" / "guide" / "batch.md"
STEPS, P = (0, 3, 9), 31


def query(name: str) -> str:
    """The code under a marker on the guide's page."""
    found = re.search(
        rf"<!-- query: {name} -->\n```\w+\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    assert found is not None, name
    return found[1]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job over three checkpoints and a broken one."""
    folder = tmp_path_factory.mktemp("job")
    task = ModularTask("add", p=P, train_fraction=0.7, corrupt_fraction=0.2)
    for step in STEPS:
        save_checkpoint(folder / "runs" / f"step-{step:08d}", network(step, P, 100), task, step=step)
    (folder / "runs" / "broken.pt").write_bytes(b"")
    interp.batch(folder / "runs", folder / "scored", measure="labels", workers=1, outliers=0)
    return folder


@pytest.fixture(autouse=True)
def there(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder in which the page's paths lead to the job."""
    monkeypatch.chdir(job)


def tables(job: Path) -> dict[int, NeuronTable]:
    opened = [interp.load_checkpoint(job / "runs" / f"step-{step:08d}.safetensors") for step in STEPS]
    return {one.step: interp.score(one.model, one.task) for one in opened}


def test_labels_over_training(job: Path) -> None:
    rows = duckdb.sql(query("labels over training")).fetchall()
    expected = Counter((step, label) for step, table in tables(job).items() for label in table["label"])
    assert rows == [(step, label, expected[step, label]) for step, label in sorted(expected)]
    assert len(rows) > len(STEPS)


def test_frequencies(job: Path) -> None:
    rows = duckdb.sql(query("frequencies")).fetchall()
    expected = {}
    for step, table in tables(job).items():
        opened = interp.load_checkpoint(job / "runs" / f"step-{step:08d}.safetensors")
        if interp.accuracy(opened.model, opened.task).test >= 0.9:
            rule = table.where(label="generalizing")
            for frequency in set(rule["frequency"].tolist()):
                chosen = rule.where(frequency=frequency)
                expected[str(opened.path), frequency] = (len(chosen), chosen["ipr"].mean())
    assert {(row[0], row[1]): row[2] for row in rows} == {key: count for key, (count, _) in expected.items()}
    assert [row[3] for row in rows] == pytest.approx([expected[row[0], row[1]][1] for row in rows], abs=1e-6)
    assert rows


def test_memory(job: Path) -> None:
    names: dict[str, pl.DataFrame] = {}
    exec(query("memory"), names)
    rows = names["memory"].to_dicts()
    assert len(rows) == len(STEPS)
    values = [row["accuracy_corrupted_as_labelled"] for row in rows]
    assert values == sorted(values, reverse=True)
    for row in rows:
        report = interp.audit(row["checkpoint"], n_random=2)
        assert row["step"] == report.step
        assert row["phase"] == report.phase.name
        assert row["accuracy_corrupted_as_labelled"] == report.accuracy.corrupted_as_labelled
        assert row["ipr_mean"] == pytest.approx(report.to_dict()["mean_ipr"], abs=1e-6)
        assert row["memorizing"] == report.table.counts()["memorizing"]

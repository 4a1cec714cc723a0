"""Good checkpoints beside one of each hostile kind: all good ones are stored, each other one is a row of failure."""

from __future__ import annotations

from pathlib import Path

import pytest
from batches import P, network
from hostile import HOSTILE
from malformed import MALFORMED

from interp.checkpoints import save_checkpoint
from interp.checkpoints.files import is_weights
from interp.data import ModularTask
from interp.jobs import batch

ERRORS = {"CheckpointError", "ConfigError", "ExpressionError"}
WIDTH = 16


def filled(folder: Path, count: int, *, foreign: bool) -> tuple[int, int]:
    """Write so many good checkpoints, and one of each hostile kind; their numbers come back."""
    task = ModularTask("add", p=P, train_fraction=0.7, corrupt_fraction=0.2)
    for i in range(count):
        save_checkpoint(folder / "good" / f"step-{i:08d}", network(i % 7, width=WIDTH), task, step=i)
    for i, spoil in enumerate(HOSTILE.values()):
        spoil(save_checkpoint(folder / f"bad-{i:03d}" / "net", network(1, width=WIDTH), task))
    others = 0
    for i, write in enumerate(MALFORMED.values() if foreign else ()):
        place = folder / f"foreign-{i:03d}"
        place.mkdir()
        others += (file := write(place)).exists() and is_weights(file.name)
    (folder / "odd\udcff.safetensors").write_bytes(b"a name that is no text")
    return count, len(HOSTILE) + others + 1


def check(result, good: int, bad: int, folder: Path) -> None:
    rows = result.store.checkpoints.to_pylist()
    stored = [row for row in rows if row["status"] == "ok"]
    accepted = [row["checkpoint"] for row in stored if "/good/" not in row["checkpoint"]]
    assert accepted == []
    assert (result.done, len(stored)) == (good, good)
    assert result.failed == len(rows) - good == bad
    assert all(row["error"] and row["error_type"] for row in rows if row["status"] != "ok")
    assert {row["error_type"] for row in rows if row["status"] != "ok"} <= ERRORS
    assert not list(folder.rglob("ran"))
    again = batch(folder, result.store.folder, measure=rows[0]["measure"], workers=1, outliers=0, n_random=1)
    assert (again.done, again.before) == (0, good)


@pytest.mark.parametrize(("measure", "good"), [("scores", 5), ("audit", 1)])
def test_a_few(tmp_path: Path, measure: str, good: int) -> None:
    folder = tmp_path / "runs"
    counts = filled(folder, good, foreign=False)
    how = {"measure": measure, "outliers": 0, "n_random": 1}
    check(batch(folder, tmp_path / "out", workers=1, **how), *counts, folder)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore:::ray", "ignore:a Ray cluster")
@pytest.mark.parametrize(("measure", "good"), [("scores", 300), ("labels", 150), ("audit", 50)])
@pytest.mark.parametrize("where", ["one worker", "two workers", "Ray"])
def test_many(tmp_path: Path, measure: str, good: int, where: str) -> None:
    how = {"measure": measure, "outliers": 0, "n_random": 1, "workers": 1 if where == "one worker" else 2}
    if where == "Ray":
        pytest.importorskip("ray")
        how["engine"] = "ray"
    folder = tmp_path / "runs"
    counts = filled(folder, good, foreign=measure == "labels")
    check(batch(folder, tmp_path / "out", **how), *counts, folder)

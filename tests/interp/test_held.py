"""A folder that is moved, deleted or replaced while a job fills it: one error, and nothing is written elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from batches import P, network

import interp.jobs.worker
import interp.lab.kept
from interp.checkpoints import save_checkpoint
from interp.data import ModularTask
from interp.errors import ConfigError
from interp.files import write_text, write_whole
from interp.held import held
from interp.jobs import batch
from interp.jobs.spec import CHUNKS
from interp.lab.grids.running import run_grid
from interp.lab.running import run_study
from interp.models import MLPConfig
from interp.training import TrainConfig, train
from interp.training.state import TrainingRun

GRID = "p = 7\nwidth = 8\nsteps = 20\nsave_every = 5\ntrain_fraction = 0.8\n[grid]\nseed = [0, 1, 2]\n"
Gone = Callable[[Path], None]


def moved(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))


def replaced(folder: Path) -> None:
    moved(folder)
    shutil.copytree(folder.with_name("moved"), folder)


@pytest.fixture(params=[moved, shutil.rmtree, replaced], ids=["moved", "deleted", "replaced"])
def gone(request: pytest.FixtureRequest) -> Gone:
    return request.param


def content(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix != ".part")


def after(times: int, function: Callable[..., object], do: Callable[[], None]) -> Callable[..., object]:
    """A function that does something else too, once, before it is called the n-th time."""
    count = 0

    def wrapped(*given: object, **options: object) -> object:
        nonlocal count
        count += 1
        if count == times:
            do()
        return function(*given, **options)

    return wrapped


def stays(folder: Path, gone: Gone) -> tuple[Callable[[], None], Callable[[], None]]:
    """Take a folder away, and see later that nothing was written where it was."""
    before: list[str] = []

    def take() -> None:
        gone(folder)
        before.extend(content(folder) if folder.exists() else ["no folder"])

    def check() -> None:
        assert (content(folder) if folder.exists() else ["no folder"]) == before

    return take, check


def test_nothing_is_written_below_a_folder_that_is_gone(tmp_path: Path, gone: Gone) -> None:
    out = tmp_path / "deep" / "out"
    take, check = stays(out, gone)
    with held(out):
        write_text(out / "a" / "b" / "one.txt", "one")
        take()
        for place in ("two.txt", "a/three.txt", "c/d/four.txt"):
            with pytest.raises(ConfigError, match="was moved, deleted or replaced"):
                write_text(out / place, "two")
        write_text(tmp_path / "deep" / "outer.txt", "another folder whose name begins alike")
    check()
    write_text(out / "five.txt", "it is held no more")


def test_a_folder_that_goes_while_a_file_is_filled(tmp_path: Path, gone: Gone) -> None:
    out = tmp_path / "out"
    take, check = stays(out, gone)
    with held(out), pytest.raises(ConfigError, match="was moved, deleted or replaced"):
        write_whole(out / "one.txt", lambda part: (part.write_text("one"), take()))
    check()


def test_batch(tmp_path: Path, gone: Gone, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(3):
        save_checkpoint(tmp_path / "runs" / f"step-{i}", network(i), ModularTask("add", p=P), step=i)
    take, check = stays(tmp_path / "out", gone)
    work = after(2, interp.jobs.worker.work, take)
    monkeypatch.setattr("interp.jobs.executors.work", work)
    monkeypatch.setitem(CHUNKS, "labels", 1)
    with pytest.raises(ConfigError, match="was moved, deleted or replaced"):
        batch(tmp_path / "runs", tmp_path / "out", measure="labels", workers=1, outliers=0)
    check()


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_sweep(tmp_path: Path, gone: Gone, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    (tmp_path / "grid.toml").write_text(GRID)
    out = tmp_path / "out"
    take, check = stays(out, gone)
    if workers == 1:
        monkeypatch.setattr(TrainingRun, "measure", after(5, TrainingRun.measure, take))
    else:
        from interp.jobs.executors import Pool

        monkeypatch.setattr(Pool, "submit", after(1, Pool.submit, take))
    with pytest.raises(ConfigError, match="was moved, deleted or replaced"):
        run_grid(tmp_path / "grid.toml", out=out, workers=workers)
    check()


def test_study(tmp_path: Path, gone: Gone, monkeypatch: pytest.MonkeyPatch) -> None:
    take, check = stays(tmp_path / "out", gone)
    written = after(2, interp.lab.kept.KeptRecords.write, take)
    monkeypatch.setattr(interp.lab.kept.KeptRecords, "write", lambda *given: written(*given))
    small = {"p": 13, "width": 16, "steps": 4}
    with pytest.raises(ConfigError, match="was moved, deleted or replaced"):
        run_study("lens", [0, 1], out=tmp_path / "out", workers=1, show_progress=False, **small)
    check()


def test_train(tmp_path: Path, gone: Gone, monkeypatch: pytest.MonkeyPatch) -> None:
    take, check = stays(tmp_path / "out", gone)
    monkeypatch.setattr(TrainingRun, "update", after(7, TrainingRun.update, take))
    with pytest.raises(ConfigError, match="was moved, deleted or replaced"):
        train(
            ModularTask("add", p=7, train_fraction=0.8), MLPConfig(width=8),
            TrainConfig(steps=20, save_every=5), out=tmp_path / "out", show_progress=False,
        )  # fmt: skip
    check()

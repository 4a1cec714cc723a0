"""Grids that are run: every network trained, measured, classified once, whatever interrupts it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from interp import audit, open_store
from interp.checkpoints import checkpoint_files, training_history
from interp.errors import ConfigError
from interp.jobs import Settings
from interp.jobs.worker import work
from interp.lab.grids.grid import Grid, grid_from
from interp.lab.grids.run import RECORD, Run, folder_of
from interp.lab.grids.running import GridResult, run_grid
from interp.lab.grids.table import read_runs
from interp.lab.grids.training import TrainChunk
from interp.training import train

SMALL = {"p": 11, "width": 16, "steps": 40, "log_every": 10, "measure": "labels", "title": "small"}
AXES = {"corrupt_fraction": [0.0, 0.3], "weight_decay": [0, 5], "seed": [0, 1]}


def run(out: Path, values: dict | None = None, **options: object) -> GridResult:
    grid = grid_from({**SMALL, "grid": AXES, **(values or {})}, **{"out": out, "workers": 1, **options})
    return run_grid(grid)


def begun(file: Path, out: Path) -> tuple[list[str], subprocess.Popen[str]]:
    """A sweep in a process of its own that has begun to train, and its command."""
    words = ["sweep", str(file), "--out", str(out), "--workers", "1"]
    command = [sys.executable, "-m", "interp.cli", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(out.rglob("resume.safetensors")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    return command, process


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> GridResult:
    return run(tmp_path_factory.mktemp("swept") / "out")


def test_every_run_is_trained_measured_and_classified(swept: GridResult) -> None:
    assert (swept.done, swept.before, swept.failed, swept.interrupted) == (8, 0, 0, False)
    rows = swept.table.to_pylist()
    assert [(row["corrupt_fraction"], row["weight_decay"], row["seed"]) for row in rows] == [
        (xi, wd, seed) for xi in (0.0, 0.3) for wd in (0, 5) for seed in (0, 1)
    ]
    assert {(row["step"], row["ended"]) for row in rows} == {(40, "all steps")}
    for row in rows[1::5]:  # one of each kind of label
        found = audit(row["checkpoint"], n_random=2)
        assert row["phase"] == found.phase.name
        assert row["phase_by_table"] == found.phase.by_table
        assert row["accuracy_test"] == found.accuracy.test
        assert row["memorizing"] == found.table.counts()["memorizing"]
    assert read_runs(swept.grid.out).equals(swept.table)
    assert open_store(swept.grid.out).checkpoints.num_rows == 8
    assert "8 of 8 runs" in repr(swept)


def test_a_network_is_the_one_that_train_gives(swept: GridResult) -> None:
    last = swept.grid.runs[-1]
    alone = train(last.task, last.shape, last.training, show_progress=False)
    row = swept.table.to_pylist()[-1]
    assert row["accuracy_train"] == pytest.approx(alone.history[-1]["accuracy"]["train"], abs=0.02)


def test_what_is_done_is_not_done_again(swept: GridResult) -> None:
    stamps = {file: file.stat().st_mtime_ns for file in swept.grid.out.rglob("step-*")}
    again = run(swept.grid.out)
    assert (again.done, again.before) == (0, 8)
    assert {file: file.stat().st_mtime_ns for file in swept.grid.out.rglob("step-*")} == stamps
    assert again.table.equals(swept.table)


def test_only_the_last_checkpoint_is_kept_unless_asked_for(tmp_path: Path) -> None:
    grid = {"grid": {"seed": [0]}, "save_every": 10}
    last, series = run(tmp_path / "last", grid), run(tmp_path / "series", grid, keep_series=True)
    for found, count in ((last, 1), (series, 5)):
        folder = Path(found.table["checkpoint"][0].as_py()).parent
        assert len(checkpoint_files(folder)) == count
        assert [record["step"] for record in training_history(folder)] == [0, 10, 20, 30, 40]
        assert not (folder / "resume.safetensors").exists()


def test_two_workers_give_what_one_gives(swept: GridResult, tmp_path: Path) -> None:
    two = run(tmp_path / "two", workers=2)
    for ours, theirs in zip(two.table.to_pylist(), swept.table.to_pylist(), strict=True):
        assert (ours["run"], ours["phase"]) == (theirs["run"], theirs["phase"])
        assert ours["accuracy_all"] == pytest.approx(theirs["accuracy_all"], abs=0.02)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:a Ray cluster of this machine's own listens")
def test_ray_gives_what_one_worker_gives(swept: GridResult, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    found = run(tmp_path / "ray", engine="ray", workers=2)
    assert (found.done, found.failed) == (8, 0)
    for ours, theirs in zip(found.table.to_pylist(), swept.table.to_pylist(), strict=True):
        assert (ours["run"], ours["phase"]) == (theirs["run"], theirs["phase"])


def test_a_run_that_diverges_is_a_row_and_spoils_no_other(tmp_path: Path) -> None:
    values = {
        "grid": {"seed": [0, 1]},
        "runs": [{"name": "good"}, {"name": "bad", "lr": 1e6, "optimizer": "sgd"}],
    }
    found = run(tmp_path / "out", values)
    assert (found.done, found.failed) == (2, 2)
    bad = [row for row in found.table.to_pylist() if row["variant"] == "bad"]
    assert [row["status"] for row in bad] == ["failed"] * 2
    assert "training diverged" in bad[0]["error"]
    again = run(tmp_path / "out", values)
    assert (again.done, again.before, again.failed) == (0, 2, 2)


def test_a_settled_run_ends_early_in_the_phase_of_its_whole_length_at_which_it_is_done_again(
    tmp_path: Path,
) -> None:
    values = {"grid": {"seed": [0]}, "train_fraction": 0.3, "corrupt_fraction": 0.5, "steps": 600}
    early = run(tmp_path / "out", values, early_stop=True)
    whole = run(tmp_path / "out", values)
    one, other = whole.table.to_pylist()[0], early.table.to_pylist()[0]
    assert (whole.done, one["step"], one["ended"]) == (1, 600, "all steps")
    assert 200 <= other["step"] < 600
    assert other["ended"] == "settled"
    assert one["phase"] == other["phase"] == "memorisation"


def test_expectations_are_compared(tmp_path: Path) -> None:
    found = run(
        tmp_path / "out",
        {"grid": {"seed": [0]}, "expect": ["coexistence", "memorisation"], "train_fraction": 0.2},
    )
    assert found.table["expected"].to_pylist() == [found.table["phase"][0].as_py() == "memorisation"]


@pytest.mark.slow
def test_a_killed_sweep_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "grid.toml"
    settings = "".join(
        f"{k} = {json.dumps(v)}\n" for k, v in {**SMALL, "steps": 3000, "log_every": 500}.items()
    )
    file.write_text(settings + "[grid]\nseed = [0, 1, 2]\ntrain_fraction = [0.3, 0.5]\n")
    command, process = begun(file, tmp_path / "out")
    with process:
        process.kill()
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    table = read_runs(tmp_path / "out")
    assert table["step"].to_pylist() == [3000] * 6
    assert not list((tmp_path / "out").rglob("resume.safetensors"))


@pytest.mark.slow
@pytest.mark.parametrize("axis", ["seed = [0]", "seed = [0, 1]"])
def test_ctrl_c_ends_a_sweep_that_goes_on_later(tmp_path: Path, axis: str) -> None:
    """Of one network alone, and of two that are trained together."""
    file = tmp_path / "grid.toml"
    file.write_text(
        f"p = 11\nwidth = 16\nsteps = 3000\nlog_every = 500\nmeasure = 'labels'\n[grid]\n{axis}\n"
    )
    command, process = begun(file, tmp_path / "out")
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=120)
    assert process.returncode == 130, output + error
    assert "the same command goes on from there" in error
    assert not list((tmp_path / "out").rglob(RECORD))
    assert list((tmp_path / "out").rglob("resume.safetensors"))
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert set(read_runs(tmp_path / "out")["step"].to_pylist()) == {3000}
    assert set(read_runs(tmp_path / "out")["ended"].to_pylist()) == {"all steps"}


def test_a_damaged_record_costs_one_training(tmp_path: Path) -> None:
    values = {"grid": {"seed": [0, 1]}}
    first = run(tmp_path / "out", values)
    for content in ("[]", "5", "{}", "no json", '{"checkpoint": 3}'):
        (Path(first.table["checkpoint"][0].as_py()).parent / RECORD).write_text(content)
        again = run(tmp_path / "out", values)
        assert (again.done, again.before, again.failed) == (1, 1, 0)
        assert again.table["accuracy_all"].to_pylist() == first.table["accuracy_all"].to_pylist()


def test_an_axis_more_trains_nothing_again(swept: GridResult) -> None:
    again = run(swept.grid.out, {"grid": {**AXES, "width": [16]}})
    assert (again.done, again.before) == (0, 8)


def test_other_errors_are_rows_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr("interp.lab.grids.training.prepare", broken)
    found = run(tmp_path / "out", {"grid": {"seed": [0, 1]}})
    assert found.failed == 2
    assert found.table["error"].to_pylist() == ["out of memory"] * 2


def test_options_of_a_grid_that_is_made_already(tmp_path: Path) -> None:
    grid = grid_from({**SMALL, "grid": {"seed": [0]}}, out=tmp_path / "one")
    found = run_grid(grid, out=tmp_path / "two", workers=1)
    assert found.grid.out == tmp_path / "two"
    with pytest.raises(ConfigError, match="unknown option 'wrokers'; did you mean 'workers'"):
        run_grid(grid, wrokers=3)
    with pytest.raises(ConfigError, match="unknown option 'wrokers'"):
        grid_from({**SMALL}, out="o", wrokers=3)


def test_the_folder_of_a_batch_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text("{}")
    with pytest.raises(ConfigError, match="holds the results of a batch"):
        run(tmp_path, {"grid": {"seed": [0]}})


def test_networks_of_one_shape_share_a_chunk_where_that_is_faster() -> None:
    grid = grid_from({**SMALL, "grid": {**AXES, "train_fraction": [0.4, 0.6]}}, out="o")
    chunks = list(grid.chunks(list(grid.runs), 1))
    assert sorted(len(chunk.runs) for chunk in chunks) == [8, 8]  # as many as have equally many examples
    assert all(len({run.task.train_fraction for run in chunk.runs}) == 1 for chunk in chunks)
    large = grid_from({"grid": {"seed": [0, 1, 2]}}, out="o")
    assert [len(c.runs) for c in large.chunks(list(large.runs), 2)] == [1, 1, 1]
    assert [len(c.runs) for c in replace(large, device="cuda").chunks(list(large.runs), 1)] == [3]
    mixed = [Run({"model": "transformer", "d_mlp": 8}, {"seed": 0}), *grid.runs]
    parts = Grid(Path("o"), tuple(mixed))
    assert sorted(len(c.runs) for c in parts.chunks(list(parts.runs), 2)) == [
        1,
        4,
        4,
        4,
        4,
    ]


def test_the_record_says_how_a_run_ended(swept: GridResult) -> None:
    folder = Path(swept.table["checkpoint"][0].as_py()).parent
    record = json.loads((folder / RECORD).read_text())
    assert record["settings"]["p"] == 11
    assert (record["step"], record["checkpoint"]) == (40, "step-00000040.safetensors")


def test_a_chunk_that_is_trained_already_is_only_measured(swept: GridResult) -> None:
    runs = swept.grid.runs[:2]
    paths = tuple(str(folder_of(swept.grid.out, run)) for run in runs)
    rows = [result.row for result in work(TrainChunk(paths, Settings("causal", n_random=2), runs))]
    assert [row["checkpoint"] for row in rows] == swept.table["checkpoint"].to_pylist()[:2]
    assert rows[0]["status"] == "ok"


def test_tables_are_written_for_other_tools(swept: GridResult) -> None:
    text = (swept.grid.out / "runs.csv").read_text().splitlines()
    assert len(text) == 9
    assert pq.read_table(swept.grid.out / "runs.parquet").num_rows == 8


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no runs of a grid"):
        read_runs(tmp_path)

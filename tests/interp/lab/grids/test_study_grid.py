"""Grids of studies: every combination of settings and seed is run once, whatever interrupts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.csv
import pytest
from typer.testing import CliRunner

from interp.cli import app
from interp.errors import ConfigError
from interp.lab.grids.study_grid import (
    StudyGridResult,
    read_study_grid,
    run_study_grid,
    study_grid_from,
    summarise_studies,
)
from interp.lab.running import run_study
from interp.lab.study import Record, Settings, Study, setting, study_called
from interp.plots.canvas import blank
from interp.progress import Report

RECIPES = sorted((Path(__file__).parents[4] / "notebooks" / "recipes" / "studies").glob("*.toml"))
CALLS: list[tuple[float, int]] = []


@dataclass(frozen=True)
class Config(Settings):
    """A study that costs nothing."""

    slope: float = setting(2.0, "Of the line.", "[0, inf)")
    parts: tuple[float, ...] = setting((0.5,), "Shares.")


def measure(config: Config, seed: int, report: Report) -> Record:
    CALLS.append((config.slope, seed))
    if config.slope == 13:
        raise ValueError("an unlucky slope")
    report(1)
    return Record({"up": config.slope * seed, "error": 0.25, "late": None if seed == 1 else 1.0}, {})


STUDY = Study(
    name="lens",  # one of the names, so that a grid can ask for it
    title="A line",
    about="A line.",
    config=Config,
    measure=measure,
    units=lambda config: 1,
    quantities={"up": "height", "error": "error", "late": "lateness"},
    judge=lambda result: [],
    draw=lambda result: blank("Line", "x", "y"),
)
SETTINGS = {"study": "lens", "title": "lines", "grid": {"slope": [1, 2.5], "seed": [0, 1, 2]}}


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The study that costs nothing in place of one that does, but for tests that start processes."""
    CALLS.clear()
    if "slow" not in request.keywords:
        monkeypatch.setattr("interp.lab.grids.study_run.study_called", lambda name: STUDY)


def run(out: Path, values: dict | None = None, **options: object) -> StudyGridResult:
    grid = study_grid_from({**SETTINGS, **(values or {})}, **{"out": out, "workers": 1, **options})
    return run_study_grid(grid)


def test_every_combination_is_a_row_with_all_numbers(tmp_path: Path) -> None:
    result = run(tmp_path / "out")
    assert (result.done, result.before, result.failed, result.interrupted) == (6, 0, 0, False)
    rows = result.table.to_pylist()
    assert [(row["slope"], row["seed"], row["up"]) for row in rows] == [
        (slope, seed, slope * seed) for slope in (1.0, 2.5) for seed in range(3)
    ]
    assert [row["late"] for row in rows] == [1.0, None, 1.0] * 2
    assert {row["error"] for row in rows} == {None}  # the study's number of that name stands beside it
    assert {row["error_measured"] for row in rows} == {0.25}
    assert pyarrow.csv.read_csv(tmp_path / "out" / "runs.csv").num_rows == 6
    lines = summarise_studies(result)
    assert [(line.name, line.runs, line.failed) for line in lines] == [("slope 1", 3, 0), ("slope 2.5", 3, 0)]
    up = lines[1].numbers["up"]
    assert up is not None
    assert up.mean == 2.5
    assert lines[0].numbers["late"] is None
    assert list(summarise_studies(run(tmp_path / "out", show=("late",)))[0].numbers) == ["late"]
    assert "6 of 6 runs" in repr(result)


def test_what_is_done_is_not_done_again_and_more_is_added(tmp_path: Path) -> None:
    first = run(tmp_path / "out")
    again = run(tmp_path / "out")
    assert (again.done, again.before, len(CALLS)) == (0, 6, 6)
    assert again.table.equals(first.table)
    more = run(tmp_path / "out", {"grid": {"seed": [0, 1, 2, 3], "slope": [1, 2.5], "parts": [[0.5]]}})
    assert (more.done, more.before) == (2, 6)
    file = Path(first.table["record"][0].as_py())
    file.write_text("[]")
    assert run(tmp_path / "out").done == 1
    assert json.loads(file.read_text())["numbers"]["up"] == 0


def test_a_seeds_record_that_was_not_stored_yet_is_taken(tmp_path: Path) -> None:
    """As a kill between the two leaves it."""
    first = run(tmp_path / "out")
    for file in (tmp_path / "out" / "checkpoints").iterdir():
        file.unlink()
    again = run(tmp_path / "out")
    assert (again.done, len(CALLS)) == (6, 6)
    assert again.table.drop(["seconds"]).equals(first.table.drop(["seconds"]))


def test_a_run_that_fails_is_a_row_and_spoils_no_other(tmp_path: Path) -> None:
    result = run(tmp_path / "out", {"grid": {"slope": [1, 13], "seed": [0, 1]}})
    assert (result.done, result.failed) == (2, 2)
    rows = result.table.to_pylist()
    assert [(row["status"], row["error"]) for row in rows[2:]] == [("failed", "an unlucky slope")] * 2
    assert rows[2]["up"] is None
    assert [line.failed for line in summarise_studies(result)] == [0, 2]
    assert run(tmp_path / "out", {"grid": {"slope": [1, 13], "seed": [0, 1]}}).failed == 2
    assert len(CALLS) == 4
    run(tmp_path / "out", {"grid": {"slope": [1, 13], "seed": [0, 1]}}, retry_failed=True)
    assert len(CALLS) == 6


def test_ctrl_c_keeps_what_is_done_and_the_same_call_goes_on(tmp_path: Path) -> None:
    def pressed(config: Config, seed: int, report: Report) -> Record:
        if seed == 1 and not CALLS[1:]:
            os.kill(os.getpid(), signal.SIGINT)
        return measure(config, seed, report)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("interp.lab.grids.study_run.study_called", lambda name: replace(STUDY, measure=pressed))
        result = run(tmp_path / "out")
    assert (result.done, result.interrupted, len(result.table)) == (1, True, 1)
    again = run(tmp_path / "out")
    assert (again.done, again.before, again.interrupted) == (5, 1, False)


def test_parts_have_settings_and_grids_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "grid.toml"
    file.write_text(
        'study = "lens"\nout = "o"\nparts = [0.1, 0.2]\n[grid]\nseed = [0, 1]\n[[runs]]\nname = "flat"\nslope = 0\n'
        '[[runs]]\nname = "steep"\ngrid = { slope = [4, 5] }\n'
    )
    grid = read_study_grid(file)
    assert [(run.variant, run.config.slope, run.seed) for run in grid.runs] == [
        *(("flat", 0, 0), ("flat", 0, 1)),
        *(("steep", slope, seed) for seed in (0, 1) for slope in (4, 5)),
    ]
    assert grid.runs[0].config.parts == (0.1, 0.2)
    assert len({run.name for run in grid.runs}) == 3


def test_parts_that_one_setting_tells_apart_are_no_seeds_of_each_other(tmp_path: Path) -> None:
    parts = [{"slope": 1}, {"slope": 3, "parts": [0.25]}]
    result = run(tmp_path / "out", {"grid": {"seed": [1, 2]}, "runs": parts})
    assert result.grid.axes == ("slope", "parts")
    rows = result.table.to_pylist()
    assert [(row["slope"], row["parts"], row["up"]) for row in rows] == [
        *((1, "0.5", 1), (1, "0.5", 2), (3, "0.25", 3), (3, "0.25", 6))
    ]
    lines = summarise_studies(result)
    assert [(line.name, line.runs) for line in lines] == [
        ("slope 1, parts 0.5", 2),
        ("slope 3, parts 0.25", 2),
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"grid": {}, "runs": [{"name": "a", "seed": 0}, {"name": "b", "seed": 1}]},
            "lens_a_.* and lens_b_.* have the same settings; give all their seeds in one",
        ),
        ({"slop": 3}, "no setting 'slop'; did you mean 'slope'"),
        ({"slope": "steep", "grid": {}}, "slope = 'steep' is not a number"),
        ({"slope": -1, "grid": {}}, "slope=-1 is below 0"),
        ({"grid": {"seed": [-1]}}, "seed=-1 is below 0"),
        ({"grid": {"seed": ["one"]}}, "seed = 'one' is not a whole number"),
        ({"grid": {"seed": [0, 0]}}, "two runs of the grid are the same: lens_.* with seed 0"),
        ({"show": "up"}, "show = 'up' is no list of names"),
        ({"show": ["height"]}, "show names 'height', which no run measures"),
        ({"study": None}, "study = None is not text"),
    ],
)
def test_grids_that_cannot_be_used(values: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        study_grid_from({**SETTINGS, **values}, out=tmp_path)


def test_a_grid_names_a_study_and_leaves_a_batch_alone(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not name its study"):
        study_grid_from({"grid": {"seed": [0]}}, out=tmp_path)
    (tmp_path / "job.json").write_text("{}")
    with pytest.raises(ConfigError, match="holds the results of a batch"):
        run(tmp_path)


def test_the_command_sums_up_what_is_varied_and_refuses_options_of_training(tmp_path: Path) -> None:
    file = tmp_path / "grid.toml"
    file.write_text('study = "lens"\nout = "o"\n[grid]\nslope = [1, 13]\nseed = [0, 1]\n')
    result = CliRunner().invoke(app, ["sweep", str(file), "--workers", "1"])
    assert result.exit_code == 3, result.output
    text = " ".join(result.output.split())
    assert "slope 1 │ 2 │" in text
    assert "an unlucky slope" in text
    assert "2 done now, 0 before, 2 failed" in text
    result = CliRunner().invoke(app, ["sweep", str(file), "--early-stop"])
    assert "--early-stop is of grids that train networks" in str(result.exception or result.output)


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_recipes_can_be_read(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("interp.lab.grids.study_run.study_called", study_called)
    grid = read_study_grid(file, out=tmp_path)
    assert len(grid.runs) >= 3
    assert not set(grid.show) - set(grid.runs[0].meant.quantities)


TEXT = 'study = "lens"\np = 11\nwidth = 24\n[grid]\nseed = [0, 1]\nsteps = [20, 30]\n'


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:a Ray cluster of this machine's own listens", "ignore:::ray")
def test_processes_and_ray_give_what_the_study_gives(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    file = tmp_path / "grid.toml"
    file.write_text(TEXT)
    two = run_study_grid(file, out=tmp_path / "two", workers=2)
    assert (two.done, two.failed) == (4, 0)
    first = read_study_grid(file, out=tmp_path / "ray", workers=2, engine="ray")
    some = replace(first, runs=first.runs[:1])
    assert run_study_grid(some).done == 1
    on_ray = run_study_grid(first)
    assert (on_ray.done, on_ray.before, on_ray.failed) == (3, 1, 0)
    without = ["seconds", "record"]
    assert on_ray.table.drop(without).equals(two.table.drop(without))
    folder = Path(two.table["record"][0].as_py()).parent
    result = run_study("lens", [0, 1], out=folder, p=11, width=24, steps=20, show_progress=False)
    assert [result.records[0].numbers["exact"]] == [two.table["exact"][0].as_py()]


@pytest.mark.slow
def test_ctrl_c_ends_a_sweep_of_processes_that_goes_on_later(tmp_path: Path) -> None:
    file = tmp_path / "grid.toml"
    file.write_text(TEXT.replace("[20, 30]", "[20, 30, 40]"))
    command = [sys.executable, "-m", "interp.cli", "sweep", str(file), "--out", str(tmp_path / "out")]
    command += ["--workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 200
    while not list((tmp_path / "out").rglob("seed-*.json")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    first = next((tmp_path / "out").rglob("seed-*.json"))
    stamp = first.stat().st_mtime_ns
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=120)
    assert process.returncode == 130, output + error
    assert "the same command goes on from there" in error
    assert len(list((tmp_path / "out").rglob("seed-*.json"))) < 6
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert first.stat().st_mtime_ns == stamp
    assert pyarrow.csv.read_csv(tmp_path / "out" / "runs.csv").num_rows == 6

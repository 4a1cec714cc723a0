"""``grokscope batch``: what it prints, how it ends, and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from interp.cli import app
from interp.jobs import open_store

Command = Callable[..., str]


@pytest.fixture
def runs(series: Path, tmp_path: Path) -> Path:
    """A folder of three checkpoints."""
    shutil.copytree(series, tmp_path / "runs" / "r0")
    return tmp_path / "runs"


def test_a_folder_is_scored_and_summed_up(run: Command, runs: Path, tmp_path: Path) -> None:
    output = run("batch", runs, "--out", tmp_path / "out")
    rows = [line.strip("│ ").split("│") for line in output.splitlines() if line.startswith("│")]
    shown = {name.strip(): value.strip() for name, value in rows}
    assert (shown["measured now"], shown["stored before"], shown["failed"]) == ("3", "0", "0")
    assert shown["neurons in the store"] == "180"
    assert f"wrote {tmp_path / 'out' / 'overview.html'}" in " ".join(output.split())
    assert open_store(tmp_path / "out").checkpoints["step"].to_pylist() == [0, 60, 120]


def test_without_paths_the_recorded_job_goes_on(run: Command, runs: Path, tmp_path: Path) -> None:
    run("batch", runs, "--out", tmp_path / "out", "--measure", "labels", "--seed", 3)
    shutil.copytree(runs / "r0", runs / "r1")
    output = run("batch", "--out", tmp_path / "out")
    rows = open_store(tmp_path / "out").checkpoints
    assert len(rows) == 6
    assert set(rows["measure"].to_pylist()) == {"labels"}
    assert set(rows["seed"].to_pylist()) == {3}
    assert "memorizing" in output


def test_failures_are_named_and_the_exit_code_tells(runs: Path, tmp_path: Path) -> None:
    (runs / "r0" / "broken.safetensors").write_bytes(b"no weights")
    result = CliRunner().invoke(app, ["batch", str(runs), "--out", str(tmp_path / "out")])
    assert result.exit_code == 3
    assert "broken.safetensors: CheckpointError:" in " ".join(result.output.split())
    again = CliRunner().invoke(app, ["batch", "--out", str(tmp_path / "out"), "--retry-failed"])
    assert again.exit_code == 3
    (runs / "r0" / "broken.safetensors").unlink()
    for json_file in (tmp_path / "out" / "job.json",):
        assert json.loads(json_file.read_text())["groups"][0]["paths"] == [str(runs)]


def test_options_open_strangers_files(run: Command, foreign: Path, tmp_path: Path) -> None:
    run(
        "batch",
        foreign,
        "--out",
        tmp_path / "out",
        "--measure",
        "labels",
        "--task",
        "add",
        "--activation",
        "square",
    )
    (row,) = open_store(tmp_path / "out").checkpoints.to_pylist()
    assert (row["dialect"], row["task"], row["p"], row["status"]) == ("doshi", "add", 7, "ok")
    assert row["accuracy_all"] == 1.0
    assert row["accuracy_test"] is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere/*.pt", "--out", "out"], "no checkpoint matches 'nowhere/*.pt'"),
        (["--out", "out"], "no job is recorded in 'out'"),
        (["{runs}"], "say where the results go, with --out FOLDER"),
        (
            ["{runs}", "--out", "out", "--measure", "everything"],
            "unknown measure 'everything'; expected one of",
        ),
        (
            ["{runs}", "--out", "out", "--engine", "spark"],
            "unknown engine 'spark'; expected one of 'local', 'ray'",
        ),
        (["{runs}", "--out", "out", "--ray-address", "auto"], "says nothing without engine='ray'"),
        (["job.toml", "--out", "out"], "there is no job 'job.toml'"),
        (["job.toml", "--measure", "labels"], "job.toml says what is measured; leave out --measure"),
        (
            ["--out", "out", "--task", "add"],
            "the job recorded in out says what is measured; leave out --task",
        ),
        (["{runs}", "--out", "file"], "'file' is a file, so --out"),
        (["s3x://bucket/a.pt", "--out", "out"], "cannot open 's3x://bucket/a.pt'"),
    ],
)
def test_what_cannot_be_done_is_one_message(
    fail: Command,
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("in the way")
    assert says in fail("batch", *(argument.format(runs=runs) for argument in arguments))
    assert not (tmp_path / "out" / "checkpoints").exists()

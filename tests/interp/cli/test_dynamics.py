"""``grokscope dynamics``, through an application of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet
import pytest
import typer
from typer.testing import CliRunner

from interp.analysis.dynamics import dynamics_of
from interp.cli.dynamics import EXAMPLES, dynamics
from interp.errors import CheckpointError, ConfigError, GrokscopeError
from interp.output import framed
from interp.report.validating import problems, read_result

Command = Callable[..., str]
app = typer.Typer()
app.command()(dynamics)


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_stages_and_neurons_are_shown_and_saved(series: Path, tmp_path: Path) -> None:
    files = {kind: tmp_path / f"n.{kind}" for kind in ("html", "parquet", "json")}
    output = run(series, "--html", files["html"], "--parquet", files["parquet"], "--json", files["json"])
    found = dynamics_of(series)
    assert found.steps.tolist() == [0, 60, 120]
    for stage in found.stages:
        assert stage.name in output
    assert "Stages of training" in output or not found.stages
    assert f"{found.development.periodic_at_end.sum()} of 60" in output
    assert pyarrow.parquet.read_table(files["parquet"]).num_rows == 60
    read = read_result(files["json"])
    assert problems(read) == []
    assert read == json.loads(json.dumps(framed("dynamics", found.to_dict())))
    assert 'id="plot-animation"' in files["html"].read_text(encoding="utf-8")
    for file in files.values():
        assert file.name in output.replace(" ", "")


def test_fewer_checkpoints_and_a_csv_on_wish(series: Path, tmp_path: Path) -> None:
    output = run(series, "--most", 2, "--csv", tmp_path / "n.csv", "--site", "blocks.0.mlp.hook_post")
    assert "2, step 0 to 120" in output
    assert len((tmp_path / "n.csv").read_text().splitlines()) == 61


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("--csv", "n.xlsx"), ConfigError, "should end in .csv"),
        (("--html", "n.htm"), ConfigError, "should end in .html"),
        (("--json", "n.txt"), ConfigError, "should end in .json"),
        (("--site", "blocks.3.mlp.hook_post"), GrokscopeError, "blocks.3"),
    ],
)
def test_wrong_input_is_refused(
    series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments, error, message
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        run(series, *arguments)
    assert not list(tmp_path.iterdir())


def test_a_single_checkpoint_is_refused(series: Path) -> None:
    with pytest.raises(CheckpointError, match="fewer than two checkpoints"):
        run(series / "step-00000120.safetensors")


def test_one_checkpoint_at_most_makes_no_sense(series: Path) -> None:
    assert CliRunner().invoke(app, [str(series), "--most", "1"]).exit_code == 2


def test_help_names_the_options_of_its_examples() -> None:
    output = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    used = {word for line in EXAMPLES for word in line.split() if word.startswith("--")}
    assert used
    for option in used:
        assert option in output

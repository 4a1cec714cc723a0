"""``grokscope communities``, through an application of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from interp.analysis.communities import communities as measure
from interp.cli.communities import AFFINITIES, EXAMPLES, communities
from interp.errors import ConfigError
from interp.output import framed
from interp.report.validating import problems, read_result
from probes import communities as probe

app = typer.Typer()
app.command()(communities)


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_communities_are_shown_and_saved(series: Path, tmp_path: Path) -> None:
    files = {kind: tmp_path / f"c.{kind}" for kind in ("html", "json")}
    output = run(series, "--html", files["html"], "--json", files["json"])
    result = measure(series, seed=0)
    written = framed("communities", result.to_dict())
    stored = read_result(files["json"])
    assert stored == json.loads(json.dumps(written))
    assert problems(stored) == []
    assert 'id="plot-communities"' in files["html"].read_text(encoding="utf-8")
    for one in result.networks:
        assert str(one.step) in output
    for line in result.notes():
        assert line in output


def test_a_file_and_another_affinity(series: Path) -> None:
    output = run(series / "step-00000120.safetensors", "--affinity", "rectified", "--random", 3)
    assert "Communities of neurons" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--affinity", "cosine"), "unknown affinity 'cosine'"),
        (("--html", "c.htm"), "should end in .html"),
        (("--json", "c.txt"), "should end in .json"),
    ],
)
def test_wrong_input_is_refused(
    series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        run(series, *arguments)
    assert not list(tmp_path.iterdir())


def test_help_names_what_there_is() -> None:
    output = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    used = {word for line in EXAMPLES for word in line.split() if word.startswith("--")}
    assert all(option in output for option in used)
    assert AFFINITIES == probe.AFFINITIES
    assert all(name in output for name in AFFINITIES)

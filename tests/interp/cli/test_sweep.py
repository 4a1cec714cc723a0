"""``grokscope sweep`` and ``grokscope plot``: what they print and write, how they end, what they refuse."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from interp.cli import app

Command = Callable[..., str]
GRID = """
title = "a small grid"
p = 11
width = 24
steps = 60
[grid]
train_fraction = [0.3, 0.8]
corrupt_fraction = [0.2, 0.4]
seed = [0, 1]
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "grid.toml").write_text(GRID)
    result = CliRunner().invoke(
        app, ["sweep", str(folder / "grid.toml"), "--out", str(folder / "out"), "--workers", "1"]
    )
    assert result.exit_code == 0, result.output
    return folder / "out", result.output


def test_a_grid_is_summed_up(swept: tuple[Path, str]) -> None:
    out, output = swept
    text = " ".join(output.split())
    assert "a small grid" in text
    assert "8 done now, 0 before, 0 failed" in text
    assert f"wrote {out / 'runs.csv'}" in text
    assert len((out / "runs.csv").read_text().splitlines()) == 9


def test_expectations_decide_the_exit_code(tmp_path: Path) -> None:
    file = tmp_path / "grid.toml"
    for phase, code in (("memorisation", 0), ("full inversion", 1)):
        settings = "p = 11\nwidth = 60\nsteps = 100\ntrain_fraction = 0.2\n[grid]\nseed = [0, 1]\n"
        file.write_text(f'expect = "{phase}"\n{settings}')
        result = CliRunner().invoke(
            app, ["sweep", str(file), "--out", str(tmp_path / phase), "--workers", "1"]
        )
        assert result.exit_code == code, result.output
        assert f"{2 - 2 * code} of 2" in result.output


def test_failures_are_named_and_the_exit_code_tells(tmp_path: Path) -> None:
    file = tmp_path / "grid.toml"
    file.write_text('p = 7\nwidth = 9\nsteps = 50\nlr = 1e8\noptimizer = "sgd"\n[grid]\nseed = [0]\n')
    result = CliRunner().invoke(app, ["sweep", str(file), "--out", str(tmp_path / "out")])
    assert result.exit_code == 3
    assert "training diverged" in result.output


@pytest.mark.parametrize("kind", ["phase", "accuracy", "pruning", "width"])
def test_figures_are_pages_that_need_no_network(
    run: Command, swept: tuple[Path, str], tmp_path: Path, kind: str
) -> None:
    page, numbers = tmp_path / "page.html", tmp_path / "numbers.json"
    more = [] if kind == "phase" else ["--json", numbers]
    if kind in ("pruning", "width"):
        more += ["--only", "train_fraction=0.8", "--only", "corrupt_fraction=0.2", "--level", "0.0"]
    output = run("plot", kind, swept[0], "--html", page, *more)
    assert f"wrote {page}" in " ".join(output.split())
    text = page.read_text()
    assert "Plotly.newPlot" in text
    assert 'src="http' not in text
    if more:
        assert json.loads(numbers.read_text())


def test_without_a_name_the_page_lies_beside_the_runs(run: Command, swept: tuple[Path, str]) -> None:
    run("plot", "phase", swept[0], "--by", "table", "--x", "corrupt_fraction")
    assert (swept[0] / "phase.html").exists()


def test_what_cannot_be_drawn_is_one_message(fail: Command, swept: tuple[Path, str], tmp_path: Path) -> None:
    assert "unknown kind 'phases'" in fail("plot", "phases", swept[0])
    assert "holds no runs of a grid" in fail("plot", "phase", tmp_path)
    assert "do not differ in 'width'" in fail("plot", "phase", swept[0], "--x", "width")
    assert "no run has p=12" in fail("plot", "accuracy", swept[0], "--only", "p=12")
    assert "no setting 'q'" in fail("plot", "accuracy", swept[0], "--only", "q=12")
    assert "differ in train_fraction, corrupt_fraction, not only in their seed" in fail(
        "plot", "pruning", swept[0]
    )
    assert "not only in their seed" in fail("plot", "accuracy", swept[0], "--x", "train_fraction")
    assert "leave out --json" in fail("plot", "phase", swept[0], "--json", tmp_path / "x.json")
    assert "norm" in fail("plot", "gamma", swept[0])


def test_damaged_results_are_one_message(fail: Command, swept: tuple[Path, str], tmp_path: Path) -> None:
    shutil.copytree(swept[0], tmp_path / "out")
    (tmp_path / "out" / "grid.json").write_text("5")
    only = ["--only", "train_fraction=0.8", "--only", "corrupt_fraction=0.2"]
    assert "it holds a number; expected an object" in fail("plot", "pruning", tmp_path / "out", *only)
    parquet.write_table(pyarrow.table({"x": [1]}), tmp_path / "out" / "runs.parquet")
    assert "lists no runs" in fail("plot", "phase", tmp_path / "out")
    (tmp_path / "out" / "runs.parquet").write_bytes(b"no table")
    assert "cannot be read" in fail("plot", "phase", tmp_path / "out")


def test_a_moved_folder_can_still_be_drawn(run: Command, swept: tuple[Path, str], tmp_path: Path) -> None:
    shutil.copytree(swept[0], tmp_path / "moved")
    only = ["--only", "train_fraction=0.8", "--only", "corrupt_fraction=0.2"]
    hidden = swept[0].rename(swept[0].with_name("hidden"))
    try:
        run("plot", "pruning", tmp_path / "moved", *only)
    finally:
        hidden.rename(swept[0])


def test_what_cannot_be_swept_is_one_message(fail: Command, tmp_path: Path) -> None:
    assert "there is no grid" in fail("sweep", tmp_path / "none.toml")
    (tmp_path / "grid.toml").write_text("widht = 3\n")
    assert "did you mean 'width'" in fail("sweep", tmp_path / "grid.toml", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()

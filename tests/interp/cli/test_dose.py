"""``grokscope dose``: what is printed and written is what the functions give."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from interp.analysis.removing import dose
from interp.checkpoints.open import load_checkpoint
from interp.interventions import rescale
from interp.measuring.evaluation import accuracy
from interp.output import framed
from interp.scoring.selection import select_neurons
from interp.subject import score

Command = Callable[..., str]


def test_the_table_shows_what_hooks_measure(run: Command, series: Path) -> None:
    output = run("dose", series, "--neurons", "highest:0.5", "--random", 3)
    opened = load_checkpoint(series)
    chosen = select_neurons(score(opened.model, opened.task), "highest:0.5")
    rows = {line.split()[0]: line for line in output.splitlines() if "[" in line}
    assert list(rows) == ["-1", "-0.5", "0", "0.25", "0.5", "0.75", "1", "1.5", "2"]
    for factor, row in rows.items():
        with rescale(opened.model, chosen, float(factor)):
            wanted = accuracy(opened.model, opened.task)
        for value in (wanted.train, wanted.corrupted_as_labelled, wanted.corrupted_as_true, wanted.test):
            assert f" {100 * value:.1f} [" in row


def test_files_hold_the_whole_curve(run: Command, series: Path, tmp_path: Path) -> None:
    page, data = tmp_path / "dose.html", tmp_path / "dose.json"
    options = ["--from", 0, "--to", 1, "--points", 11, "--random", 2]
    output = run("dose", series, "--neurons", "lowest:0.3", *options, "--html", page, "--json", data)
    assert output.count("wrote") == 2
    assert "lowest:0.3: 18 neurons, 2 random sets" in output
    found = json.loads(data.read_text())
    assert found["factors"] == pytest.approx(sorted({i / 10 for i in range(11)} | {0.25, 0.75}))
    opened = load_checkpoint(series)
    wanted = dose(opened.model, opened.task, "lowest:0.3", found["factors"], n_random=2)
    assert found == framed("dose", wanted.to_dict())
    assert "plotly" in page.read_text().lower()
    assert "http://" not in page.read_text().split("<script>")[0]


def test_a_range_without_shown_factors_is_printed_whole(run: Command, series: Path) -> None:
    output = run(
        "dose", series, "--neurons", "lowest:0.9", "--from", 3, "--to", 4, "--points", 3, "--random", 1
    )
    assert [line.split()[0] for line in output.splitlines() if "[" in line] == ["3", "3.5", "4"]
    assert "random sets are no control" in output


def test_a_strangers_network_is_opened_with_its_options(run: Command, foreign: Path) -> None:
    output = run("dose", foreign, "--task", "add", "--p", 7, "--neurons", "highest:0.5", "--random", 2)
    assert "all" in output
    assert "labelled" not in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--from 2 --to 1", "factors from 2 to 1 are no range"),
        ("--to nan", "are no range"),
        ("--points 1", "points=1 make no curve"),
        ("--neurons label:bad", "cannot select neurons by 'label:bad'"),
        ("--html dose.txt", "should end in .html"),
        ("--json dose.html", "should end in .json"),
        ("--site blocks.9.mlp.hook_post", "there are no neurons at 'blocks.9.mlp.hook_post'"),
    ],
)
def test_wrong_input_ends_with_code_2_and_a_reason(
    fail: Command, series: Path, arguments: str, message: str
) -> None:
    assert message in fail("dose", series, *arguments.split())

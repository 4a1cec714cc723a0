"""``grokscope unlearn``: the network saved is the one measured, and the comparison is printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from interp.analysis.removing import ablate_checkpoint
from interp.checkpoints.open import load_checkpoint
from interp.measuring.evaluation import accuracy

Command = Callable[..., str]


def test_the_network_saved_has_no_memorizing_neurons(run: Command, series: Path, tmp_path: Path) -> None:
    target = tmp_path / "unlearnt.safetensors"
    output = run("unlearn", series, "--save", target, "--random", 3)
    wanted = ablate_checkpoint(series, n_random=3)
    assert wanted.removed > 0
    assert f"without memorizing neurons: {wanted.removed} neurons" in output
    for values in (wanted.before, wanted.after):
        assert f"{100 * values.corrupted_as_labelled:.1f} %" in output
    stored = load_checkpoint(target)
    assert accuracy(stored.model, stored.task).test == pytest.approx(wanted.after.test, abs=0.01)
    assert "zero on" in json.loads(target.with_suffix(".json").read_text())["edited"]
    assert "Ways to unlearn" not in output


def test_the_comparison_has_a_row_for_each_way(run: Command, series: Path, tmp_path: Path) -> None:
    data = tmp_path / "found.json"
    output = run("unlearn", series, "--compare", "--steps", 20, "--random", 1, "--json", data)
    found = json.loads(data.read_text())
    for method in found["methods"]:
        row = next(line for line in output.splitlines() if line.lstrip().startswith(method["name"]))
        assert f"{100 * method['accuracy']['test']:.1f} %" in row
        assert str(method["alive"]) in row
    assert [method["steps"] for method in found["methods"]] == [0, 0, 20, 20]
    assert found["saved"] is None


def test_a_strangers_network_is_opened_with_its_options(run: Command, foreign: Path, tmp_path: Path) -> None:
    output = run("unlearn", foreign, "--task", "add", "--p", 7, "--save", tmp_path / "x", "--random", 1)
    assert "wrote" in output
    assert load_checkpoint(tmp_path / "x.safetensors").task.p == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--steps 5", "--steps are those of --compare"),
        ("--json found.txt", "should end in .json"),
        ("--save {series}/step-00000120 --force", "is the checkpoint itself"),
        ("--save {series}/step-00000060", "exists already; add --force"),
        ("--against {series} --compare", "leave out --save and --compare"),
        ("--compare --steps 5 --weight-decay -1", "weight_decay=-1.0 is no usable number"),
    ],
)
def test_wrong_input_ends_with_code_2_and_a_reason(
    fail: Command, series: Path, arguments: str, message: str
) -> None:
    assert message in fail("unlearn", series, *arguments.format(series=series).split())


def test_what_cannot_be_trained_again_is_not_compared(fail: Command, foreign: Path, tmp_path: Path) -> None:
    error = fail("unlearn", foreign, "--task", "add", "--p", 7, "--compare", "--save", tmp_path / "x")
    assert "cannot be trained again" in error
    assert not (tmp_path / "x.safetensors").exists()


@pytest.mark.slow
def test_memories_are_looked_for_after_removal_and_in_another_file(
    run: Command, series: Path, tmp_path: Path
) -> None:
    data = tmp_path / "check.json"
    output = run("unlearn", series, "--check-forgetting", "--random", 1, "--json", data)
    check = json.loads(data.read_text())["forgetting"]["memorizing neurons removed"]
    assert "Is it gone? memorizing neurons removed" in output
    assert f"Verdict: {check['verdict']}" in output
    last = series / "step-00000120.safetensors"
    output = run("unlearn", last, "--against", last, "--json", data)
    same = json.loads(data.read_text())
    assert same["answered_before"] == same["answered_after"]
    assert f"Verdict: {same['verdict']}" in output

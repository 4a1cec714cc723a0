"""``grokscope audit``: what it writes, the exit codes, and that it refuses what it cannot use."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from malformed import MALFORMED
from typer.testing import CliRunner

import interp
from interp.checkpoints import save_checkpoint
from interp.cli import app
from interp.data import ModularTask
from interp.models import HookedMLP, MLPConfig, analytic_mlp

Command = Callable[..., str]
LAST = "step-00000120.safetensors"


@pytest.fixture(scope="module")
def symmetric(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that cannot tell (a, b) from (b, a), so that held-out pairs leak."""
    path = tmp_path_factory.mktemp("symmetric") / "net"
    model = HookedMLP(MLPConfig(width=20, tied=True), vocab=7)
    return save_checkpoint(path, model, ModularTask("add", p=7, train_fraction=0.6))


@pytest.fixture(scope="module")
def without_test(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that was trained on everything."""
    path = tmp_path_factory.mktemp("all") / "net"
    return save_checkpoint(
        path, analytic_mlp("add", p=7, width=40), ModularTask("add", p=7, train_fraction=1.0)
    )


@pytest.fixture(scope="module")
def reports() -> dict[Any, Any]:
    """Reports of the audits below, by their file, site and device."""
    return {}


@pytest.fixture
def once(reports: dict[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Audit each file once, for tests of the conditions on its numbers."""
    module = import_module("interp.audit")
    audit = module.audit

    def kept(checkpoint: Path, **settings: Any) -> Any:
        asked = (checkpoint, settings["site"], settings["device"])
        if asked not in reports:
            reports[asked] = audit(checkpoint, **settings)
        return reports[asked]

    monkeypatch.setattr(module, "audit", kept)


def test_an_audit_writes_what_it_says(run: Command, series: Path, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("report.html", "report.json", "report.md")]
    output = run(
        "audit", series, "--html", paths[0], "--json", paths[1], "--markdown", paths[2], "--random", 2
    )
    found = json.loads(paths[1].read_text())
    assert found["neurons"]["total"] == 60
    assert found["task"]["operation"] == "add"
    assert found["checkpoint"].endswith(LAST)
    for path in paths:
        assert path.stat().st_size > 1000
        assert path.name in "".join(output.splitlines())


def test_a_folder_gives_the_trajectory_and_a_file_does_not(
    run: Command, series: Path, tmp_path: Path
) -> None:
    for place in (series, series / LAST):
        run("audit", place, "--json", tmp_path / f"{place.name}.json", "--random", 2)
    folder, file = (json.loads((tmp_path / f"{n}.json").read_text()) for n in (series.name, LAST))
    assert [record["step"] for record in folder["trajectory"]["records"]] == [0, 60, 120]
    assert file["trajectory"] is None
    assert {**folder, "trajectory": None} == file


def test_the_command_line_and_python_agree_on_the_same_seed(
    run: Command, series: Path, tmp_path: Path
) -> None:
    run("audit", series / LAST, "--json", tmp_path / "a.json", "--seed", 3, "--random", 2)
    report = interp.audit(series / LAST, seed=3, n_random=2)
    assert json.loads((tmp_path / "a.json").read_text()) == json.loads(json.dumps(report.to_dict()))


@pytest.mark.usefixtures("once")
@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("neurons.total < 10", 0),
        ("neurons.total == 60 and accuracy.train > 0", 1),
        ("leakage.leaked > 0 and task.split_known == 1", 0),
        ("circuit.logit_variance_explained < 2", 1),
        ("circuit.restricted_loss < 0", 0),
        ("leakage.test_pairs > 0 and dialect == 'grokscope-1'", 1),
    ],
)
def test_fail_if_decides_the_exit_code(series: Path, condition: str, code: int) -> None:
    result = CliRunner().invoke(app, ["audit", str(series / LAST), "--fail-if", condition])
    assert result.exit_code == code, result.output


def test_fail_if_sees_leakage(symmetric: Path) -> None:
    result = CliRunner().invoke(app, ["audit", str(symmetric), "--fail-if", "leakage.leaked > 0"])
    assert result.exit_code == 1


@pytest.mark.usefixtures("once")
@pytest.mark.parametrize(
    "condition",
    ["leakage.leaked > 0", "leakage.accuracy_without < .5", "trajectory.stages == 1", "accuracy.test > 0"],
)
def test_what_is_null_for_a_network_is_not_known(fail: Command, without_test: Path, condition: str) -> None:
    name = condition.split()[0]
    error = fail("audit", without_test, "--fail-if", condition)
    assert f"'{name}' is not known for this network" in error


def test_a_condition_on_an_unknown_value_keeps_the_report(
    run: Command, fail: Command, tmp_path: Path
) -> None:
    run("train", "--out", tmp_path / "r", "--p", 5, "--width", 8, "--steps", 2)
    condition = "accuracy.corrupted_as_labelled > .5"
    error = fail("audit", tmp_path / "r", "--fail-if", condition, "--json", tmp_path / "a.json")
    assert "is not known for this network" in error
    assert (tmp_path / "a.json").exists()


@pytest.mark.usefixtures("once")
@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("neurons.memorising > 1", "did you mean 'neurons.memorizing'"),
        ("leakage.leeked > 1", "did you mean 'leakage.leaked'"),
        ("__import__('os').system('true')", "not allowed"),
        ("neurons.total", "must compare something"),
        ("neurons.total >", "cannot read the expression"),
    ],
)
def test_unusable_conditions_are_errors(fail: Command, series: Path, expression: str, message: str) -> None:
    assert message in fail("audit", series / LAST, "--fail-if", expression)


@pytest.mark.usefixtures("once")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nowhere", "there is no file 'nowhere'"),
        ("{empty}", "holds no checkpoints (.safetensors, .pt, .pth, .bin, .ckpt, "),
        ("{several}", "holds several weights, none numbered by a step; name a file"),
        ("{file} --html report.pdf", "should end in .html"),
        ("{file} --html /proc/nope/report.html", "there is no folder '/proc/nope'"),
        ("{file} --device tpu", "device 'tpu' is not available here"),
        ("{file} --device cpu:abc", "device 'cpu:abc' does not exist here"),
        ("{file} --seed -1", "Invalid value for '--seed'"),
        ("x" * 300, "File name too long"),
        ("{file} --fail-if accuracy.test<", "cannot read the expression"),
        ("{file} --site blocks.1.mlp.hook_post", "did you mean 'blocks.0.mlp.hook_post'"),
        ("{file} --alpha 2", "alpha=2.0 is not in (0, 1)"),
    ],
)
def test_wrong_input_ends_with_code_2_and_a_reason(
    fail: Command, series: Path, tmp_path: Path, arguments: str, message: str
) -> None:
    for name, files in (("empty", ()), ("several", ("a.pt", "b.pt"))):
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).write_bytes(b"x")
    places = {"file": series / LAST, "empty": tmp_path / "empty", "several": tmp_path / "several"}
    assert message in fail("audit", *(a.format(**places) for a in arguments.split()))


@pytest.mark.parametrize("name", MALFORMED)
def test_no_malformed_file_gets_further_than_one_message(fail: Command, tmp_path: Path, name: str) -> None:
    file = MALFORMED[name](tmp_path)
    error = fail("audit", file, "--p", 7)
    assert error.startswith("error: ")
    assert len(error) < 1000
    assert not (tmp_path / "ran").exists()


def test_the_trajectory_of_many_checkpoints_is_thinned(run: Command, tmp_path: Path) -> None:
    out = tmp_path / "r"
    run("train", "--out", out, "--p", 5, "--width", 4, "--steps", 60, "--save-every", 1)
    run("audit", out, "--json", tmp_path / "a.json", "--random", 1)
    records = json.loads((tmp_path / "a.json").read_text())["trajectory"]["records"]
    steps = [record["step"] for record in records]
    assert (steps[0], steps[-1], len(steps)) == (0, 60, 40)
    assert max(b - a for a, b in pairwise(steps)) == 2

"""The command line: every command on real files, its errors, and its promises to newcomers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet
import pytest
from typer.testing import CliRunner

import interp
from interp.cli import app, main
from interp.errors import GrokscopeError

ROOT = Path(__file__).parents[2]
COMMANDS = ["demo", "train", "score", "ablate", "audit"]
TRAIN = [
    "--p",
    "23",
    "--width",
    "60",
    "--corrupt",
    "0.3",
    "--steps",
    "120",
    "--save-every",
    "60",
    "--weight-decay",
    "1",
]


def run(*arguments: object) -> str:
    """Run a command in this process, expecting success."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def fail(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object) -> str:
    """Run a command as a user would, expecting exit code 2 and one readable message."""
    monkeypatch.setattr(sys, "argv", ["grokscope", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return " ".join(error.split())


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("series") / "r0"
    run("train", out, *TRAIN)
    return out


def test_train_then_audit_writes_what_it_says(series: Path, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("report.html", "report.json", "report.md")]
    output = run("audit", series, "--html", paths[0], "--json", paths[1], "--markdown", paths[2])
    found = json.loads(paths[1].read_text())
    assert found["neurons"]["total"] == 60
    assert found["task"]["operation"] == "add"
    assert found["checkpoint"].endswith("step-00000120.safetensors")
    for path in paths:
        assert path.stat().st_size > 1000
        assert path.name in output


def test_the_version_is_shown() -> None:
    assert run("--version").startswith("grokscope ")


def test_a_condition_on_an_unknown_value_keeps_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("train", tmp_path / "r", "--p", 5, "--width", 8, "--steps", 2)
    condition = "accuracy.corrupted_as_labelled > .5"
    error = fail(
        capsys, monkeypatch, "audit", tmp_path / "r", "--fail-if", condition, "--json", tmp_path / "a.json"
    )
    assert "is not known for this network" in error
    assert (tmp_path / "a.json").exists()


def test_the_command_line_and_python_agree(series: Path, tmp_path: Path) -> None:
    run("audit", series, "--json", tmp_path / "a.json")
    report = interp.audit(series)
    assert json.loads((tmp_path / "a.json").read_text()) == json.loads(json.dumps(report.to_dict()))


def test_an_audit_is_deterministic(series: Path, tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        run("audit", series, "--json", tmp_path / name, "--seed", 3)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_fail_if_decides_the_exit_code(series: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["audit", str(series), "--fail-if", "neurons.total < 10"]).exit_code == 0
    assert (
        runner.invoke(
            app, ["audit", str(series), "--fail-if", "neurons.total == 60 and accuracy.train > 0"]
        ).exit_code
        == 1
    )


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("neurons.memorising > 1", "did you mean 'neurons.memorizing'"),
        ("__import__('os').system('true')", "not allowed"),
        ("neurons.total", "must compare something"),
        ("neurons.total >", "cannot read the expression"),
    ],
)
def test_unusable_conditions_are_errors(
    series: Path,
    expression: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert message in fail(capsys, monkeypatch, "audit", series, "--fail-if", expression)


def test_score_shows_and_saves(series: Path, tmp_path: Path) -> None:
    output = run("score", series, "--save", tmp_path / "n.parquet", "--top", 3, "--sort", "memory_effect")
    assert "60 total" in output
    assert pyarrow.parquet.read_table(tmp_path / "n.parquet").num_rows == 60


@pytest.mark.parametrize("mode", ["zero", "mean", "scale=0.25"])
def test_an_edit_saved_is_the_edit_measured(series: Path, tmp_path: Path, mode: str) -> None:
    output = run("ablate", series, "--neurons", "highest:0.5", "--mode", mode, "--save", tmp_path / "edited")
    model, task = (lambda c: (c.model, c.task))(interp.load_checkpoint(series))
    table = interp.score(model, task)
    with interp.ablate(model, interp.select_neurons(table, "highest:0.5"), mode, reference=task):
        wanted = interp.accuracy(model, task)
    edited = interp.load_checkpoint(tmp_path / "edited.safetensors")
    found = interp.accuracy(edited.model, edited.task)
    assert found.test == pytest.approx(wanted.test, abs=0.005)
    assert f"{100 * wanted.test:.1f}" in output


def test_what_weights_cannot_express_is_not_saved(
    series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    error = fail(capsys, monkeypatch, "ablate", series, "--mode", "resample", "--save", tmp_path / "x")
    assert "weights cannot express it" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["audit", "nowhere"], "there is no file 'nowhere'"),
        (["audit", "{series}", "--html", "report.pdf"], "should end in .html"),
        (["audit", "{series}", "--html", "/proc/nope/report.html"], "cannot write"),
        (["audit", "{series}", "--device", "tpu"], "device 'tpu' is not available here"),
        (["audit", "{series}", "--device", "cpu:abc"], "device 'cpu:abc' does not exist here"),
        (["audit", "{series}", "--seed", "-1"], "Invalid value for '--seed'"),
        (["audit", "x" * 300], "File name too long"),
        (["audit", "{series}", "--fail-if", "accuracy.test <"], "cannot read the expression"),
        (["ablate", "{series}", "--save", "{series}/step-00000120"], "is the checkpoint itself"),
        (["ablate", "{series}", "--save", "{series}/step-00000060"], "exists already; add --force"),
        (["ablate", "{series}", "--mode", "scale=nan"], "no number after 'scale='"),
        (["train", "{new}", "--weight-decay", "nan"], "weight_decay=nan is no usable number"),
        (["train", "{new}", "--lr", "inf"], "lr=inf"),
        (
            ["train", "{new}", "--norm", "batch", "--batch-size", "1"],
            "batch norm needs batches of at least 2",
        ),
        (["audit", "{series}", "--site", "blocks.1.mlp.hook_post"], "did you mean 'blocks.0.mlp.hook_post'"),
        (["audit", "{series}", "--alpha", "2"], "alpha=2.0 is not in (0, 1)"),
        (["score", "{series}", "--sort", "label"], "cannot order neurons by 'label'"),
        (["ablate", "{series}", "--mode", "explode"], "unknown mode 'explode'"),
        (["ablate", "{series}", "--neurons", "label:bad"], "cannot select neurons by 'label:bad'"),
        (["train", "{series}"], "already holds checkpoints; add --resume"),
        (["train", "{new}", "--task", "divide", "--p", "10"], "needs a prime modulus"),
        (["train", "{new}", "--task", "a**b"], "not allowed"),
        (["train", "{new}", "--corrupt", "1.5"], "corrupt_fraction=1.5 is not in [0, 1]"),
        (["train", "{new}", "--width", "0"], "width=0 must be at least 1"),
        (["train", "{new}", "--activation", "relux"], "unknown activation 'relux'"),
        (["train", "{new}", "--width", "many"], "Invalid value for '--width'"),
    ],
)
def test_wrong_input_ends_with_code_2_and_a_reason(
    series: Path,
    tmp_path: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    places = {"series": series, "new": tmp_path / "new"}
    assert message in fail(capsys, monkeypatch, *(a.format(**places) for a in arguments))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples_and_stands_in_the_readme(command: str) -> None:
    output = run(command, "--help")
    assert "Examples" in output
    assert f"grokscope {command}" in output
    assert f"grokscope {command}" in (ROOT / "README.md").read_text()


def test_no_command_is_missing_from_the_list_above() -> None:
    assert sorted(command.name or command.callback.__name__ for command in app.registered_commands) == sorted(
        COMMANDS
    )


def test_help_answers_without_importing_anything_heavy() -> None:
    heavy = "torch", "numpy", "plotly", "sklearn", "numba"
    script = f"import sys, interp.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_python_has_an_equivalent_for_every_command() -> None:
    for name in ("demo", "train", "score", "ablate_checkpoint", "audit"):
        assert callable(getattr(interp, name))
    assert issubclass(interp.GrokscopeError, Exception)
    assert GrokscopeError is interp.GrokscopeError


def test_output_in_a_pipe_has_no_colour_codes(series: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "interp.cli", "audit", str(series)], capture_output=True, text=True, check=True
    )
    assert "\x1b" not in done.stdout + done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80 or re.search(r"\S{60,}", done.stdout)


@pytest.mark.slow
def test_the_demo_ends_in_time_and_takes_up_its_own_network(tmp_path: Path) -> None:
    started = time.monotonic()
    command = [sys.executable, "-m", "interp.cli", "demo", "--out", str(tmp_path / "demo")]
    subprocess.run(command, check=True, capture_output=True)
    first = time.monotonic() - started
    found = json.loads((tmp_path / "demo" / "report.json").read_text())
    assert found["phase"] == "coexistence"
    assert (tmp_path / "demo" / "report.html").stat().st_size < 8e6
    started = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    assert time.monotonic() - started < first

"""Files that are no files, values of the wrong kind, code in received files: each is one error, exit code 2."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hostile import described
from typer.testing import CliRunner

from interp.checkpoints import save_checkpoint
from interp.cli import app, application, main
from interp.data import ModularTask
from interp.models import analytic_mlp

Fail = Callable[..., str]
SCRIPT = "</script><script>alert(1)</script>"


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """A native checkpoint in a folder of its own, with the training curve of one step."""
    folder = tmp_path / "run"
    folder.mkdir()
    model, task = analytic_mlp("add", p=13, width=24), ModularTask("add", p=13)
    (folder / "history.json").write_text(
        '[{"step": 3, "loss": 0.1, "accuracy": {"train": 1.0, "test": 1.0}}]'
    )
    return save_checkpoint(folder / "step-00000003", model, task, step=3)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("step", SCRIPT), ("step", "150"), ("step", True), ("step", float("nan")), ("step", 1e30), ("step", -1),
        ("step", 2**63), ("training", []), ("metrics", "good"), ("edited", 1), ("model.kind", []),
        ("model.init_scale", float("inf")), ("model.init_scale", "1"), ("model.dropout", "x"), ("model.width", 1.5),
        ("model.width", 40_000_000), ("model.depth", 300_000), ("model.vocab", 13.0), ("model.activation", []),
        ("task.seed", []), ("task.operation", []), ("task.p", 7), ("task.split", [1]), ("task.split", {"train": 1}),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_one_error(net: Path, fail: Fail, place: str, value: Any) -> None:
    described(place, value)(net)
    message = fail("score", net)
    assert message.startswith("error: ")
    assert len(message) < 1500  # of which the type checker of tests writes most


@pytest.mark.parametrize(
    "text", ["[" * 200_000, '{"step": ' + "9" * 5_000 + "}", '"text"', "", "\xff", "[1]"]
)
@pytest.mark.parametrize("name", ["step-00000003.json", "history.json"])
def test_json_that_cannot_be_used_is_one_error(net: Path, fail: Fail, name: str, text: str) -> None:
    (net.parent / name).write_text(text, encoding="latin-1")
    fail("audit", net.parent, "--random", 1)


@pytest.mark.parametrize(
    "record",
    [
        {}, {"step": "a", "accuracy": {}}, {"step": 1}, {"step": None, "accuracy": {}}, {"step": 1, "accuracy": []},
        {"step": 1, "accuracy": {"train": "1"}}, {"step": 1, "accuracy": {"train": 2}},
        {"step": 1, "accuracy": {}, "loss": SCRIPT}, {"step": 1, "accuracy": {}, "margin": 1},
        {"step": 1, "accuracy": {}, "margin": {"test": float("nan")}},
    ],
)  # fmt: skip
def test_a_training_curve_of_other_values_is_one_error(net: Path, fail: Fail, record: dict[str, Any]) -> None:
    (net.parent / "history.json").write_text(json.dumps([record]))
    assert "history.json" in fail("audit", net.parent, "--random", 1)


@pytest.fixture(params=["pipe", "device", "folder"])
def no_file(request: pytest.FixtureRequest) -> Callable[[Path], Path]:
    """Put what is no ordinary file at a path."""

    def put(path: Path) -> Path:
        path.unlink(missing_ok=True)
        if request.param == "pipe":
            os.mkfifo(path)
        elif request.param == "device":
            path.symlink_to("/dev/zero")
        else:
            path.mkdir()
        return path

    return put


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["step-00000003.json", "history.json", "step-00000003.safetensors"])
def test_parts_of_a_checkpoint_that_are_no_files(
    net: Path, fail: Fail, no_file: Callable[[Path], Path], name: str
) -> None:
    no_file(net.parent / name)
    fail("audit", net, "--random", 1)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "words",
    [
        ("score", "FILE.pt"), ("score", "FILE.safetensors"), ("score", "NET", "--table", "FILE.csv"),
        ("score", "NET", "--table", "FILE.parquet"), ("score", "NET", "--split-from", "FILE.csv"),
        ("score", "NET", "--split-from", "FILE.json"), ("score", "NET", "--split-from", "FILE.npy"),
        ("ablate", "NET", "--neurons", "@FILE"), ("batch", "FILE.toml"), ("sweep", "FILE.toml"),
    ],
)  # fmt: skip
def test_options_that_name_no_ordinary_file(
    net: Path, tmp_path: Path, fail: Fail, no_file: Callable[[Path], Path], words: tuple[str, ...]
) -> None:
    named = next(word.removeprefix("@") for word in words if "FILE" in word)
    no_file(tmp_path / named)
    fail(*(word.replace("NET", str(net)).replace("FILE", f"{tmp_path}/FILE") for word in words))


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("batch", "grid = 1\n[[files]]\npaths = ['.']"), ("batch", "out = [1]\n[[files]]\npaths = ['.']"),
        ("batch", "files = [1]"), ("batch", "[[files]]\npaths = [1]"), ("sweep", "grid = 1"), ("sweep", "out = [1]"),
        ("sweep", "p = " + "9" * 5_000), ("sweep", "p = " + "[" * 50_000), ("sweep", "title = 3"),
        ("sweep", "[grid]\n" + "\n".join(f"{name} = {list(range(1, 41))}" for name in "abcdefghij")),
    ],
)  # fmt: skip
def test_toml_that_cannot_be_used_is_one_error(tmp_path: Path, fail: Fail, command: str, text: str) -> None:
    (tmp_path / "job.toml").write_text(text)
    assert len(fail(command, tmp_path / "job.toml", "--out", tmp_path / "out")) < 600


def test_code_that_only_a_file_names_is_never_run(net: Path, tmp_path: Path, fail: Fail) -> None:
    ran = tmp_path / "ran"
    (tmp_path / "net.py").write_text(f"open({str(ran)!r}, 'w').close()\n\ndef build(): ...\n")
    factory = f"{tmp_path / 'net.py'}:build"
    (tmp_path / "job.toml").write_text(
        f"out = 'out'\nmodel = 'net.py:build'\nsites = ['fc']\n[[files]]\npaths = [{str(net)!r}]\n"
    )
    assert "would run the code of" in fail("batch", tmp_path / "job.toml")
    received = tmp_path / "received"
    received.mkdir()
    group = {"paths": [str(net)], "settings": [{"model": factory, "sites": ["fc"]}]}
    (received / "job.json").write_text(json.dumps({"groups": [group]}))
    message = fail("batch", "--out", received)
    assert f"--model {factory} --site fc" in message
    fail("batch", "--out", received, "--model", f"{tmp_path / 'other.py'}:build", "--site", "fc")
    fail("batch", "--out", received, "--model", factory, "--site", "other")
    assert not ran.exists()
    asked = ["batch", "--out", str(received), "--model", factory, "--site", "fc"]
    assert CliRunner().invoke(app, asked).exit_code == 3  # it builds nothing, which is a row
    assert ran.exists()


def test_no_crash_ends_with_the_exit_code_of_fail_if(
    net: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for error, code in (
        (KeyError("a"), 70), (EOFError("end"), 70), (RuntimeError("no"), 70), (MemoryError("Unable to allocate"), 2),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 2), (BrokenPipeError(), 141),
        (PermissionError(13, "Permission denied", "locked"), 2), (KeyboardInterrupt(), 130),
    ):  # fmt: skip

        def crash(*args: Any, error: BaseException = error, **options: Any) -> None:
            raise error

        monkeypatch.setattr(import_module("interp.audit"), "audit", crash)
        monkeypatch.setattr("sys.argv", ["grokscope", "audit", str(net)])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == code, error
        assert "Traceback" not in capsys.readouterr().err
    assert application.PIPE_CLOSED != 1


def test_names_and_values_cannot_command_the_terminal(net: Path, tmp_path: Path, fail: Fail) -> None:
    folder = tmp_path / "runs\x1b]0;title\x07\u202e"
    net.parent.rename(folder)
    shown = CliRunner().invoke(
        app, ["audit", str(folder / net.name), "--random", "1"], catch_exceptions=False
    )
    assert shown.exit_code == 0
    assert "\x1b]0" not in shown.output
    assert "\u202e" not in shown.output
    assert "\\x1b" in shown.output.replace("\n", "")
    assert "\x1b" not in fail("audit", tmp_path / "no\x1b[31mfile")


def test_more_factors_than_a_curve_can_have_and_measurements_for_tokens(
    net: Path, tmp_path: Path, fail: Fail
) -> None:
    assert "expected 2 to 10000" in fail("dose", net, "--points", 100_000_000)
    (tmp_path / "t.csv").write_text("a,b,label\n0.5,1.25,0\n0.25,1.5,1\n")
    words = [sys.executable, "-m", "interp.cli", "score", net, "--table", tmp_path / "t.csv"]
    done = subprocess.run(words, capture_output=True, text=True)  # without the type checker of tests
    assert done.returncode == 2
    assert "measurements" in done.stderr
    (tmp_path / "when.csv").write_text("a,b\n2020-01-01,1\n2020-01-03,2\n")
    assert "when.csv" in fail("score", net, "--split-from", tmp_path / "when.csv")


def test_more_than_the_budget_is_refused_before_it_is_taken(
    net: Path, tmp_path: Path, fail: Fail, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow
    from pyarrow import parquet

    monkeypatch.setenv("GROKSCOPE_MEMORY", "0.00005")
    assert "MiB may be used" in fail("score", net)
    rows = pyarrow.nulls(10**6, pyarrow.int64()).fill_null(1)
    parquet.write_table(pyarrow.table({"a": rows, "b": rows, "label": rows}), tmp_path / "t.parquet")
    assert "1,000,000 rows and 3 columns" in fail("score", net, "--table", tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text("a,b,label\n" + "1,1,1\n" * 10_000)
    assert "10,002 rows" in fail("score", net, "--table", tmp_path / "t.csv")
    monkeypatch.setenv("GROKSCOPE_MEMORY", "much")
    assert "GROKSCOPE_MEMORY='much'" in fail("score", net)

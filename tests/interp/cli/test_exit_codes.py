"""Every exit code that the help lists, made to happen."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from interp.cli import app, console, exit_codes
from interp.cli.failure import report_failure
from interp.errors import ConfigError


def _program(*arguments):
    return [sys.executable, "-m", "interp.cli", *arguments]


def test_the_help_lists_all_codes():
    text = CliRunner().invoke(app, ["--help"]).output
    words = " ".join(text.split())
    for code, meaning in exit_codes.EXIT_CODES.items():
        assert f"{code} {meaning}" in words


def test_codes_are_different_and_1_is_no_error():
    assert len(exit_codes.EXIT_CODES) == 7
    assert report_failure(ConfigError("x")) == exit_codes.INPUT
    assert report_failure(ZeroDivisionError("x")) == exit_codes.CRASH
    assert exit_codes.HOLDS not in (report_failure(MemoryError()), report_failure(OSError()))


@pytest.mark.parametrize(("arguments", "code"), [
    ("validate nowhere.json", exit_codes.INPUT),
    ("validate --no-such-option", exit_codes.INPUT),
])  # fmt: skip
def test_input(arguments, code):
    done = subprocess.run(_program(*arguments.split()), capture_output=True, check=False)
    assert done.returncode == code


def test_a_condition_that_holds(tmp_path):
    (tmp_path / "a.json").write_text('{"schema": "dialects", "schema_version": 1}')
    assert CliRunner().invoke(app, ["validate", "--schema", "dialects"]).exit_code == exit_codes.DONE
    assert CliRunner().invoke(app, ["validate", str(tmp_path / "a.json")]).exit_code == exit_codes.HOLDS


def test_a_reader_that_wants_no_more():
    read, written = os.pipe()
    os.close(read)
    done = subprocess.run(_program("validate", "--schema", "audit"), stdout=written, check=False)
    os.close(written)
    assert done.returncode == exit_codes.PIPE_CLOSED


def test_a_reader_that_wants_no_more_costs_no_file(monkeypatch, tmp_path):
    def closed(*given):
        raise BrokenPipeError

    monkeypatch.setattr("interp.report.print_report", closed)
    report = SimpleNamespace(save=lambda path: path.write_text("kept"))
    with pytest.raises(BrokenPipeError):
        console.show(report, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text() == "kept"


@pytest.mark.slow
def test_control_c(tmp_path):
    process = subprocess.Popen(
        _program("demo", "--out", str(tmp_path / "demo"), "--steps", "100000"),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ,
    )  # fmt: skip
    time.sleep(25)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == exit_codes.INTERRUPTED

"""The command line as a whole: its commands, its help, and its promises to newcomers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import interp
from interp.cli import app
from interp.errors import GrokscopeError

ROOT = Path(__file__).parents[3]
COMMANDS = ["demo", "train", "score", "ablate", "audit", "explore", "batch", "sweep", "plot"]
COMMANDS += ["dynamics", "dose", "unlearn", "communities", "describe", "retention", "overlap"]
COMMANDS += ["transfer-gamma", "validate", "dialects", "doctor", "study"]


def test_the_version_is_shown(run: Callable[..., str]) -> None:
    assert run("--version").startswith("grokscope ")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples_and_stands_in_the_guide(
    run: Callable[..., str], command: str
) -> None:
    output = run(command, "--help")
    assert "Examples" in output
    assert f"grokscope {command}" in output
    assert f"grokscope {command}" in (ROOT / "notebooks" / "guide" / "README.md").read_text()


def test_no_command_is_missing_from_the_list_above() -> None:
    commands = [
        command.name or command.callback.__name__.replace("_", "-") for command in app.registered_commands
    ]
    assert [*commands, *(group.name for group in app.registered_groups)] == COMMANDS


def test_help_answers_without_importing_anything_heavy() -> None:
    heavy = "torch", "numpy", "plotly", "dash", "sklearn", "numba", "pyarrow"
    script = f"import sys, interp.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_python_has_an_equivalent_for_every_command() -> None:
    names = [
        "demo",
        "train",
        "score",
        "ablate_checkpoint",
        "audit",
        "explore",
        "batch",
        "run_study",
        "load_checkpoint",
        "run_grid",
    ]
    for name in [*names, "dynamics_of", "dose", "compare_unlearning", "gamma_rescale", "describe"]:
        assert callable(getattr(interp, name))
    assert issubclass(interp.GrokscopeError, Exception)
    assert GrokscopeError is interp.GrokscopeError


def test_output_in_a_pipe_has_no_colour_codes(series: Path) -> None:
    command = [sys.executable, "-m", "interp.cli", "audit", str(series / "step-00000120.safetensors")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
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

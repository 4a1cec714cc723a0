"""The shell completes commands, studies, options and values, also once it is set up in a new shell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from interp.checkpoints.dialects import dialect_names
from interp.cli import app
from interp.cli.application import COMMANDS
from interp.lab import STUDIES
from interp.modes import MODES
from probes.labels import LABELS


def completed(line: str) -> list[str]:
    """What bash is offered for the last word of a line."""
    words = line.split(" ")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_GROKSCOPE_COMPLETE": "complete_bash"}
    done = CliRunner().invoke(app, prog_name="grokscope", env=asked)
    assert done.exit_code == 0, done.output
    return done.output.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("grokscope ", {*(name.replace("_", "-") for name in COMMANDS), "study"}),
        ("grokscope study ", set(STUDIES)),
        ("grokscope audit runs --dialect ", {*dialect_names(), "native"}),
        ("grokscope ablate runs --mode ", {f"{name}{'=' * bool(m.argument)}" for name, m in MODES.items()}),
        ("grokscope ablate runs --neurons label:", {f"label:{label}" for label in LABELS}),
    ],
)
def test_all_names_are_offered(line: str, expected: set[str]) -> None:
    assert set(completed(line)) == expected


def test_only_names_that_begin_so_are_offered() -> None:
    assert completed("grokscope dos") == ["dose"]
    assert completed("grokscope audit runs --dialect nan") == ["nanda"]
    assert completed("grokscope audit runs --dialect zzz") == []
    assert "--fail-if" in completed("grokscope audit runs --fa")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_it_is_installed_for_new_shells(tmp_path: Path) -> None:
    # A program whose name is the command's, so that neither shell needs the environment's folder of scripts.
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "grokscope").write_text(
        f"#!{sys.executable}\nfrom interp.cli import main\nmain()\n", encoding="utf-8"
    )
    (tmp_path / "bin" / "grokscope").chmod(0o755)
    names = {**os.environ, "HOME": str(tmp_path), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}

    def bash(script: str) -> str:
        # From a file, since `bash -c` makes way for its last command, which then finds no shell above itself.
        (tmp_path / "script").write_text(script, encoding="utf-8")
        command = ["bash", "--norc", str(tmp_path / "script")]
        done = subprocess.run(command, env=names, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "completion installed" in bash("grokscope --install-completion\ntrue\n")
    offered = bash(
        "source ~/.bashrc\nCOMP_WORDS=(grokscope study le)\nCOMP_CWORD=2\n"
        '_grokscope_completion grokscope\necho "${COMPREPLY[@]}"\n'
    )
    assert offered.split() == ["lens"]

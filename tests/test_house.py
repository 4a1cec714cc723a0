"""The house rules that a program can check: layers, sizes, names, the two commands."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(file for package in ("interp", "probes") for file in (ROOT / package).rglob("*.py"))
MAX_FILE, MAX_FUNCTION = 350, 60
LONG_FUNCTIONS = {"train"}  # interp/cli/train.py: one line for each of its options


def test_imports_point_one_way() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_files_and_functions_stay_short(file: Path) -> None:
    text = file.read_text()
    assert len(text.splitlines()) <= MAX_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name not in LONG_FUNCTIONS:
            documented = ast.get_docstring(node, clean=False) or ""
            lines = node.end_lineno - node.lineno + 1 - documented.count("\n")
            assert lines <= MAX_FUNCTION, f"{node.name} has {lines} lines"


def test_no_file_is_a_dumping_ground() -> None:
    bad = {"utils", "common", "helpers", "base", "config", "misc"}
    assert not [file for file in FILES if file.stem in bad]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_public_name_is_documented(file: Path) -> None:
    tree = ast.parse(file.read_text())
    assert ast.get_docstring(tree), "the module has no docstring"
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def test_probes_load_neither_torch_nor_transformer_lens() -> None:
    script = (
        "import sys, probes; print([m for m in ('torch', 'transformer_lens', 'plotly') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_stub_lists_what_the_package_has() -> None:
    import interp

    stub = ast.parse((ROOT / "interp" / "__init__.pyi").read_text())
    listed = {alias.asname for node in stub.body for alias in node.names}
    assert set(interp.__all__) == listed
    for name in listed:
        assert getattr(interp, name).__doc__


def test_the_readme_has_the_two_commands_that_install_through_the_constraints() -> None:
    readme = (ROOT / "README.md").read_text()
    for marker in ("<!-- demo -->", "<!-- tests -->"):
        command = readme.split(marker)[1].split("```")[1]
        assert "pip install -q -c .ci/constraints.txt" in command
    constraints = (ROOT / ".ci" / "constraints.txt").read_text().splitlines()
    assert "torch==2.13.0" in constraints
    assert all("==" in line for line in constraints if line and not line.startswith("#"))

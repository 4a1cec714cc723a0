"""The house rules that a program can check: layers, sizes, names, the two commands."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path
from statistics import median

import grimp
import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).parents[1]
FILES = sorted(file for package in ("interp", "probes") for file in (ROOT / package).rglob("*.py"))
MAX_FILE, MAX_FUNCTION, MAX_CLASS, MAX_MEDIAN, MAX_LAYERS = 350, 60, 200, 130, 12
RIDDLES = {"found", "told", "said", "made", "what", "those"}
"""Names that say nothing of a value."""


def test_imports_point_one_way() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_contract_has_few_layers_and_counts_imports_for_types() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert not settings.get("exclude_type_checking_imports")
    for contract in settings["contracts"]:
        assert len(contract.get("layers", ())) <= MAX_LAYERS


def test_no_imports_go_round_in_a_circle() -> None:
    """Of modules, those for types included."""
    graph = grimp.build_graph("interp", "probes", cache_dir=None)
    modules = sorted(graph.modules)
    place = {module: i for i, module in enumerate(modules)}
    arrows = np.array(
        [(place[m], place[n]) for m in modules for n in graph.find_modules_directly_imported_by(m)]
    )
    matrix = csr_matrix((np.ones(len(arrows)), arrows.T), shape=(len(modules),) * 2)
    _, component = connected_components(matrix, connection="strong")
    circles = [[m for m in modules if component[place[m]] == k] for k in set(component.tolist())]
    assert not [circle for circle in circles if len(circle) > 1]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_files_classes_and_functions_stay_short(file: Path) -> None:
    text = file.read_text()
    assert len(text.splitlines()) <= MAX_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            body = (
                node.body[0].lineno - node.lineno if file.parent.name == "cli" else 0
            )  # a command's options
            lines = node.end_lineno - node.lineno + 1 - body
            most = MAX_CLASS if isinstance(node, ast.ClassDef) else MAX_FUNCTION
            assert lines <= most, f"{node.name} has {lines} lines"


def test_files_are_short_as_a_rule() -> None:
    """But for networks with state, each of which is one file by design: network, task and demonstration."""
    files = [file for file in FILES if file.parent != ROOT / "interp" / "lab" / "hosts" / "networks"]
    assert median(len(file.read_text().splitlines()) for file in files) <= MAX_MEDIAN


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_names_are_nouns_and_docstrings_say_what_comes_back(file: Path) -> None:
    tree = ast.parse(file.read_text())
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    assert not names & RIDDLES
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)):
            opening = (ast.get_docstring(node) or "").split(maxsplit=1)[:1]
            assert opening not in (["What"], ["Whether"], ["How"], ["Which"]), getattr(
                node, "name", file.name
            )


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

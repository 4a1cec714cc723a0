"""A study is one folder that uses what every user has: the tables of contents of the packages, no more."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from interp.lab import STUDIES

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "interp" / "lab"
SHORTEST, LONGEST = 60, 260


def folder_of(name: str) -> Path:
    """The folder of a study, which has underscores where its name has dashes."""
    return FOLDER / name.replace("-", "_")


def imports(file: Path) -> Iterator[tuple[str, str]]:
    """Module and name of everything that a file imports from this project."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in ("interp", "probes"):
            yield from ((str(node.module), alias.name) for alias in node.names)


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_one_folder_with_a_test_and_a_figure(name: str) -> None:
    lines = (folder_of(name) / "study.py").read_text().splitlines()
    assert SHORTEST <= len(lines) <= LONGEST
    assert Path(__file__).with_name(f"test_{folder_of(name).name}.py").exists()
    assert (folder_of(name) / "figure.py").exists()


@pytest.mark.parametrize("name", STUDIES)
def test_studies_import_public_names_only(name: str) -> None:
    for file in folder_of(name).glob("*.py"):
        for module, imported in imports(file):
            assert not imported.startswith("_"), f"{file.name} imports {imported} of {module}"

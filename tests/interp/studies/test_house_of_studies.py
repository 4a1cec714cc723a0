"""A study is one short file that uses what every user has: the tables of contents of the packages, no more."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from interp.studies import STUDIES

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "interp" / "studies"
SHORTEST, LONGEST = 60, 250


def imports(file: Path) -> Iterator[tuple[str, str]]:
    """Module and name of everything that a file imports from this project."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in ("interp", "probes"):
            yield from ((str(node.module), alias.name) for alias in node.names)


def contents(package: Path) -> set[str]:
    """What a package's table of contents lists, and its modules."""
    stub = package / "__init__.pyi"
    tree = ast.parse((stub if stub.exists() else package / "__init__.py").read_text())
    listed = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return listed | {file.stem for file in package.glob("*.py")}


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_one_short_file_with_a_test_and_a_figure(name: str) -> None:
    lines = (FOLDER / f"{name}.py").read_text().splitlines()
    assert SHORTEST <= len(lines) <= LONGEST
    assert Path(__file__).with_name(f"test_{name}.py").exists()
    assert (ROOT / "interp" / "plots" / "studies" / f"{name}.py").exists()


@pytest.mark.parametrize("name", STUDIES)
def test_studies_import_public_names_only(name: str) -> None:
    for module, imported in imports(FOLDER / f"{name}.py"):
        assert not imported.startswith("_")
        place = ROOT.joinpath(*module.split("."))
        if place.is_dir():
            assert imported in contents(place), f"{module} does not list {imported}"
        else:
            own = module.startswith(("interp.studies.", "interp.instruments."))
            assert own or module.count(".") == 1, f"{module} is inside a package"

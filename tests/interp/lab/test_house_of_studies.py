"""A study is one folder that uses what every user has: the tables of contents of the packages, no more."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
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


DICE = '''
from dataclasses import dataclass

import numpy as np

from interp.lab.study import Record, Settings, Study, setting
from interp.plots.canvas import blank


@dataclass(frozen=True)
class Config(Settings):
    """The die."""

    sides: int = setting(6, "Of the die.", "[2, inf)")


def measure(config, seed, report):
    return Record({"eyes": float(np.random.default_rng(seed).integers(1, config.sides + 1))}, {})


STUDY = Study(
    name="dice",
    title="A die",
    about="One throw for each seed.",
    config=Config,
    measure=measure,
    units=lambda config: 1,
    quantities={"eyes": "eyes thrown"},
    judge=lambda result: [f"On average {result.over('eyes').mean:g} eyes."],
    draw=lambda result: blank("Eyes", "seed", "eyes"),
)
'''


def test_a_study_is_added_as_one_folder(tmp_path: Path) -> None:
    for package in ("interp", "probes"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    folder = tmp_path / "interp" / "lab" / "dice"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""Eyes of a die that is thrown."""\n')
    (folder / "study.py").write_text(DICE)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "interp.cli", "study", *arguments]
        place = os.environ | {"PYTHONPATH": str(tmp_path), "COLUMNS": "120"}
        return subprocess.run(command, cwd=tmp_path, env=place, capture_output=True, text=True, check=False)

    assert "Eyes of a die that is thrown." in run("--help").stdout
    done = run("dice", "--sides", "20", "--seeds", "2", "--json", "dice.json", "--html", "dice.html")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "dice.json").read_text())["settings"] == {"sides": 20}
    assert "A die" in (tmp_path / "dice.html").read_text()

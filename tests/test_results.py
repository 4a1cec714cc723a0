"""The results beside the notebooks: every recipe ended as it says, and the phases follow from the accuracies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv

from interp.lab.grids.figures import phase_diagram
from interp.lab.grids.grid import read_grid
from interp.measuring.evaluation import SplitValues
from interp.measuring.phase import phase_of
from probes.labels import LABELS

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
RECIPES = sorted((NOTEBOOKS / "recipes").glob("*.toml"))
RESULTS = [NOTEBOOKS / "results" / f"{recipe.stem}.csv" for recipe in RECIPES]
DIAGRAM = "phase-diagram"  # of phases only
SETTINGS = ("weight_decay", "dropout", "operation")
SPLITS = ("train", "clean", "corrupted_as_labelled", "corrupted_as_true", "test", "all")


def rows_of(file: Path) -> list[dict]:
    return csv.read_csv(file).to_pylist()


def means(recipe: str, *columns: str, of: str = "") -> dict[str, list[float]]:
    """Means over the seeds of each network of a recipe, in the order of its grid; of the networks of a variant."""
    runs = [row for row in rows_of(NOTEBOOKS / "results" / f"{recipe}.csv") if (row["variant"] or "") == of]
    axes = [name for name in [*runs[0]][1:] if name in SETTINGS]
    groups: dict[tuple, list[dict]] = {}
    for row in runs:
        groups.setdefault(tuple(row[name] for name in axes), []).append(row)
    assert min(map(len, groups.values())) >= 3
    return {
        column: [float(np.mean([row[column] for row in group])) for group in groups.values()]
        for column in columns
    }


def number(value: object) -> float | None:
    return None if value in (None, "") else float(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("file", RESULTS, ids=lambda file: file.stem)
def test_results_are_those_of_their_recipe(file: Path) -> None:
    grid = read_grid(NOTEBOOKS / "recipes" / f"{file.stem}.toml", out="out")
    assert [row["run"] for row in rows_of(file)] == [run.name for run in grid.runs]


@pytest.mark.parametrize("file", RESULTS, ids=lambda file: file.stem)
def test_phases_follow_from_accuracies(file: Path) -> None:
    grid = read_grid(NOTEBOOKS / "recipes" / f"{file.stem}.toml", out="out")
    for row, run in zip(rows_of(file), grid.runs, strict=True):
        measured = SplitValues(**{split: number(row[f"accuracy_{split}"]) for split in SPLITS})
        before = (number(row["best_test"]) or 0.0) >= 0.9
        found = phase_of(measured, run.task.corrupt_fraction, generalised_before=before)
        assert (row["phase"], row["phase_by_table"]) == (found.name, found.by_table)


@pytest.mark.parametrize("file", RESULTS, ids=lambda file: file.stem)
def test_four_in_five_runs_end_as_their_recipe_expects(file: Path) -> None:
    grid = read_grid(NOTEBOOKS / "recipes" / f"{file.stem}.toml", out="out")
    asked = [(row, run) for row, run in zip(rows_of(file), grid.runs, strict=True) if run.expect]
    for variant in {run.variant for _, run in asked}:
        as_expected = [row["phase"] in run.expect for row, run in asked if run.variant == variant]
        assert sum(as_expected) >= 0.8 * len(as_expected)


@pytest.mark.parametrize(("recipe", "unlearns"), [("coexistence", False), ("full-inversion", True)])
def test_both_stages_are_found_at_weight_decay_15_and_only_the_first_without(
    recipe: str, unlearns: bool
) -> None:
    rows = rows_of(NOTEBOOKS / "results" / f"{recipe}.csv")
    assert len(rows) >= 5
    for row in rows:
        assert row["memorisation_after"] < row["grokking_after"]
        assert (number(row["unlearning_after"]) is not None) == unlearns
        assert (number(row["unlearning_before"]) is not None) == unlearns


def test_every_recipe_has_a_result_and_every_result_a_recipe() -> None:
    assert sorted((NOTEBOOKS / "results").glob("*.csv")) == RESULTS


@pytest.mark.parametrize("file", [f for f in RESULTS if f.stem != DIAGRAM], ids=lambda file: file.stem)
def test_every_neuron_has_one_label(file: Path) -> None:
    for row in rows_of(file):
        assert sum(row[label] for label in LABELS) == row["neurons"]


def test_the_diagram_covers_its_grid() -> None:
    table = csv.read_csv(NOTEBOOKS / "results" / f"{DIAGRAM}.csv")
    assert table.num_rows == 9 * 9 * 2
    figure = phase_diagram(pa.Table.from_pylist(table.to_pylist()))
    heats = [trace for trace in figure.data if trace.type == "heatmap"]
    assert [len(heat.z) * len(heat.z[0]) for heat in heats] == [81, 81]
    assert (NOTEBOOKS / "images" / "phases.png").exists()

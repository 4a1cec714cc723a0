"""The results beside the notebooks: every recipe ended as it says, and the phases follow from the accuracies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
    runs = [
        row for row in rows_of(NOTEBOOKS / "results" / f"{recipe}.csv") if str(row["variant"] or "") == of
    ]
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


def shares(recipe: str, label: str, of: str = "") -> list[float]:
    """Share of the neurons with a label, in %, by network."""
    counts = means(recipe, label, "neurons", of=of)
    return [100 * n / total for n, total in zip(counts[label], counts["neurons"], strict=True)]


def accuracies(recipe: str, split: str, of: str = "") -> list[float]:
    return [100 * value for value in means(recipe, f"accuracy_{split}", of=of)[f"accuracy_{split}"]]


def near(*values: float, within: float = 2.0) -> Any:
    return pytest.approx(values, abs=within)


def test_regularisers_make_generalizing_neurons_and_take_memories() -> None:
    decays = ("coexistence", "partial-inversion", "full-inversion")
    assert [shares(name, "generalizing")[0] for name in decays] == near(29, 54, 91)
    assert [accuracies(name, "corrupted_as_labelled")[0] for name in decays] == near(95, 34, 1)
    assert shares("dropout", "generalizing") == near(29, 59, 82, 89)
    assert accuracies("dropout", "corrupted_as_labelled") == near(95, 45, 4, 4)
    assert min(accuracies("dropout", "test")) > 98


def test_other_losses_and_activations() -> None:
    assert accuracies("cross-entropy", "test") == near(0, 74, 100, 5, within=3)
    assert accuracies("cross-entropy", "corrupted_as_labelled")[:3] == near(100, 100, 3)
    assert shares("cross-entropy", "generalizing")[2] == pytest.approx(84, abs=2)
    assert accuracies("relu", "test", of="2 layers") == near(100, 100)
    assert shares("relu", "generalizing", of="2 layers") == near(61, 78)
    assert accuracies("relu", "corrupted_as_true", of="2 layers") == near(100, 100)
    assert accuracies("relu", "test", of="3 layers") == near(0, 0)


def test_batches_norms_and_other_networks() -> None:
    labelled = [accuracies("mini-batches", "corrupted_as_labelled", of=n)[0] for n in ("256", "64", "8")]
    assert labelled == near(91, 87, 57)
    assert [shares("mini-batches", "generalizing", of=n)[0] for n in ("256", "64", "8")] == near(30, 30, 31)
    assert [shares("norms", "generalizing", of=n)[0] for n in ("batch", "layer", "none")] == near(44, 46, 44)
    assert accuracies("transformer", "test") == near(83, within=3)
    assert accuracies("transformer", "corrupted_as_labelled") == near(100)
    assert all(31 <= row["both"] <= 99 for row in rows_of(NOTEBOOKS / "results" / "transformer.csv"))
    assert min(shares("polynomials", "generalizing", of="learnable")) > 88
    assert accuracies("polynomials", "test", of="not learnable") == near(44, 1)


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

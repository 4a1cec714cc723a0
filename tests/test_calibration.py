"""Calibration of p-values and labels: what is committed obeys the bounds, and a short run anew does too."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binom

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "tests" / "benchmarks" / "calibration.py"
RESULTS = ROOT / "notebooks" / "results" / "calibration.json"
RARE = 1e-4
"""Chance, for each row, that a bound fails by itself."""


def within_bounds(row: Mapping[str, Any], alpha: float) -> bool:
    """At most 1.5 % of p-values below .01, and few networks with a false discovery, both with what chance allows.

    Neurons of a network are not independent: four of them count as one.
    """
    independent = max(row["neurons"] // 4, 1)
    few = row["below"] * independent <= binom.isf(RARE, independent, 1.5 * alpha)
    return few and row["networks_with_any"] <= binom.isf(RARE, row["networks"], alpha)


def rows_of(file: Path) -> list[dict[str, Any]]:
    stored = json.loads(file.read_text())
    assert stored["alpha"] == 0.01
    return stored["rows"]


def test_the_guide_reports_the_committed_numbers() -> None:
    rows = [row for row in rows_of(RESULTS) if row["network"] == "all"]
    below: dict[str, list[float]] = {}
    for row in rows:
        below.setdefault(row["p"], []).append(row["below"])
        assert row["labelled"] <= 0.001
    assert max(below["rule_p"] + below["memory_p"]) <= 0.011
    assert max(below["p_value"] + below["p_null"]) <= 0.013
    evidence = [row for row in rows if row["p"] in ("rule_p", "memory_p")]
    periodic = [row for row in rows if row not in evidence]
    assert sum(row["neurons"] for row in periodic) == 23_304
    assert sum(row["false_discoveries"] for row in periodic) == 1
    assert sum(row["neurons"] for row in evidence) == 75_910
    assert sum(row["false_discoveries"] for row in evidence) == 3
    assert not [row for row in rows_of(RESULTS) if not within_bounds(row, 0.01)]


@pytest.mark.slow
def test_p_values_are_uniform_where_there_is_nothing_to_find(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--short", "--out", str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT, timeout=280)
    rows = rows_of(tmp_path / "calibration.json")
    assert {(row["p"], row["null"], row["network"]) for row in rows} == {
        (row["p"], row["null"], row["network"]) for row in rows_of(RESULTS)
    }
    assert not [row for row in rows if not within_bounds(row, 0.01)]


def test_bounds_can_fail() -> None:
    row = {"below": 0.01, "neurons": 2_000, "networks": 20, "networks_with_any": 0}
    assert within_bounds(row, 0.01)
    assert not within_bounds(row | {"below": 0.06}, 0.01)
    assert not within_bounds(row | {"networks_with_any": 4}, 0.01)

"""One row a training run: its settings, how it ended, and what was measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from interp.data.splits import SPLITS
from interp.errors import ConfigError
from interp.files import read_json, write_whole
from interp.jobs.columns import checkpoint_columns
from interp.jobs.store import Store
from interp.lab.grids.grid import GRID, Grid
from interp.lab.grids.paper import check_paper
from interp.lab.grids.run import RUNS, Run, folder_of, read_record
from interp.lab.over_seeds import OverSeeds
from interp.measuring.evaluation import SplitValues
from interp.measuring.phase import GOOD, Phase, phase_of
from interp.output import write_csv
from interp.parquet import read_parquet
from interp.plots.canvas import shown

STAGES = ("memorisation", "grokking", "unlearning")
MEASURED = (
    *("neurons", "<label>", "ipr_mean", "periodic", "agreement_auc"),
    *("without_<removed label>_<telling split>", "random_<removed label>_<telling split>", "status", "error"),
)
"""Columns that are taken over from the store, as `interp.jobs.columns.CHECKPOINTS` names them."""
SHOWN = ("train", "test", "corrupted_as_labelled", "corrupted_as_true")  # splits of a summary
PREFERRED = ("train_fraction", "corrupt_fraction", "weight_decay")


def runs_table(grid: Grid, store: Store) -> pa.Table:
    """Every run of a grid that has ended or failed.

    Columns: ``run`` (its folder), ``variant``, one for each axis of the grid, ``operation``, ``p``; ``phase`` (by the
    corrupted examples where they are known), ``phase_by_table`` (the paper's table, arXiv 2310.13061), ``expected``;
    ``step``, ``steps`` and ``ended`` (``settled`` or ``all steps``), ``seconds`` of training; ``<stage>_before`` and
    ``_after`` for each of `STAGES`, the measurements between which it was over (grokking: held-out examples are right
    for good); ``accuracy_<split>``, those of `MEASURED`, and ``checkpoint``.
    """
    digest = grid.settings.digest
    stored = {row["checkpoint"]: row for row in store.checkpoints.to_pylist() if row["settings"] == digest}
    rows = []
    for run in grid.runs:
        folder = folder_of(grid.out, run)
        record = read_record(folder)
        path = str(folder if record is None else folder / record["checkpoint"])
        if path in stored:
            rows.append(_row(run, grid.axes, record or {}, stored[path]))
    return pa.Table.from_pylist(rows)


def _row(
    run: Run, axes: Sequence[str], record: Mapping[str, Any], stored: Mapping[str, Any]
) -> dict[str, Any]:
    phase = _phase(run, record, stored)
    return {
        "run": run.name,
        "variant": run.variant,
        **{axis: run.settings.get(axis) for axis in dict.fromkeys((*axes, "operation", "p"))},
        "phase": phase.name,
        "phase_by_table": phase.by_table,
        "expected": phase.name in run.expect if run.expect else None,
        "steps": run.training.steps,
        **{name: record.get(name) for name in ("step", "ended", "seconds", "best_test")},
        **_stages(record),
        **{f"accuracy_{split}": stored[f"accuracy_{split}"] for split in SPLITS},
        **{name: stored[name] for name in checkpoint_columns(*MEASURED)},
        "checkpoint": stored["checkpoint"],
    }


def _stages(record: Mapping[str, Any]) -> dict[str, int | None]:
    """Between which two measurements each stage of training was over; nothing for one that the curve does not show."""
    ends = {stage["name"]: stage["end_interval"] for stage in record.get("stages", [])}
    ends["grokking"] = ends.get("grokking", ends.get("learning"))
    return {
        f"{name}_{side}": (ends.get(name) or [None, None])[place]
        for name in STAGES
        for place, side in enumerate(("before", "after"))
    }


def _phase(run: Run, record: Mapping[str, Any], stored: Mapping[str, Any]) -> Phase:
    if stored["status"] != "ok":
        return Phase(None, None)
    measured = {split: stored[f"accuracy_{split}"] for split in SPLITS}
    if stored["accuracy_test_without_leakage"] is not None:
        measured["test"] = stored["accuracy_test_without_leakage"]
    before = (record.get("best_test") or 0.0) >= GOOD
    return phase_of(SplitValues(**measured), run.task.corrupt_fraction, generalised_before=before)


def write_runs(folder: Path, table: pa.Table) -> None:
    """Write a table of runs as ``runs.parquet`` and ``runs.csv``."""
    write_whole(folder / "runs.parquet", lambda part: pq.write_table(table, part))
    write_whole(folder / "runs.csv", lambda part: write_csv(table, part))


def read_runs(folder: Path | str) -> pa.Table:
    """The runs of a grid whose results are in a folder; a `ConfigError` if there are none."""
    file = Path(folder) / "runs.parquet"
    if not file.exists():
        raise ConfigError(
            f"{str(folder)!r} holds no runs of a grid; expected a folder that was an --out of sweep"
        )
    table = read_parquet(file, "table of runs")
    if not len(table) or "phase" not in table.column_names:
        raise ConfigError(f"{str(file)!r} lists no runs; has any run of the grid ended?")
    return table


def axes_of(table: pa.Table) -> list[str]:
    """In what runs of a table differ, the seed left out: the axes of the paper's diagrams first, ``variant`` last."""
    names = table.column_names
    axes = [*names[names.index("variant") + 1 : names.index("phase")], "variant"]
    varying = [axis for axis in axes if axis != "seed" and len(table[axis].unique()) > 1]
    return sorted(varying, key=lambda axis: PREFERRED.index(axis) if axis in PREFERRED else len(PREFERRED))


def checkpoint_of(row: Mapping[str, Any], folder: Path | str) -> Path:
    """Where a run's last checkpoint is, also after its grid's folder was moved."""
    stored = Path(row["checkpoint"])
    here = Path(folder) / RUNS / stored.parent.name / stored.name
    return here if here.exists() else stored


def read_description(folder: Path | str) -> dict[str, Any]:
    """Title, runs and the paper's numbers of a grid, as `run_grid` wrote them down."""
    file = Path(folder) / GRID
    try:
        description = read_json(file, dict)
        check_paper(description["paper"])
    except (TypeError, KeyError) as error:
        raise ConfigError(f"{str(file)!r} does not describe a grid: {error}") from None
    return dict(description)


@dataclass(frozen=True)
class Line:
    """The runs that only their seed tells apart.

    Attributes:
        phases: How many ended in each phase, the commonest first.
        accuracy: By split of `SHOWN`; None for a split without examples.
        expected: How many ended in a phase that the grid expects; None if it expects none.
    """

    name: str
    runs: int
    phases: dict[str, int]
    accuracy: dict[str, OverSeeds | None]
    expected: int | None


def summarise(table: pa.Table) -> list[Line]:
    """One line for each combination of settings of a table of runs, in its order.

    Example:
        >>> row = {"variant": "", "weight_decay": 0.0, "seed": 0, "phase": "memorisation"}
        >>> row |= {"expected": True, **{f"accuracy_{split}": 1.0 for split in SHOWN}}
        >>> line = summarise(pa.Table.from_pylist([row, row | {"seed": 1, "phase": None, "expected": False}]))[0]
        >>> line.phases, line.expected
        ({'memorisation': 1, 'failed': 1}, 1)
    """
    if not len(table):
        return []
    axes, groups = axes_of(table), dict[tuple[Any, ...], list[dict[str, Any]]]()
    for row in table.to_pylist():
        groups.setdefault(tuple(row[axis] for axis in axes), []).append(row)
    return [_line(key, axes, rows) for key, rows in groups.items()]


def _line(key: tuple[Any, ...], axes: list[str], rows: list[dict[str, Any]]) -> Line:
    values = {axis: shown(value) for axis, value in zip(axes, key, strict=True) if value is not None}
    variant = values.pop("variant", "")
    parts = [variant] * bool(variant) + [f"{axis} {value}" for axis, value in values.items()]
    accuracy: dict[str, OverSeeds | None] = {}
    for split in SHOWN:
        known = [row[f"accuracy_{split}"] for row in rows if row[f"accuracy_{split}"] is not None]
        accuracy[split] = OverSeeds.of(known) if known else None
    expected = [bool(row["expected"]) for row in rows if row["expected"] is not None]
    phases = dict(Counter(row["phase"] or "failed" for row in rows).most_common())
    return Line(", ".join(parts) or "all", len(rows), phases, accuracy, sum(expected) if expected else None)

"""Folders of training runs: where a run's checkpoints are, and the record of one that has ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from interp.lab.grids.run import Run

RUNS, RECORD = "runs", "run.json"
"""The folder of all runs; and in a run's own folder, once it has ended, a file with its settings, the step it ended at
and why, and the name of its last checkpoint."""
SETTLED = "settled"


def folder_of(out: Path, run: Run) -> Path:
    """Where a run's checkpoints are: its settings decide, whatever the axes of the grid that it was first part of."""
    runs = out.absolute() / RUNS
    return next(runs.glob(f"*{run.digest}"), runs / run.name)


def trained_file(folder: Path, *, early_stop: bool) -> Path | None:
    """The last checkpoint of a run that has ended; None if it has not, or ended early where it must not."""
    record = read_record(folder)
    if record is None or (record.get("ended") == SETTLED and not early_stop):
        return None
    file = folder / record["checkpoint"]
    return file if file.exists() else None


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record of a run that has ended; None if there is none, or none that can be read."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("checkpoint"), str) else None

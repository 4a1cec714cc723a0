"""Running a grid: what is left to train, which runs are trained together, and what became of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby
from pathlib import Path
from time import monotonic
from typing import Any

import pyarrow as pa
from rich.console import Console

from interp.devices import resolve_device
from interp.errors import ConfigError, near_matches
from interp.files import write_json
from interp.jobs.dispatch import Dispatch
from interp.jobs.executors import cores, executor, prepare_processes
from interp.jobs.settings import Settings
from interp.jobs.sources import stamp_of
from interp.jobs.spec import RECORD as BATCH
from interp.jobs.store import Store
from interp.jobs.worker import Result
from interp.lab.grids.grid import Grid, read_grid
from interp.lab.grids.run import Run
from interp.lab.grids.table import GRID, runs_table, write_runs
from interp.lab.grids.worker import TrainChunk, folder_of, train_and_measure, trained_file
from interp.models import MLPConfig
from interp.safeguards import deferred_interrupt

MOST_TOGETHER = 64
"""Networks that are trained as one computation on an accelerator."""
SMALL_STEP = 3_000_000
"""Multiplications of one step's forward pass up to which a processor gains from training networks together."""
MOST_SMALL = 32


@dataclass(frozen=True, eq=False)
class GridResult:
    """How a grid went.

    Attributes:
        grid: What was asked for.
        table: One row a run that has ended, see `interp.lab.grids.table.runs_table`.
        done: Runs trained and measured now.
        before: Runs that were there already.
        failed: Runs that could not be trained or measured, now or before.
        interrupted: Whether Ctrl-C ended it before all was done.
        seconds: How long it took.
    """

    grid: Grid
    table: pa.Table
    done: int
    before: int
    failed: int
    interrupted: bool
    seconds: float

    def __repr__(self) -> str:
        return f"GridResult({len(self.table)} of {len(self.grid.runs)} runs in {str(self.grid.out)!r})"

    def plot(self, **options: Any) -> Any:
        """The phase diagram; see `interp.lab.grids.figures.phase_diagram`."""
        from interp.lab.grids.figures import phase_diagram

        return phase_diagram(self.table, **options)


def run_grid(
    grid: Grid | Path | str, *, retry_failed: bool = False, console: Console | None = None, **options: Any
) -> GridResult:
    """Train and measure every run of a grid, and classify what became of it.

    What is there already is not done again: the same call goes on where Ctrl-C or a power cut ended it. In the grid's
    folder are the runs' checkpoints, a store as `interp.batch` makes it, and ``runs.parquet`` with one row a run.

    Args:
        grid: The grid, or the TOML file that describes it; see `interp.lab.grids.grid.read_grid`.
        retry_failed: Try again what failed before.
        console: Where to report progress; standard error if None.
        options: Fields of `Grid` that take the place of the file's.

    Raises:
        ConfigError: The grid cannot be used, or the results cannot be written.

    Example:
        ``run_grid("grid.toml", out="swept", workers=2).plot()``
    """
    begun = monotonic()
    if not isinstance(grid, Grid):
        grid = read_grid(grid, **options)
    elif options:
        grid = replace(grid, **_known(options))
    if (grid.out / BATCH).exists():
        raise ConfigError(f"{str(grid.out)!r} holds the results of a batch; choose another --out")
    device, settings = str(resolve_device(grid.device)), Settings(grid.measure)
    store = Store(grid.out)
    with store.locked(), deferred_interrupt() as stopped:
        _record(grid)
        pending, before, failed = _left(grid, store, settings, retry_failed)
        workers = min(grid.workers or cores(), max(1, len(pending)))
        if grid.engine == "local" and workers > 1:
            prepare_processes()
        pieces = list(chunks_of(pending, grid, settings, device, workers))
        tally = _Tally(grid)
        work = Dispatch(store, stopped, seen=tally.add)
        try:
            if pieces:
                with executor(grid.engine, workers, grid.ray_address, train_and_measure) as where:
                    work.go(where, pieces, console, "training networks", tally.note)
        except KeyboardInterrupt:
            work.interrupted = True
        if work.done or work.failed:
            store.drop_superseded()
        table = runs_table(grid, store)
        write_runs(grid.out, table)
    return GridResult(
        grid, table, work.done, before, failed + work.failed, work.interrupted, monotonic() - begun
    )


def _known(options: dict[str, Any]) -> dict[str, Any]:
    """Options that were given, each a field of `Grid`."""
    names = [f.name for f in fields(Grid)]
    for name in options:
        if name not in names:
            raise ConfigError(f"unknown option {name!r}; {near_matches(name, names)}")
    return {name: value for name, value in options.items() if value is not None}


def _record(grid: Grid) -> None:
    """Write down what was asked for, beside the results."""
    runs = [
        {
            "name": run.name,
            "variant": run.variant,
            "axes": dict(run.axes),
            "expect": list(run.expect),
            "settings": dict(run.settings),
        }
        for run in grid.runs
    ]
    write_json(
        grid.out / GRID,
        {
            "title": grid.title,
            "measure": grid.measure,
            "early_stop": grid.early_stop,
            "paper": dict(grid.paper),
            "runs": runs,
        },
    )


def _left(grid: Grid, store: Store, settings: Settings, retry_failed: bool) -> tuple[list[Run], int, int]:
    """Runs to do, and how many are done and have failed before."""
    known, pending, done, failed = store.known(), list[Run](), 0, 0
    for run in grid.runs:
        folder = folder_of(grid.out, run)
        file = trained_file(folder, early_stop=grid.early_stop)
        row = known.get((str(file or folder), settings.digest))
        if row is not None and row.ok and row.stamp == stamp_of(str(file)):
            done += 1
        elif row is not None and not row.ok and not retry_failed:
            failed += 1
        else:
            pending.append(run)
    return pending, done, failed


def chunks_of(
    runs: Sequence[Run], grid: Grid, settings: Settings, device: str, workers: int
) -> Iterator[TrainChunk]:
    """The runs in chunks, each of which one worker trains; those that gain from it are trained together."""
    threads = max(1, cores() // workers) if grid.engine == "local" else 1
    out = str(grid.out.absolute())
    for alike, group in groupby(sorted(runs, key=_shape), _shape):
        same = list(group)
        most = min(_together(same[0], device), -(-len(same) // workers)) if alike else 1
        for first in range(0, len(same), most):
            some = tuple(same[first : first + most])
            yield TrainChunk(some, out, settings, grid.early_stop, grid.keep_series, device, threads)


def _shape(run: Run) -> str:
    """What networks that are trained together have in common; nothing for those that cannot be."""
    if not isinstance(run.shape, MLPConfig):
        return ""
    apart = ("seed", "weight_decay", "corrupt_fraction", "corrupt")
    return str(sorted((name, value) for name, value in run.settings.items() if name not in apart))


def _together(run: Run, device: str) -> int:
    """How many networks like this are trained as one computation."""
    if device != "cpu":
        return MOST_TOGETHER
    task, shape = run.task, run.shape
    examples = run.training.batch_size or int(task.train_fraction * task.p**2)
    assert isinstance(shape, MLPConfig)
    products = examples * shape.width * (task.p + shape.width * (shape.depth - 2))
    return MOST_SMALL if products <= SMALL_STEP else 1


class _Tally:
    """How many runs ended in which phase, for the progress bar."""

    def __init__(self, grid: Grid) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, result: Result) -> None:
        self.counts[result.row.get("phase") or result.row["status"]] += 1

    def note(self) -> str:
        return ", ".join(f"{count} {phase}" for phase, count in self.counts.most_common(4))

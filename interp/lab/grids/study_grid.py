"""A grid of runs of studies: settings and seeds, each run once, on this machine or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from interp.errors import ConfigError, near_matches
from interp.files import read_toml, write_json
from interp.jobs.columns import Identity
from interp.jobs.dispatch import Dispatch
from interp.jobs.executors import Executor, cores
from interp.jobs.running import Outcome, carry_out
from interp.jobs.settings import Settings
from interp.jobs.sources import in_text
from interp.jobs.spec import RECORD as BATCH
from interp.jobs.spec import Workload
from interp.jobs.store import Store
from interp.jobs.toml import take_fields, typed
from interp.lab.grids.grid import GRID, take_parts
from interp.lab.grids.study_run import StudyChunk, StudyRun
from interp.lab.grids.table import write_runs
from interp.lab.over_seeds import OverSeeds
from interp.plots.canvas import shown
from interp.progress import with_progress

SHOWN = 3  # numbers of a summary, if the grid names none


@dataclass(frozen=True, eq=False)
class StudyGrid(Workload):
    """Runs of studies; see `interp.jobs.spec.Workload` for how they are done.

    Args:
        runs: At least one; no two alike.
        show: Names of the numbers that a summary shows; the study's first ones if there are none.
    """

    runs: tuple[StudyRun, ...] = ()
    title: str = ""
    show: tuple[str, ...] = ()
    doing = "running studies"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.runs:
            raise ConfigError("the grid has no runs")
        known: set[tuple[str, int]] = set()
        names: dict[str, str] = {}
        for run in self.runs:
            if names.setdefault(run.digest, run.name) != run.name:
                raise ConfigError(
                    f"{names[run.digest]} and {run.name} have the same settings; give all their seeds in one [[runs]]"
                )
            if (run.digest, run.seed) in known:
                raise ConfigError(f"two runs of the grid are the same: {run.name} with seed {run.seed}")
            known.add((run.digest, run.seed))

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of all settings that tell runs apart, without the seed: those with lists, then others that differ."""
        axes = dict.fromkeys(axis for run in self.runs for axis in run.axes)
        given = dict.fromkeys(name for run in self.runs for name in run.settings)
        apart = [one for one in given if len({str(getattr(run.config, one, None)) for run in self.runs}) > 1]
        return tuple(axis for axis in [*axes, *(one for one in apart if one not in axes)] if axis != "seed")

    def items(self) -> dict[Identity, StudyRun]:
        """Every run, by the file of its record."""
        return {(in_text(str(run.file(self.out))), Settings().digest): run for run in self.runs}

    def processes(self, pending: list[StudyRun]) -> int:
        return min(self.workers or cores(), max(1, len(pending)))

    def chunks(self, pending: list[StudyRun], workers: int) -> Iterator[StudyChunk]:
        place = self.out.stat().st_ino if self.engine == "local" and self.out.exists() else None
        for run in pending:
            yield StudyChunk((str(run.file(self.out)),), Settings(), run, place, self.force)

    def record(self) -> None:
        runs = [
            {"study": run.study, "variant": run.variant, "seed": run.seed, "settings": asdict(run.config)}
            for run in self.runs
        ]
        write_json(self.out / GRID, {"title": self.title, "show": list(self.show), "runs": runs})


@dataclass(frozen=True, eq=False, repr=False)
class StudyGridResult(Outcome):
    """The outcome of a grid of studies; its table is that of `study_runs_table`."""

    grid: StudyGrid
    table: pa.Table

    def __repr__(self) -> str:
        return f"StudyGridResult({len(self.table)} of {len(self.grid.runs)} runs in {str(self.grid.out)!r})"


def read_study_grid(file: Path | str, **options: Any) -> StudyGrid:
    """A grid of runs of studies from a TOML file.

    At its top are ``study`` and settings of all runs, and any field of `StudyGrid`. ``[grid]`` has lists, of settings
    and of ``seed``: every combination is a run. Each ``[[runs]]``, if there are any, has a ``name``, settings and a
    ``grid`` of its own; each is crossed with the common grid.

    Options are fields of `StudyGrid` that take the place of the file's; None leaves the file's.

    Raises:
        ConfigError: The file cannot be read, or says something that cannot be used.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> text = 'out = "swept"\\nstudy = "lens"\\np = 13\\n[grid]\\nsteps = [20, 40]\\nseed = [0, 1]\\n'
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "grid.toml"
        ...     _ = path.write_text(text)
        ...     grid = read_study_grid(path)
        >>> len(grid.runs), grid.axes, grid.runs[3].config.steps, grid.runs[3].seed
        (4, ('steps',), 40, 1)
    """
    return study_grid_from(read_toml(file, "grid"), Path(file).parent, **options)


def study_grid_from(values: Mapping[str, Any], folder: Path | None = None, **options: Any) -> StudyGrid:
    """A grid of studies from the values in a TOML file; `folder` is what ``out`` is relative to."""
    rest = dict(values)
    parts = take_parts(rest)
    fields = take_fields(rest, StudyGrid, "grid", folder or Path(), options)
    runs = tuple(_run({**rest, **part, **one}, one) for part, chosen in parts for one in chosen)
    names = fields.get("show", ())
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"show = {names!r} is no list of names of numbers")
    known = list(dict.fromkeys(name for run in runs for name in run.meant.quantities))
    for name in names:
        if name not in known:
            raise ConfigError(f"show names {name!r}, which no run measures; {near_matches(name, known)}")
    return StudyGrid(**{**fields, "show": tuple(names)}, runs=runs)


def _run(settings: dict[str, Any], axes: dict[str, Any]) -> StudyRun:
    if "study" not in settings:
        raise ConfigError('the grid does not name its study; add study = "NAME"')
    study, variant = (typed(name, settings.pop(name, ""), str) for name in ("study", "name"))
    return StudyRun(study, settings, typed("seed", settings.pop("seed", 0), int), axes, variant)


@with_progress("measuring runs")
def run_study_grid(
    grid: StudyGrid | Path | str, *, show_progress: bool | None = None, **options: Any
) -> StudyGridResult:
    """Do every run of a grid of studies.

    What is there already is not done again: the same call goes on where Ctrl-C or a power cut ended it. In the grid's
    folder, each combination of settings has a folder below ``runs`` with a record for each seed, which
    ``run_study(…, out=FOLDER)`` with the same settings reads; ``runs.csv`` and ``runs.parquet`` have one row a run,
    also for those that failed, with all its numbers.

    Args:
        grid: The grid, or the TOML file that describes it; see `read_study_grid`.
        show_progress: See `interp.show_progress`.
        options: Fields of `StudyGrid` that take the place of the file's.

    Raises:
        ConfigError: The grid cannot be used, or the results cannot be written.

    Example:
        ``run_study_grid("grid.toml", out="swept", workers=2).table.to_pandas()``
    """
    ready = grid if isinstance(grid, StudyGrid) else read_study_grid(grid, **options)
    if (ready.out / BATCH).exists():
        raise ConfigError(f"{str(ready.out)!r} holds the results of a batch; choose another --out")

    def finish(dispatch: Dispatch, where: Executor) -> dict[str, Any]:
        write_runs(ready.out, table := study_runs_table(ready, dispatch.store))
        return {"grid": ready, "table": table}

    return carry_out(ready, StudyGridResult, finish)


def study_runs_table(grid: StudyGrid, store: Store) -> pa.Table:
    """Every run that has ended or failed.

    Columns: ``study``, ``variant``, the grid's axes, ``seed``, ``status`` (``ok`` or ``failed``), ``error``,
    ``seconds``, every number of the studies by its name (``<name>_measured`` where a column before it has that name),
    and ``record``, the file.
    """
    stored = {row["checkpoint"]: row for row in store.checkpoints.to_pylist()}
    rows, columns = [], dict[str, str]()
    for run in grid.runs:
        file = in_text(str(run.file(grid.out)))
        if file not in stored:
            continue
        known = {name: stored[file][name] for name in ("status", "error", "seconds")}
        axes = {axis: _cell(getattr(run.config, axis, None)) for axis in grid.axes}
        own = {"study": run.study, "variant": run.variant, **axes, "seed": run.seed, **known}
        record = run.record(grid.out) if known["status"] == "ok" else None
        numbers = {} if record is None else record.numbers
        taken = (*own, "record")
        columns |= {name: f"{name}_measured" if name in taken else name for name in numbers}
        rows.append((own, numbers, file))
    return pa.Table.from_pylist(
        [
            {**own, **{to: _number(numbers.get(name)) for name, to in columns.items()}, "record": file}
            for own, numbers, file in rows
        ]
    )


def _cell(value: Any) -> Any:
    """A setting as a table that goes to CSV can hold it."""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


@dataclass(frozen=True)
class StudyLine:
    """The runs that only their seed tells apart.

    Attributes:
        failed: How many of the runs.
        numbers: By name; None unless every run that did not fail has it.
    """

    name: str
    runs: int
    failed: int
    numbers: dict[str, OverSeeds | None]


def summarise_studies(result: StudyGridResult) -> list[StudyLine]:
    """One line for each combination of settings, in the order of the table."""
    grid, groups = result.grid, dict[tuple[Any, ...], list[dict[str, Any]]]()
    for row in result.table.to_pylist():
        key = tuple(str(row[axis]) for axis in ("study", "variant", *grid.axes))
        groups.setdefault(key, []).append(row)
    shown_names = grid.show or tuple(grid.runs[0].meant.quantities)[:SHOWN]
    return [_line(rows, grid.axes, shown_names) for rows in groups.values()]


def _line(rows: Sequence[Mapping[str, Any]], axes: Sequence[str], names: Sequence[str]) -> StudyLine:
    first, ended = rows[0], [row for row in rows if row["status"] == "ok"]
    parts = [first["variant"], *(f"{axis} {shown(first[axis])}" for axis in axes if first[axis] is not None)]
    numbers: dict[str, OverSeeds | None] = {}
    for name in names:
        values = [row.get(f"{name}_measured", row.get(name)) for row in ended]
        numbers[name] = OverSeeds.of(values) if values and None not in values else None
    name = ", ".join(filter(None, parts)) or first["study"]
    return StudyLine(name, len(rows), len(rows) - len(ended), numbers)

"""Training and measuring the runs of a grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from interp.devices import resolve_device
from interp.errors import ConfigError
from interp.jobs.dispatch import Dispatch
from interp.jobs.executors import Executor
from interp.jobs.running import Outcome, carry_out
from interp.jobs.spec import RECORD as BATCH
from interp.jobs.toml import given
from interp.lab.grids.grid import Grid, read_grid
from interp.lab.grids.table import runs_table, write_runs
from interp.progress import with_progress


@dataclass(frozen=True, eq=False, repr=False)
class GridResult(Outcome):
    """The outcome of a grid; its table is that of `interp.lab.grids.table.runs_table`."""

    grid: Grid
    table: pa.Table

    def __repr__(self) -> str:
        return f"GridResult({len(self.table)} of {len(self.grid.runs)} runs in {str(self.grid.out)!r})"

    def plot(self, **options: Any) -> Any:
        """The phase diagram; see `interp.lab.grids.figures.phase_diagram`."""
        from interp.lab.grids.figures import phase_diagram

        return phase_diagram(self.table, **options)


@with_progress("training networks")
def run_grid(grid: Grid | Path | str, *, show_progress: bool | None = None, **options: Any) -> GridResult:
    """Train and measure every run of a grid, and classify what became of it.

    What is there already is not done again: the same call goes on where Ctrl-C or a power cut ended it. In the grid's
    folder are the runs' checkpoints, a store as `interp.batch` makes it, and ``runs.parquet`` with one row a run.

    Args:
        grid: The grid, or the TOML file that describes it; see `interp.lab.grids.grid.read_grid`.
        show_progress: See `interp.show_progress`.
        options: Fields of `Grid` that take the place of the file's, such as ``retry_failed``.

    Raises:
        ConfigError: The grid cannot be used, or the results cannot be written.

    Example:
        ``run_grid("grid.toml", out="swept", workers=2).plot()``
    """
    grid = replace(grid, **given(options, Grid)) if isinstance(grid, Grid) else read_grid(grid, **options)
    grid = replace(grid, out=Path(grid.out), device=str(resolve_device(grid.device)))
    if (grid.out / BATCH).exists():
        raise ConfigError(f"{str(grid.out)!r} holds the results of a batch; choose another --out")

    def finish(dispatch: Dispatch, where: Executor) -> dict[str, Any]:
        write_runs(grid.out, table := runs_table(grid, dispatch.store))
        return {"grid": grid, "table": table}

    return carry_out(grid, GridResult, finish)

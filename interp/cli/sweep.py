"""``grokscope sweep``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli.console import note, print_table, say
from interp.cli.exit_codes import HOLDS, INTERRUPTED, SOME_FAILED
from interp.cli.options import Engine, RayAddress, Workers
from interp.cli.places import folder
from interp.errors import ConfigError
from interp.files import read_toml
from interp.progress import progress

if TYPE_CHECKING:
    from interp.jobs.running import Outcome
    from interp.lab.grids.running import GridResult
    from interp.lab.grids.table import Line

EXAMPLES = (
    "grokscope sweep notebooks/recipes/coexistence.toml --out runs/coexistence",
    "grokscope sweep grid.toml --out diagram --early-stop --workers 2",
    "grokscope sweep grid.toml --out diagram --engine ray --ray-address auto",
    "grokscope plot phase diagram --html phases.html",
)
MOST_FAILURES = 5
ENOUGH = 0.8  # share of a variant's runs that must end in a phase that was expected


def sweep(
    grid: Annotated[
        Path, typer.Argument(help="A .toml file: settings of all runs, and lists of those to vary.")
    ],
    out: Annotated[
        Path | None,
        folder("The folder of the results; what is there is kept. The grid's own if left out."),
    ] = None,
    measure: Annotated[
        str | None, typer.Option(help="What to find out about each network: labels, causal or audit.")
    ] = None,
    early_stop: Annotated[
        bool | None,
        typer.Option(
            "--early-stop/--full-length",
            help="End a run once its phase is settled; the grid's own if left out.",
        ),
    ] = None,
    keep_series: Annotated[
        bool | None,
        typer.Option("--keep-series/--keep-last", help="Keep every checkpoint, or only the last."),
    ] = None,
    workers: Workers = None,
    engine: Engine = None,
    ray_address: RayAddress = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="Where to train: cpu, cuda, mps or auto. Off the CPU, networks are trained together."
        ),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again what failed before.")
    ] = False,
) -> None:
    """Train every network of a grid, measure it, and classify it into a phase.

    What is trained already is not trained again: the same command goes on where Ctrl-C or a power cut ended it.
    Results: the networks under --out/runs, runs.csv and runs.parquet with one row a network, and all neurons. With
    study = "NAME" in the file, its settings are those of a study: the records of all runs, and one row a run.

    Exit codes: 0 all done, 1 too few networks ended in the phase that the grid expects, 2 something is wrong with the
    input, 3 some runs failed, 130 interrupted.
    """
    if "study" in read_toml(grid, "grid"):
        own = {
            "--measure": measure,
            "--early-stop": early_stop,
            "--keep-series": keep_series,
            "--device": device,
        }
        for option, value in own.items():
            if value is not None:
                raise ConfigError(
                    f"{option} is of grids that train networks; {str(grid)!r} is of a study's runs"
                )
        options = {"workers": workers, "engine": engine, "ray_address": ray_address}
        raise typer.Exit(_of_studies(grid, out=out, retry_failed=retry_failed or None, **options))
    with progress("starting"):
        from interp.lab.grids.grid import read_grid

        request = read_grid(
            grid,
            out=out,
            measure=measure,
            early_stop=early_stop,
            keep_series=keep_series,
            workers=workers,
            engine=engine,
            ray_address=ray_address,
            device=device,
            retry_failed=retry_failed or None,
        )
        from interp.lab.grids.running import run_grid
    raise typer.Exit(_show(run_grid(request)))


def _of_studies(file: Path, **options: Any) -> int:
    """Do the runs of a study, print one line for each combination of settings; return the exit code."""
    with progress("starting"):
        from interp.lab.grids.study_grid import read_study_grid, run_study_grid, summarise_studies
        from interp.markup import UNKNOWN

        grid = read_study_grid(file, **options)
    result = run_study_grid(grid)
    lines = summarise_studies(result)
    names = list(lines[0].numbers) if lines else []
    rows = [
        (
            line.name,
            str(line.runs),
            *(UNKNOWN if one is None else one.words() for one in line.numbers.values()),
        )
        for line in lines
    ]
    print_table(grid.title or str(grid.out), ("settings", "n", *names), rows, left=(0,), boxed=True)
    return _ended(result, result.table.to_pylist(), f"wrote {grid.out / 'runs.csv'}")


def _ended(result: Outcome, rows: list[dict[str, Any]], wrote: str) -> int:
    """Say what failed and what there is now; return the exit code."""
    for row in [row for row in rows if row["status"] == "failed"][:MOST_FAILURES]:
        say(f"{row.get('run') or row['record']}: {row['error']}", error=True)
    say(f"{result.done} done now, {result.before} before, {result.failed} failed, {result.seconds:.0f} s")
    if rows:
        note(wrote)
    if result.interrupted:
        say("interrupted; what was stored is kept, and the same command goes on from there", error=True)
        return INTERRUPTED
    return SOME_FAILED if result.failed else 0


def _show(result: GridResult) -> int:
    """Print one line for each combination of settings; return the exit code."""
    from interp.lab.grids.table import summarise

    lines, rows = summarise(result.table), result.table.to_pylist()
    _print_lines(result, lines)
    if saved := sum((row["steps"] or 0) - row["step"] for row in rows if row["step"]):
        total = sum(row["steps"] for row in rows)
        say(f"early stopping saved {saved:,} of {total:,} steps ({saved / total:.0%})")
    out = result.grid.out
    ended = _ended(
        result, rows, f"wrote {out / 'runs.csv'}; next: grokscope plot phase|accuracy|pruning {out}"
    )
    unexpected = any(line.expected is not None and line.expected < ENOUGH * line.runs for line in lines)
    return HOLDS if unexpected and not ended else ended


def _print_lines(result: GridResult, lines: list[Line]) -> None:
    rows = []
    for line in lines:
        accuracy = [f"{100 * one.mean:.1f}" if one else "–" for one in line.accuracy.values()]
        several = len(line.phases) > 1
        phases = ", ".join(f"{phase} {count}" if several else phase for phase, count in line.phases.items())
        expected = "" if line.expected is None else f"{line.expected} of {line.runs}"
        rows.append((line.name, str(line.runs), phases, *accuracy, expected))
    print_table(
        result.grid.title or str(result.grid.out),
        ("runs", "n", "phase", "train", "test", "label", "true", "exp."),
        rows,
        left=(0, 2),
        caption="Accuracy in %; label, true: corrupted examples by either label; exp.: ended as expected.",
        boxed=True,
    )

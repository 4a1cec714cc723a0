"""``grokscope sweep``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from interp.cli.console import busy, say
from interp.cli.options import Engine, RayAddress, Workers

if TYPE_CHECKING:
    from interp.lab.grids.running import GridResult

EXAMPLES = (
    "grokscope sweep notebooks/recipes/coexistence.toml --out runs/coexistence",
    "grokscope sweep grid.toml --out diagram --early-stop --workers 2",
    "grokscope sweep grid.toml --out diagram --engine ray --ray-address auto",
    "grokscope plot phase diagram --html phases.html",
)
UNEXPECTED, SOME_FAILED, INTERRUPTED = 1, 3, 130
ENOUGH = 0.8
"""Share of the runs of a variant that must end in a phase that was expected."""


def sweep(
    grid: Annotated[
        Path, typer.Argument(help="A .toml file: settings of all runs, and lists of those to vary.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The folder of the results; what is there is kept. The grid's own if left out."),
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
    Results: the networks under --out/runs, runs.csv and runs.parquet with one row a network, and all neurons.

    Exit codes: 0 all done, 1 too few networks ended in the phase that the grid expects, 2 something is wrong with the
    input, 3 some runs failed, 130 interrupted.
    """
    with busy("starting"):
        from interp.lab.grids.grid import read_grid
        from interp.lab.grids.running import run_grid

        options: dict[str, Any] = {"out": out, "measure": measure, "early_stop": early_stop, "device": device}
        options |= {
            "keep_series": keep_series,
            "workers": workers,
            "engine": engine,
            "ray_address": ray_address,
        }
        asked = read_grid(grid, **options)
    found = run_grid(asked, retry_failed=retry_failed)
    unexpected = _show(found)
    if found.interrupted:
        say("interrupted; what was stored is kept, and the same command goes on from there", error=True)
        raise typer.Exit(INTERRUPTED)
    if found.failed:
        raise typer.Exit(SOME_FAILED)
    if unexpected:
        raise typer.Exit(UNEXPECTED)


def _show(found: GridResult) -> bool:
    """Print one line for each combination of settings; whether too few runs ended as expected."""
    from interp.lab.grids.summary import summarise

    lines, console = summarise(found.table), Console()
    console.print(_table(found, lines))
    failures = [row for row in found.table.to_pylist() if row["status"] == "failed"]
    for row in failures[:5]:
        say(f"{row['run']}: {row['error']}", error=True)
    saved = sum((row["steps"] or 0) - (row["step"] or 0) for row in found.table.to_pylist() if row["step"])
    if saved:
        total = sum(row["steps"] for row in found.table.to_pylist())
        say(f"early stopping saved {saved:,} of {total:,} steps ({saved / total:.0%})")
    say(f"{found.done} done now, {found.before} before, {found.failed} failed, {found.seconds:.0f} s")
    if len(found.table):
        say(
            f"wrote {found.grid.out / 'runs.csv'}; next: grokscope plot phase|accuracy|pruning {found.grid.out}"
        )
    return any(line.expected is not None and line.expected < ENOUGH * line.runs for line in lines)


def _table(found: GridResult, lines: Any) -> Any:
    from rich.table import Table

    caption = "Accuracy in %; label, true: corrupted examples by either label; exp.: ended as expected."
    table = Table(title=escape(found.grid.title or str(found.grid.out)), caption=caption)
    for name in ("runs", "n", "phase", "train", "test", "label", "true", "exp."):
        table.add_column(
            name, justify="left" if name in ("runs", "phase") else "right", no_wrap=name != "runs"
        )
    for line in lines:
        shown = [f"{100 * one.mean:.1f}" if one else "–" for one in line.accuracy.values()]
        phases = ", ".join(
            f"{phase} {count}" if len(line.phases) > 1 else phase for phase, count in line.phases.items()
        )
        expected = "" if line.expected is None else f"{line.expected} of {line.runs}"
        table.add_row(escape(line.name), str(line.runs), phases, *shown, expected)
    return table

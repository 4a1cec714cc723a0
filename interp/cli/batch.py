"""``grokscope batch``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from interp.cli.console import busy, say
from interp.cli.options import Engine, Opening, RayAddress, Workers, option, with_opening
from interp.errors import ConfigError

if TYPE_CHECKING:
    from interp.jobs import BatchResult, Job

EXAMPLES = (
    "grokscope batch runs --out scored",
    "grokscope batch 'runs/*/step-*.safetensors' --out scored --measure labels",
    "grokscope batch zoo/*.pth --out zoo-audits --measure audit --task add --p 113",
    "grokscope batch job.toml --workers 8",
    "grokscope batch --out scored --retry-failed",
    "grokscope batch s3://bucket/runs --out scored --engine ray --ray-address auto",
)
SOME_FAILED, INTERRUPTED = 3, 130
MOST_FAILURES = 5
MEASURED = (
    "scores (weights alone), labels (also accuracies, labels, effects), causal (also removals), "
    "audit (all, with a page); scores if left out."
)


@with_opening
def batch(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders (all weights below them) and globs, here or as URLs such as s3://…; or one .toml "
            "file that describes the job. Left out: the job that is recorded in --out."
        ),
    ] = None,
    *,
    opening: Opening,
    out: Annotated[
        Path | None, typer.Option(help="The folder of the results; what is there is kept.")
    ] = None,
    measure: Annotated[str | None, typer.Option(help=f"What to find out: {MEASURED}")] = None,
    workers: Workers = None,
    engine: Engine = None,
    ray_address: RayAddress = None,
    force: Annotated[bool, typer.Option("--force", help="Measure again what is stored already.")] = False,
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Measure again what failed, even if its file has not changed."),
    ] = False,
    outliers: Annotated[
        int | None,
        typer.Option(
            min=0, help="How many of the most unusual checkpoints get an audit of their own; 5 if left out."
        ),
    ] = None,
    random: Annotated[
        int | None, typer.Option(min=1, help="Random draws for each control; 20 if left out.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of every random draw; 0 if left out.")] = None,
) -> None:
    """Score the neurons of many checkpoints, and store one row a neuron and one row a checkpoint.

    The results are Parquet files in --out, with an overview.html beside them.
    What is stored is not measured again: the same command goes on where Ctrl-C or a power cut ended it.
    A checkpoint that cannot be measured is a row with its error.

    Exit codes: 0 all done, 2 something is wrong with the input, 3 some checkpoints failed, 130 interrupted.
    """
    with busy("starting"):
        from interp.jobs import run

        settings = _given(measure=measure, n_random=random, seed=seed)
        options = _given(
            out=out,
            workers=workers,
            engine=engine,
            ray_address=ray_address,
            force=force or None,
            retry_failed=retry_failed or None,
            outliers=outliers,
        )
        job = _job(paths or [], opening, settings, options)
    found = run(job)
    _show(found)
    if found.interrupted:
        raise typer.Exit(INTERRUPTED)
    if found.failed:
        raise typer.Exit(SOME_FAILED)


def _given(**values: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in values.items() if value is not None}


def _job(paths: list[str], opening: Opening, settings: dict[str, Any], options: dict[str, Any]) -> Job:
    """The job that the command line asks for; what it leaves out, a TOML file or the recorded job says."""
    from interp.jobs import Group, Job, Settings, read_job, recorded

    described = len(paths) == 1 and paths[0].endswith(".toml")
    if described or not paths:
        said = [*settings, *_given(**asdict(opening))]
        if said:
            what = paths[0] if described else f"the job recorded in {options.get('out')}"
            names = ", ".join(option({"n_random": "random"}.get(name, name)) for name in said)
            raise ConfigError(f"{what} says what is measured; leave out {names}")
    if described:
        return read_job(paths[0], **options)
    if "out" not in options:
        raise ConfigError("say where the results go, with --out FOLDER")
    if not paths:
        return recorded(**options)
    chosen = Settings(options=opening.options(), site=opening.hook, **settings)
    return Job((Group(tuple(paths), (chosen,)),), **options)


def _show(found: BatchResult) -> None:
    """The closing table, and the first failures."""
    from pyarrow import compute
    from rich.table import Table

    from probes.labels import LABELS

    rows = found.store.checkpoints
    table = Table(title=escape(str(found.store.folder)), show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("measured now", f"{found.done:,}")
    table.add_row("stored before", f"{found.before:,}")
    table.add_row("failed", f"{found.failed:,}")
    table.add_row("neurons in the store", f"{_sum(rows['neurons']):,}")
    for label in LABELS:
        if count := _sum(rows[label]):
            table.add_row(label, f"{count:,}")
    if (ipr := compute.mean(rows["ipr_mean"]).as_py()) is not None:
        table.add_row("mean IPR", f"{ipr:.3f}")
    rate = f", {found.done / found.seconds:.1f} a second" if found.done else ""
    table.add_row("time", f"{found.seconds:.1f} s{rate}")
    Console().print(table)
    failures = rows.filter(compute.equal(rows["status"], "failed")).slice(0, MOST_FAILURES).to_pylist()
    for row in failures:
        say(f"{row['checkpoint']}: {row['error_type']}: {row['error']}", error=True)
    if found.failed > len(failures) > 0:
        say(f"… and {found.failed - len(failures)} more, in the overview", error=True)
    if found.overview is not None:
        say(f"wrote {found.overview}")
    if found.interrupted:
        say("interrupted; what was finished is stored, and the same command goes on from there", error=True)


def _sum(column: Any) -> int:
    from pyarrow import compute

    return compute.sum(column).as_py() or 0

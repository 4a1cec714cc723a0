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
    with busy("starting"):
        from interp.jobs import run
    result = run(job)
    _show(result)
    if result.interrupted:
        raise typer.Exit(INTERRUPTED)
    if result.failed:
        raise typer.Exit(SOME_FAILED)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _job(paths: list[str], opening: Opening, settings: dict[str, Any], options: dict[str, Any]) -> Job:
    """The job of the command line; a TOML file or the recorded job says all that it leaves out."""
    from interp.jobs import Group, Job, Settings, read_job, recorded

    described = len(paths) == 1 and paths[0].endswith(".toml")
    extra = [*settings, *_given(**asdict(opening))]
    if extra and (described or not paths):
        source = paths[0] if described else f"the job recorded in {options.get('out')}"
        names = ", ".join(option({"n_random": "random"}.get(name, name)) for name in extra)
        raise ConfigError(f"{source} says what is measured; leave out {names}")
    if described:
        return read_job(paths[0], **options)
    if "out" not in options:
        raise ConfigError("say where the results go, with --out FOLDER")
    if not paths:
        return recorded(**options)
    chosen = Settings(options=opening.options(), site=opening.hook, **settings)
    return Job(groups=(Group(tuple(paths), (chosen,)),), **options)


def _show(result: BatchResult) -> None:
    """Print the closing table, and the first failures."""
    from pyarrow import compute
    from rich.table import Table

    from probes.labels import LABELS

    rows = result.store.checkpoints
    total = lambda name: compute.sum(rows[name]).as_py() or 0  # noqa: E731
    mean = compute.mean(rows["ipr_mean"]).as_py()
    rate = f", {result.done / result.seconds:.1f} a second" if result.done else ""
    lines = {
        "measured now": f"{result.done:,}",
        "stored before": f"{result.before:,}",
        "failed": f"{result.failed:,}",
        "neurons in the store": f"{total('neurons'):,}",
        **{label: f"{count:,}" for label in LABELS if (count := total(label))},
        **({} if mean is None else {"mean IPR": f"{mean:.3f}"}),
        "time": f"{result.seconds:.1f} s{rate}",
    }
    table = Table(title=escape(str(result.store.folder)), show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for line in lines.items():
        table.add_row(*line)
    Console().print(table)
    failures = rows.filter(compute.equal(rows["status"], "failed")).slice(0, MOST_FAILURES).to_pylist()
    for row in failures:
        say(f"{row['checkpoint']}: {row['error_type']}: {row['error']}", error=True)
    if result.failed > len(failures) > 0:
        say(f"… and {result.failed - len(failures)} more, in the overview", error=True)
    if result.overview is not None:
        say(f"wrote {result.overview}")
    if result.interrupted:
        say("interrupted; what was finished is stored, and the same command goes on from there", error=True)

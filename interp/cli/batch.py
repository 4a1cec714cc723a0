"""``grokscope batch``."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.checkpoints.options import OpenOptions
from interp.cli.console import note, print_table, say
from interp.cli.exit_codes import INTERRUPTED, SOME_FAILED
from interp.cli.language import PromptTokens, Sequences, refuse_other
from interp.cli.options import Engine, RayAddress, Since, Workers, option, spelled, with_options
from interp.cli.places import folder
from interp.errors import ConfigError
from interp.files import read_toml
from interp.progress import progress

if TYPE_CHECKING:
    from interp.jobs import BatchResult, Job

EXAMPLES = (
    "grokscope batch runs --out scored",
    "grokscope batch 'runs/*/step-*.safetensors' --out scored --measure labels",
    "grokscope batch runs/r0 --out drift --measure labels --since runs/r0/step-00000100.safetensors",
    "grokscope batch zoo/*.pth --out zoo-audits --measure audit --task add --p 113",
    "grokscope batch job.toml --workers 8",
    "grokscope batch --out scored --retry-failed",
    "grokscope batch 'runs/checkpoint-*' --sequences texts.jsonl --out memory",
    "grokscope batch s3://bucket/runs --out scored --engine ray --ray-address auto",
)
CODE = ("model", "sites")
"""Options that stand beside a file that describes the job: code runs only if the command line itself names it."""
MEMORY = "memory"
MOST_FAILURES = 5
MEASURED = (
    "scores (weights alone), labels (also accuracies, labels, effects), causal (also removals), "
    "audit (all, with a page), memory (of language models, with --sequences); scores if left out."
)


@with_options
def batch(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders (all weights below them) and globs, here or as URLs such as s3://…; or one .toml "
            "file that describes the job. Left out: the job that is recorded in --out."
        ),
    ] = None,
    *,
    options: OpenOptions,
    site: str | None,
    out: Annotated[Path | None, folder("The folder of the results; what is there is kept.")] = None,
    measure: Annotated[str | None, typer.Option(help=f"What to find out: {MEASURED}")] = None,
    sequences: Sequences = None,
    prompt_tokens: PromptTokens = None,
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
    since: Since = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of every random draw; 0 if left out.")] = None,
) -> None:
    """Score the neurons of many checkpoints, and store one row a neuron and one row a checkpoint.

    The results are Parquet files in --out, with an overview.html beside them.
    What is stored is not measured again: the same command goes on where Ctrl-C or a power cut ended it.
    A checkpoint that cannot be measured is a row with its error.
    Language models, with --sequences, are folders of Hugging Face and GGUF files; one row a sequence is stored.

    Exit codes: 0 all done, 2 something is wrong with the input, 3 some checkpoints failed, 130 interrupted.
    """
    refuse_other(sequences, {"prompt_tokens": prompt_tokens}, {"random": random, "since": since})
    if sequences is not None:
        measure = measure or MEMORY
    settings = _given(
        measure=measure, n_random=random, seed=seed, site=site, prompt_tokens=prompt_tokens,
        sequences=None if sequences is None else str(sequences), since=None if since is None else str(since),
    )  # fmt: skip
    how = _given(out=out, workers=workers, engine=engine, ray_address=ray_address, outliers=outliers)
    how |= {name: True for name, value in (("force", force), ("retry_failed", retry_failed)) if value}
    with progress("starting"):
        job = _job(paths or [], options, settings, how)
        from interp.jobs import run
        from interp.jobs.sources import passed_over

        classifiers = (group for group in job.groups if any(not one.sequences for one in group.settings))
        others = passed_over(path for group in classifiers for path in group.paths)
    if others:
        named = ", ".join(dict.fromkeys(Path(path).name for path in others[:MOST_FAILURES]))
        note(f"passed over {len(others):,} files that are no weights, by their names ({named})")
    result = run(job)
    _show(result)
    if result.interrupted:
        raise typer.Exit(INTERRUPTED)
    if result.failed:
        raise typer.Exit(SOME_FAILED)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _job(paths: list[str], options: OpenOptions, settings: dict[str, Any], how: dict[str, Any]) -> Job:
    """The job that the command line asks for; a TOML file or the recorded job completes it."""
    described = len(paths) == 1 and paths[0].endswith(".toml")
    if described or not paths:
        names = [option("random" if name == "n_random" else name) for name in settings]
        names += [
            spelled(field)
            for field in fields(options)
            if field.name in options.given and field.name not in CODE
        ]
        if names:
            source = paths[0] if described else f"the job recorded in {how.get('out')}"
            raise ConfigError(f"{source} says what is measured; leave out {', '.join(names)}")
    if described:
        read_toml(paths[0], "job")
    elif "out" not in how:
        raise ConfigError("say where the results go, with --out FOLDER")
    from interp.jobs import Group, Job, Settings, read_job, recorded

    if described or not paths:
        read = (lambda **how: read_job(paths[0], **how)) if described else recorded
        job = read(model=options.model, **how)
        sites = {one.options.sites for group in job.groups for one in group.settings}
        if options.sites and sites != {options.sites}:
            raise ConfigError(
                f"the job measures {' and '.join(map(str, sites))}; leave out or repeat its --site"
            )
        return job
    return Job(groups=(Group(tuple(paths), (Settings(options=options, **settings),)),), **how)


def _show(result: BatchResult) -> None:
    from pyarrow import compute

    from probes.labels import LABELS

    checkpoints = result.store.checkpoints

    def total(column: str) -> int:
        return compute.sum(checkpoints[column]).as_py() or 0

    rate = f", {result.done / result.seconds:.1f} a second" if result.done else ""
    counts = {"measured now": result.done, "stored before": result.before, "failed": result.failed}
    counts |= {"neurons in the store": total("neurons")}
    if sequences := total("sequences"):
        counts["sequences in the store"] = sequences
    counts |= {label: count for label in LABELS if (count := total(label))}
    rows = [(name, f"{count:,}") for name, count in counts.items()]
    if (ipr := compute.mean(checkpoints["ipr_mean"]).as_py()) is not None:
        rows.append(("mean IPR", f"{ipr:.3f}"))
    rows.append(("time", f"{result.seconds:.1f} s{rate}"))
    print_table(str(result.store.folder), ("", ""), rows, boxed=True)
    failures = checkpoints.filter(compute.equal(checkpoints["status"], "failed")).slice(0, MOST_FAILURES)
    for row in failures.to_pylist():
        say(f"{row['checkpoint']}: {row['error_type']}: {row['error']}", error=True)
    if result.failed > len(failures) > 0:
        say(f"… and {result.failed - len(failures)} more, in the overview", error=True)
    if result.overview is not None:
        note(f"wrote {result.overview}")
    if result.interrupted:
        say("interrupted; what was finished is stored, and the same command goes on from there", error=True)

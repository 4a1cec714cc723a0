"""``grokscope dynamics``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interp.checkpoints.options import OpenOptions, check_source
from interp.cli.console import print_table, say, write
from interp.cli.loading import loading
from interp.cli.options import Seed, with_options
from interp.cli.places import Csv, Html, Json, Parquet
from interp.progress import progress

if TYPE_CHECKING:
    from probes.stages import Boundary

EXAMPLES = (
    "grokscope dynamics runs/r0",
    "grokscope dynamics runs/r0 --html neurons.html --parquet neurons.parquet",
    "grokscope dynamics epochs --activation relu --task add --p 113 --most 20",
)


@with_options
def dynamics(
    run: Annotated[
        Path, typer.Argument(help="A folder of checkpoints of one run, or a file that holds several.")
    ],
    *,
    options: OpenOptions,
    site: str | None,
    html: Html = None,
    csv: Csv = None,
    parquet: Parquet = None,
    json: Json = None,
    most: Annotated[int, typer.Option(min=2, help="Score at most so many checkpoints, evenly spaced.")] = 60,
    seed: Seed = 0,
) -> None:
    """Follow every neuron over a training run: when it became periodic, its frequencies, and its phases."""
    check_source(run, options)
    with loading():
        from interp.analysis.dynamics import dynamics_of

    with progress("scoring checkpoints"):
        result = dynamics_of(run, options, site=site, seed=seed, most=most)
    stages = [(stage.name, _between(stage.begin), _between(stage.end)) for stage in result.stages]
    if stages:
        print_table("Stages of training", ("stage", "begins", "over"), stages, left=(0, 1, 2), boxed=True)
    else:
        say("no stage of learning is seen between the first and the last checkpoint")
    print_table("Neurons", ("", ""), result.summary(), left=(0, 1), boxed=True)
    write(result.save, html, csv, parquet, json)


def _between(place: Boundary) -> str:
    if place.after is None:
        return f"not by step {place.before}"
    if place.before is None:
        return f"by step {place.after}"
    return f"between step {place.before} and {place.after}"

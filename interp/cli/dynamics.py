"""``grokscope dynamics``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from interp.cli.console import busy, say
from interp.cli.options import Opening, Seed, with_opening
from interp.errors import ConfigError

if TYPE_CHECKING:
    from interp.analysis.dynamics import Dynamics
    from probes.stages import Boundary

EXAMPLES = (
    "grokscope dynamics runs/r0",
    "grokscope dynamics runs/r0 --html neurons.html --save neurons.parquet",
    "grokscope dynamics epochs --activation relu --task add --p 113 --most 20",
)


@with_opening
def dynamics(
    run: Annotated[
        Path, typer.Argument(help="A folder of checkpoints of one run, or a file that holds several.")
    ],
    *,
    opening: Opening,
    html: Annotated[Path | None, typer.Option(help="Write a page that works offline.")] = None,
    save: Annotated[
        Path | None, typer.Option(help="Write one row a neuron to a .parquet or .csv file.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the findings as JSON.")] = None,
    most: Annotated[int, typer.Option(min=2, help="Score at most so many checkpoints, evenly spaced.")] = 60,
    seed: Seed = 0,
) -> None:
    """Follow every neuron over a training run: when it became periodic, its frequencies, and its phases."""
    from interp.analysis.dynamics import dynamics_of

    _check_suffixes((html, (".html",)), (save, (".parquet", ".csv")), (json, (".json",)))
    with busy("scoring checkpoints"):
        found = dynamics_of(run, opening.options(), site=opening.hook, seed=seed, most=most)
    _print(found)
    for path in (html, save, json):
        if path is not None:
            say(f"wrote {found.save(path)}")


def _check_suffixes(*wanted: tuple[Path | None, tuple[str, ...]]) -> None:
    """Refuse, before any work is done, a file whose name does not end in its kind."""
    for path, suffixes in wanted:
        if path is not None and path.suffix not in suffixes:
            raise ConfigError(f"{str(path)!r} should end in {' or '.join(suffixes)}")


def _print(found: Dynamics) -> None:
    from rich.table import Table

    console = Console()
    stages = Table(title="Stages of training")
    for name in ("stage", "begins", "over"):
        stages.add_column(name, overflow="fold")
    for stage in found.stages:
        stages.add_row(stage.name, _between(stage.begin), _between(stage.end))
    if found.stages:
        console.print(stages)
    else:
        say("no stage of learning is seen between the first and the last checkpoint")
    neurons = Table(title="Neurons", show_header=False)
    neurons.add_column()
    neurons.add_column(overflow="fold")
    for what, value in found.summary():
        neurons.add_row(what, escape(value))
    console.print(neurons)


def _between(place: Boundary) -> str:
    """Between which steps something happens, for people."""
    if place.after is None:
        return f"not by step {place.before}"
    return (
        f"by step {place.after}" if place.before is None else f"between step {place.before} and {place.after}"
    )

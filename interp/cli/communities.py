"""``grokscope communities``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interp.checkpoints.options import OpenOptions, check_source
from interp.cli.console import print_table, say, write, write_numbers
from interp.cli.loading import loading
from interp.cli.options import Seed, with_options
from interp.cli.places import Html, Json
from interp.errors import choose
from interp.progress import progress

if TYPE_CHECKING:
    from interp.analysis.community_records import Communities

EXAMPLES = (
    "grokscope communities runs/r0",
    "grokscope communities runs/r0 --most 40 --html communities.html --json communities.json",
    "grokscope communities runs/r0/step-00000400.safetensors --affinity rectified",
)
AFFINITIES = ("squared", "rectified")
"""Those of `probes.communities.AFFINITIES`, which help shows without loading it."""


@with_options
def communities(
    run: Annotated[
        Path, typer.Argument(help="A folder of checkpoints of one run, all of which are read, or a file.")
    ],
    *,
    options: OpenOptions,
    site: str | None,
    affinity: Annotated[
        str,
        typer.Option(
            help="squared (correlation squared, blind to a frequency's phase) or rectified (correlation above 0).",
        ),
    ] = "squared",
    draws: Annotated[
        int,
        typer.Option("--random", min=1, help="Draws of independent neurons, beside which pairs are linked."),
    ] = 19,
    most: Annotated[int, typer.Option(min=1, help="Read at most so many checkpoints, evenly spaced.")] = 20,
    html: Html = None,
    json: Json = None,
    seed: Seed = 0,
) -> None:
    """Group neurons that are active together, over a training run, and compare the groups with their frequencies."""
    check_source(run, options)
    choose("affinity", affinity, AFFINITIES)
    with loading():
        from interp.analysis.communities import communities as measure

    with progress("correlating neurons"):
        result = measure(
            run, options=options, site=site, affinity=affinity, draws=draws, most=most, seed=seed
        )
    print_table("Communities of neurons", *result.table())
    say(*result.notes())
    write(lambda path: _write_page(result, str(run), path), html)
    write_numbers(result, json, "communities")


def _write_page(result: Communities, source: str, path: Path) -> Path:
    from interp.files import write_text
    from interp.report.page import bullets, data_table, figure_block, page

    title = "Neurons that are active together"
    caption = (
        "Left: affinities of the last network's neurons, those of one community side by side. Right: agreement of the "
        "communities with the frequencies of its generalizing neurons (adjusted Rand index, 0 by chance), and their "
        "modularity beside that of the same affinities among other pairs; of a single network, sizes of communities."
    )
    block = figure_block("communities", title, result.plot(), caption)
    table = data_table("Communities by checkpoint", *result.table())
    sections = [("figure", "Figure", block), ("numbers", "Numbers", table)]
    return write_text(path, page("Communities of neurons", source, bullets(result.notes()), sections))

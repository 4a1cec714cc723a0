"""``grokscope overlap``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from interp.checkpoints.options import OpenOptions
from interp.cli.console import say, write, write_numbers
from interp.cli.loading import loading
from interp.cli.options import Device, Seed, Source, with_options
from interp.cli.places import Html, Json
from interp.errors import ConfigError
from interp.progress import progress

EXAMPLES = (
    "grokscope overlap runs/r0 label:memorizing attribution:0.2",
    "grokscope overlap runs/r0 highest:0.2 @chosen.json --html overlap.html",
    "grokscope overlap runs/r0 examples:memorised examples:clean --by activation --json overlap.json",
)
PREFIX = "examples:"


@with_options
def overlap(
    checkpoint: Source,
    first: Annotated[
        str,
        typer.Argument(
            help="Neurons, as of --neurons in other commands, or examples:memorised, clean, train or test."
        ),
    ],
    second: Annotated[
        str,
        typer.Argument(help="The same; beside examples also examples:never, wrong labels never trained on."),
    ],
    *,
    options: OpenOptions,
    site: str | None,
    by: Annotated[
        str | None,
        typer.Option(help="Of examples, neurons by attribution (if left out) or activation."),
    ] = None,
    active: Annotated[
        float | None,
        typer.Option(help="Of examples, the share of the neurons that is taken; 0.1 if left out."),
    ] = None,
    examples: Annotated[
        int | None, typer.Option(min=10, help="Of examples, how many of each kind; 100 if left out.")
    ] = None,
    draws: Annotated[
        int | None, typer.Option(min=99, help="Of examples, draws of each control; 199 if left out.")
    ] = None,
    html: Html = None,
    json: Json = None,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Compare the neurons that two sets share, or that examples have in common, with chance.

    Two sets of neurons are compared with random sets, and with sets of neurons as active. Examples are compared by
    their most active neurons: with random sets, with neurons that keep their rates, and with each other.
    """
    of_examples: dict[str, Any] = {"by": by, "active": active, "examples": examples, "draws": draws}
    of_examples = {name: value for name, value in of_examples.items() if value is not None}
    if of_examples and not first.startswith(PREFIX):
        raise ConfigError(f"--{next(iter(of_examples))} is of examples, as in {EXAMPLES[2]!r}")
    with loading():
        from interp.analysis.overlap import overlap as compare
        from interp.subject import open_subject

    with progress("comparing"):
        subject = open_subject(checkpoint, options, device=device, site=site, seed=seed)
        result = compare(subject, first=first, second=second, **of_examples)
    say(*subject.source.notes, *result.sentences())
    write(lambda path: _write_page(result, str(checkpoint), path), html)
    write_numbers(result, json, "overlap")


def _write_page(result: Any, source: str, path: Path) -> Path:
    from interp.files import write_text
    from interp.report.page import bullets, figure_block, page

    block = figure_block("overlap", "Neurons in common", result.plot(), " ".join(result.sentences()[:1]))
    text = page("Overlap", source, bullets(result.sentences()), [("figure", "Neurons in common", block)])
    return write_text(path, text)

"""``grokscope describe``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.checkpoints.options import OpenOptions
from interp.cli.console import print_table, say, write
from interp.cli.loading import loading
from interp.cli.options import Device, Seed, Source, with_options
from interp.cli.places import Csv, Json, Parquet
from interp.errors import ConfigError
from interp.progress import progress

EXAMPLES = (
    "grokscope describe runs/r0",
    "grokscope describe runs/r0 --neurons 0-9 --json descriptions.json",
    "grokscope describe net.pt --model net.py:build --site fc2:input --table data.csv --predicates properties.csv",
)


def _check_indices(text: str | None) -> str | None:
    if text is not None:
        from interp.selectors import indices_in

        indices_in(text)
    return text


@with_options
def describe(
    checkpoint: Source,
    *,
    options: OpenOptions,
    site: str | None,
    predicates: Annotated[
        Path | None,
        typer.Option(
            help="A .csv or .parquet file of properties of the examples, one row each in the order of the task's or of "
            "--table: true or false, texts, or numbers."
        ),
    ] = None,
    only: Annotated[
        bool, typer.Option("--only", help="Compare no properties but those of --predicates.")
    ] = False,
    neurons: Annotated[
        str | None,
        typer.Option(help="Indices such as 3,5-9; all if left out.", callback=_check_indices),
    ] = None,
    quantile: Annotated[
        float, typer.Option(min=0, max=1, help="Activations above this quantile are a neuron's exemplars.")
    ] = 0.99,
    weight: Annotated[
        float,
        typer.Option(min=0, max=1, help="Preference for rare properties; 1 is pointwise mutual information."),
    ] = 0.2,
    level: Annotated[
        float, typer.Option(min=0, max=1, help="False-discovery rate of the neurons that are described.")
    ] = 0.05,
    top: Annotated[int, typer.Option(min=0, help="How many neurons to show.")] = 20,
    json: Json = None,
    csv: Csv = None,
    parquet: Parquet = None,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Describe every neuron by what the inputs that activate it most have in common."""
    if only and predicates is None:
        raise ConfigError("--only leaves out the task's own properties; give --predicates too")
    if quantile == 1 or level in (0, 1):
        raise ConfigError(
            f"--quantile {quantile:g} and --level {level:g}; expected both below 1, the level above 0"
        )
    with loading():
        from interp.analysis.describing import HEADER
        from interp.analysis.describing import describe as describe_network
        from interp.analysis.predicates import read_predicates
        from interp.subject import open_subject

    given = None if predicates is None else read_predicates(predicates)
    with progress("describing"):
        subject = open_subject(checkpoint, options, device=device, site=site, seed=seed)
        result = describe_network(
            subject,
            predicates=given,
            neurons=neurons,
            own=not only,
            quantile=quantile,
            weight=weight,
            level=level,
        )
    say(*subject.source.notes, *result.notes, result.sentence())
    title = f"{result.site_name}: properties of the inputs that activate neurons most"
    print_table(title, HEADER, result.rows(top), left=(1,), boxed=True)
    write(result.save, json, csv, parquet)

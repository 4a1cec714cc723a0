"""``grokscope retention``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.cli.console import print_table, say, write
from interp.cli.language import SEQUENCES
from interp.cli.loading import loading
from interp.cli.options import Device, Seed
from interp.cli.places import Csv, Html, Json, Parquet
from interp.errors import ConfigError
from interp.files import beside_missing
from interp.language.source import check_ending

EXAMPLES = (
    "grokscope retention runs/lm --sequences injected.jsonl",
    "grokscope retention runs/lm --sequences injected.csv --html retention.html --parquet facts.parquet",
    "grokscope retention runs/lm --sequences injected.jsonl --neurons --json retention.json",
)
LISTED = 10
COLUMNS = (0, 1, 2, 3, 4, 7)
"""Of the page's table, those that fit a terminal."""


def _ended(path: Path) -> Path:
    check_ending(path)
    return path


def retention(
    series: Annotated[
        Path,
        typer.Argument(help="A folder of checkpoints of one language model, in subfolders such as step-100."),
    ],
    *,
    sequences: Annotated[
        Path,
        typer.Option(
            SEQUENCES,
            callback=_ended,
            help="Sequences that were injected into the training, one a row of a .jsonl, .parquet or .csv file: text "
            "or ids; and where known step (one or several), prompt_tokens, paraphrase and composition (other texts "
            "that ask for the same), and split (control for those that were never injected).",
        ),
    ],
    prompt_tokens: Annotated[
        int | None, typer.Option(min=1, help="Tokens of every prompt; as the file says, or the first third.")
    ] = None,
    window: Annotated[
        int, typer.Option(min=0, help="Steps after the last injection in which the maximum is looked for.")
    ] = 50,
    neurons: Annotated[
        bool, typer.Option("--neurons", help="Also look for the neurons that stored the sequences.")
    ] = False,
    html: Html = None,
    json: Json = None,
    csv: Csv = None,
    parquet: Parquet = None,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Follow sequences that were injected into a training: how far each jumped, how fast it is forgotten, and where
    it is stored.

    Exit codes: 0 done, 2 something is wrong with the input.
    """
    if not sequences.is_file():
        raise ConfigError(f"there is no file {str(sequences)!r} of sequences; {beside_missing(sequences)}")
    from interp.language.retention_inputs import checked_series

    checked_series(series, sequences, prompt_tokens)
    with loading():
        from interp.language.retention import retention as follow
        from interp.report.retention import HEADER, retention_rows

    result = follow(
        series,
        sequences,
        prompt_tokens=prompt_tokens,
        window=window,
        neurons=neurons,
        seed=seed,
        device=device,
    )
    say(*result.sentences)
    for name in result.depths:
        more = len(result.last) - LISTED
        caption = f"and {more} more; --csv and --html have all" if more > 0 else ""
        rows = [[row[column] for column in COLUMNS] for row in retention_rows(result, name, LISTED)]
        print_table(name, [HEADER[column] for column in COLUMNS], rows, left=(1,), caption=caption)
    say(*(f"note: {note}" for note in result.notes))
    write(result.save, html, json, csv, parquet)

"""Options of commands that take a language model and sequences, and the choice between it and a classifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from interp.checkpoints.options import OpenOptions
from interp.errors import CheckpointError, ConfigError
from interp.files import beside_missing
from interp.language.source import check_ending, has_tokenizer, hub_name, is_language_model

PANEL = "Of a language model, whose memory is measured"
SEQUENCES = "--sequences"
EXPECTED = "a folder with config.json and weights, a .gguf file, or hf://ORGANISATION/NAME"


def _ended(path: Path | None) -> Path | None:
    if path is not None:
        check_ending(path)
    return path


Sequences = Annotated[
    Path | None,
    typer.Option(
        SEQUENCES,
        help="Texts (or ids) that the language model may have memorised, one a row of a .jsonl, .parquet or .csv file, "
        "or a line of a .txt one; with prompt_tokens, group, and split (trained, held-out, control) if known.",
        rich_help_panel=PANEL,
        callback=_ended,
    ),
]
PromptTokens = Annotated[
    int | None,
    typer.Option(
        min=1, help="Tokens of every prompt; as the file says, or the first third.", rich_help_panel=PANEL
    ),
]


def check_kind(source: Path, sequences: Path | None, options: OpenOptions, site: str | None) -> None:
    """Refuse a language model without sequences, sequences for any other checkpoint, and options of the other kind.

    Raises:
        ConfigError: The message names the fix.
        CheckpointError: There is nothing of that name.
    """
    language = is_language_model(source)
    classifying = [_spelled(name) for name in options.given] + ["--site"] * (site is not None)
    if sequences is None:
        if language and not classifying and has_tokenizer(source):
            raise ConfigError(
                f"{str(source)!r} is a language model; give the texts that it may have memorised with {SEQUENCES} FILE "
                "(.jsonl, .parquet, .csv or .txt, one a row)"
            )
        return
    if classifying:
        raise ConfigError(
            f"{classifying[0]} says how a classifier is opened, and {SEQUENCES} is for language models; leave out one"
        )
    if not language:
        if not Path(source).exists():
            raise CheckpointError(
                f"there is no language model {str(source)!r}; {beside_missing(Path(source))}"
            )
        raise ConfigError(
            f"{str(source)!r} is no language model; with {SEQUENCES} expected {EXPECTED}. Leave {SEQUENCES} out "
            "to open any other checkpoint"
        )
    if not sequences.is_file():
        raise ConfigError(f"there is no file {str(sequences)!r} of sequences; {beside_missing(sequences)}")


def refuse_other(sequences: Path | None, language: Mapping[str, Any], classifier: Mapping[str, Any]) -> None:
    """Refuse options that were given, by name, and are for the other kind of model; a `ConfigError`."""
    other = language if sequences is None else classifier
    given = [name for name, value in other.items() if value not in (None, [], ())]
    if not given:
        return
    one = "--" + given[0].replace("_", "-")
    if sequences is None:
        raise ConfigError(f"{one} is for language models; give {SEQUENCES} FILE too, or leave it out")
    raise ConfigError(f"{one} is for classifiers, and {SEQUENCES} for language models; leave out one of them")


def shown_source(source: Path) -> str:
    """A source as it is written: paths lose one of the slashes of a name on the hub."""
    return f"hf://{name}" if (name := hub_name(source)) else str(source)


def _spelled(name: str) -> str:
    field = next(one for one in fields(OpenOptions) if one.name == name)
    return str(field.metadata.get("option", "--" + name.replace("_", "-")))

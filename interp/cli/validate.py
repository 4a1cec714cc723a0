"""``grokscope validate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.cli.console import say, write
from interp.cli.exit_codes import HOLDS
from interp.cli.places import Json
from interp.errors import ConfigError

EXAMPLES = (
    "grokscope validate report.json",
    "grokscope validate reports/*.json",
    "grokscope validate --schema audit > audit.schema.json",
)


def validate(
    files: Annotated[
        list[Path] | None, typer.Argument(help="JSON that a command wrote.", show_default=False)
    ] = None,
    *,
    schema: Annotated[
        str | None, typer.Option(help="Print the JSON Schema of a kind of result instead, such as audit.")
    ] = None,
    json: Json = None,
) -> None:
    """Check JSON that a command wrote against the schema, and its version, that the JSON states.

    Kinds: audit, memory (the audit of a language model), and every other result that a command writes as JSON.
    """
    if (schema is None) == (not files):
        raise ConfigError("give either files to check, or --schema KIND to print a schema")
    if json is not None and schema is None:
        raise ConfigError("--json is where --schema is written; give --schema KIND too")
    if schema is not None:
        from interp.files import write_json
        from interp.report.schemas import schema_of

        whole = schema_of(schema)
        write(lambda path: write_json(path, whole), json or Path("-.json"))
        return
    results = [_valid(file) for file in files or ()]  # each one, also after one that is not valid
    if not all(results):
        raise typer.Exit(HOLDS)


def _valid(file: Path) -> bool:
    """Check a file, and say what is wrong with it."""
    from interp.report.validating import problems, read_result

    value = read_result(file)
    try:
        wrong = problems(value)
    except ConfigError as error:
        raise ConfigError(f"{str(file)!r}: {error}") from None
    if not wrong:
        say(f"{file}: valid, {value['schema']}, version {value['schema_version']}")
    for sentence in wrong:
        say(f"{file}: {sentence}", error=True)
    return not wrong

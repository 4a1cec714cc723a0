"""Pages of the data that are written: columns of the tables, and schemas of the files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import tables
from site_pages.json_page import json_page
from site_pages.repository import Page, wide

from interp.jobs.columns import CHECKPOINTS, SCHEMA_VERSION
from interp.jobs.schema import checkpoint_schema, neuron_schema, sequence_schema
from interp.language.columns import MEMORY_COLUMNS
from probes.columns import COLUMNS

PARQUET = {
    "checkpoints": (checkpoint_schema, "One row a checkpoint under one set of settings."),
    "neurons": (neuron_schema, "One row a neuron."),
    "sequences": (sequence_schema, "One row a sequence of a language model."),
}


def pages() -> list[Page]:
    """Columns with unit and meaning, and the schemas of Parquet and JSON files."""
    return [
        Page("columns.md", "Columns", _columns()),
        Page("parquet.md", "Parquet schemas", _parquet()),
        json_page("reference/data/"),
    ]


def _columns() -> str:
    stored = (
        (_anchored("checkpoints", name), one.title, one.kind, one.group, one.meaning)
        for name, one in CHECKPOINTS.items()
    )
    header = "column", "title", "kind", "about", "meaning"
    return "\n".join(
        (
            "---\nhide: [toc]\n---\n\n# Columns\n",
            "A name in angle brackets stands for several: `ipr_<vector>` for `ipr_0`, `ipr_1` and `ipr_2`.",
            "[Conventions](../../conventions.md) explains terms, [Parquet schemas](parquet.md) the types in files.\n",
            f"## Neurons\n\nOne row a neuron.\n\n{_of_columns('neurons', COLUMNS)}",
            "## Checkpoints\n\nOne row a checkpoint, as [batch jobs](../../batch.md) store it.\n",
            wide(tables.table(header, stored)),
            "## Sequences\n\nOne row a text whose [memory](../../memory.md) was measured.\n",
            _of_columns("sequences", MEMORY_COLUMNS),
        )
    )


def _of_columns(level: str, columns: Any) -> str:
    header = "column", "title and unit", "over", "meaning", "made by"
    rows = (
        (_anchored(level, name), one.heading, one.over, one.meaning, _source(one.source))
        for name, one in columns.items()
    )
    return wide(tables.table(header, rows))


def _source(place: str) -> str:
    """The function that makes a column; those of `probes` lead to their documentation."""
    package, name = place.partition(".")[0], place.rpartition(".")[2]
    parts = place.replace(".", ".<wbr>")
    return f"[`{name}`][{place}]" if package == "probes" else f"<code>{parts}</code>"


def _anchored(level: str, name: str) -> str:
    """A column's name as code, to which ``#LEVEL-NAME`` leads."""
    return f"`{name}`{{#{level}-{re.sub('[^a-z0-9_]', '-', name).strip('-')}}}"


def _parquet() -> str:
    parts = [
        "# Parquet schemas\n",
        f"Version {SCHEMA_VERSION}. It rises when a column changes its name, type or meaning; new columns alone do "
        "not raise it. Types are Arrow's. A column is null where the job's measure does not give it. "
        "[Columns](columns.md) explains what each holds.\n",
    ]
    for name, (schema, line) in PARQUET.items():
        parts.append(f"## {name}\n\n{line}\n\n{tables.table(('column', 'type'), _typed(schema()))}")
    return "\n".join(parts)


def _typed(schema: Iterable[Any]) -> Iterable[tuple[str, str]]:
    return ((tables.code(one.name), tables._kind(one.type)) for one in schema)

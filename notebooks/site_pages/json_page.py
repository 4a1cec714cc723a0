"""The page of the JSON that commands write: every key of every kind of result, and each schema as a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import tables
from site_pages.repository import Page, wide

from interp.output import SCHEMA_VERSION
from interp.report.schemas import SCHEMAS, schema_of

FOLDER = "schemas"


def json_page(place: str) -> Page:
    """The page, with the schemas beside it.

    Args:
        place: The folder of the page, from the root of the site.
    """
    schemas = {name: schema_of(name) for name in SCHEMAS}
    files: dict[str, str | bytes] = {
        f"{place}{FOLDER}/{name}.json": json.dumps(schema, indent=2) + "\n"
        for name, schema in schemas.items()
    }
    parts = [
        "# JSON schemas\n",
        f"Version {SCHEMA_VERSION}. Every result that a command writes as JSON names its schema under `schema`, and "
        "the version under `schema_version`; [`grokscope validate`](../commands/validate.md) checks a file against it. "
        "A number that is not known is null.\n",
    ]
    for name, schema in schemas.items():
        link = f"`{schema['$id']}` · [the whole schema]({FOLDER}/{name}.json)"
        parts.append(f"## {name}\n\n{link}\n")
        parts += [
            wide(tables.table(("key", "value", "required"), _keys(part)))
            for part in schema.get("oneOf", [schema])
        ]
    return Page("json.md", "JSON schemas", "\n".join(parts), files)


def _keys(schema: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key, value in schema["properties"].items():
        yield tables.code(key), _words(value), "yes" if key in schema["required"] else "no"


def _words(schema: dict[str, Any]) -> str:
    """One line on the values that a schema allows."""
    if "const" in schema:
        return tables.code(json.dumps(schema["const"]))
    if "enum" in schema:
        return ", ".join(tables.code(json.dumps(value)) for value in schema["enum"])
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        known = [choice for choice in choices if choice.get("type") != "null"]
        words = " or ".join(dict.fromkeys(map(_words, known)))
        return words if len(known) == len(choices) or "null" in words else f"{words} or null"
    kinds = schema.get("type", "any value")
    words = kinds if isinstance(kinds, str) else " or ".join(kinds)
    if words == "array" and schema.get("items"):
        return f"array of: {_words(schema['items'])}"
    if words == "object" and schema.get("properties"):
        return f"object with {', '.join(map(tables.code, schema['properties']))}"
    if words == "object" and schema.get("additionalProperties"):
        return f"object of any keys, each with: {_words(schema['additionalProperties'])}"
    limits = [f"{sign} {schema[key]}" for key, sign in (("minimum", "≥"), ("maximum", "≤")) if key in schema]
    return f"{words}, {', '.join(limits)}" if limits else words

"""Validation of results' JSON, which may come from anyone, against the schemas that they state."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from interp.errors import ConfigError, choose, cut
from interp.files import read_bytes
from interp.report.schemas import SCHEMAS, schema_of

DEEPEST = 60
"""Nesting of JSON, at the most; that of results is below 12."""
LISTED = 20
"""Problems that are listed of one file."""


def read_result(path: Path | str) -> Any:
    """The value of a JSON file, strictly: no NaN, no number beyond float64, no key twice, no deep nesting.

    Raises:
        ConfigError: The file cannot be read, or is no such JSON.
    """
    content = read_bytes(path)
    try:
        value = json.loads(
            content, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
        )
        _check_depth(value)
    except RecursionError:
        raise ConfigError(f"{str(path)!r} is no valid JSON (nested too deeply)") from None
    except ValueError as error:
        raise ConfigError(
            f"{str(path)!r} is no valid JSON ({error}); expected a result of grokscope"
        ) from None
    return value


def problems(value: Any) -> list[str]:
    """Sentences on where a result's JSON differs from the schema that it states; empty for a valid one.

    Raises:
        ConfigError: It states no schema that is known, or another version.

    Example:
        >>> problems({"schema": "dialects", "schema_version": 1, "dialects": [], "more": 3})
        ["at the top: unexpected key 'more'"]
    """
    import jsonschema

    if not isinstance(value, dict) or "schema" not in value:
        raise ConfigError(
            f"the JSON does not state what it is; expected an object with 'schema', one of {', '.join(SCHEMAS)}"
        )
    schema = schema_of(choose("schema", value["schema"], SCHEMAS))
    version = schema_version(schema)
    if value.get("schema_version") != version:
        return [f"schema_version: expected {version}, got {cut(value.get('schema_version'))}"]
    errors = jsonschema.Draft202012Validator(schema).iter_errors(value)
    sentences: dict[str, None] = {}  # each once
    for error in errors:
        sentences |= dict.fromkeys(_described(error))
        if len(sentences) > LISTED:
            return [*list(sentences)[:LISTED], "and more"]
    return list(sentences)


def schema_version(schema: Mapping[str, Any]) -> int:
    """The version that a schema of `interp.report.schemas` is for."""
    part = schema["oneOf"][0] if "oneOf" in schema else schema
    return int(part["properties"]["schema_version"]["const"])


def _described(error: Any) -> Iterator[str]:
    """One problem with its place, of values cut short."""
    place = _place(error.absolute_path)
    match error.validator:
        case "additionalProperties":
            known = error.schema.get("properties", {})
            yield from (
                f"{place}: unexpected key {cut(name)}" for name in error.instance if name not in known
            )
        case "required":
            missing = (name for name in error.validator_value if name not in error.instance)
            yield from (f"{place}: missing key {name!r}" for name in missing)
        case "type":
            wanted = error.validator_value
            names = " or ".join([wanted] if isinstance(wanted, str) else wanted)
            yield f"{place}: expected {names}, got {cut(error.instance)}"
        case "enum":
            yield f"{place}: expected one of {', '.join(map(str, error.validator_value))}, got {cut(error.instance)}"
        case "const":
            yield f"{place}: expected {error.validator_value!r}, got {cut(error.instance)}"
        case "minimum" | "maximum":
            bound = "least" if error.validator == "minimum" else "most"
            yield f"{place}: expected at {bound} {error.validator_value}, got {cut(error.instance)}"
        case "anyOf":  # the others are null
            for inner in (one for one in error.context if one.schema_path[0] == 0):
                yield from _described(inner)
        case "oneOf":
            counts = Counter(one.schema_path[0] for one in error.context)
            nearest = min(counts, key=counts.__getitem__)
            for inner in (one for one in error.context if one.schema_path[0] == nearest):
                yield from _described(inner)
        case other:
            yield f"{place}: does not satisfy {other}, got {cut(error.instance)}"


def _place(path: Sequence[Any]) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).lstrip(".")[:200] or "at the top"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {cut(twice)} is there twice")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON; null stands for what is not known")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {cut(text)} is too large")
    return number


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return
    raise ValueError(f"nested more than {DEEPEST} levels deep")

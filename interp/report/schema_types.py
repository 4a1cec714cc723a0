"""JSON Schema (draft 2020-12) from the types that results are made of."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

Schema = dict[str, Any]

ANY: Schema = {}
TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
NULL: Schema = {"type": "null"}
WHOLE: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": ["number", "null"]}
"""A measured number; null stands for NaN, not known."""
SHARE: Schema = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
PLAIN: dict[Any, Schema] = {
    str: TEXT,
    bool: FLAG,
    int: WHOLE,
    float: NUMBER,
    type(None): NULL,
    Any: ANY,
    object: ANY,
}


def maybe(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, NULL]}


def one_of(names: Sequence[str]) -> Schema:
    """One of some texts."""
    return {"enum": list(names)}


def rows(schema: Schema) -> Schema:
    """An array of any length."""
    return {"type": "array", "items": schema}


def by_name(schema: Schema) -> Schema:
    """An object with any keys."""
    return {"type": "object", "additionalProperties": schema}


def exactly(properties: Mapping[str, Schema], optional: Sequence[str] = ()) -> Schema:
    """An object with these keys and no others; the optional ones may be left out.

    Example:
        >>> exactly({"size": COUNT})["required"]
        ['size']
    """
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "properties": dict(properties),
        "required": required,
        "additionalProperties": False,
    }


def each(names: Sequence[str], schema: Schema) -> Schema:
    """An object with the same kind of value for each of some names."""
    return exactly(dict.fromkeys(names, schema))


def of_fields(
    record: type, own: Mapping[str, Schema] | None = None, without: Sequence[str] = (), /, **more: Schema
) -> Schema:
    """The schema of a dataclass that JSON has field by field.

    Args:
        record: The dataclass.
        own: Schemas of fields whose type does not say it, or of other dataclasses by the name of the class.
        without: Fields that JSON does not have.
        more: Other keys.

    Example:
        >>> from interp.measuring.band import Band
        >>> list(of_fields(Band)["properties"])
        ['mean', 'low', 'high']
    """
    hints, given = get_type_hints(record), own or {}
    names = [one.name for one in fields(record) if one.name not in without]
    known = {name: given[name] if name in given else of_type(hints[name], given) for name in names}
    return exactly(known | more)


def of_type(hint: Any, own: Mapping[str, Schema] | None = None) -> Schema:
    """The schema of a type's values, as `interp.output.plain` writes them.

    Raises:
        TypeError: No schema is known for the type.

    Example:
        >>> of_type(dict[str, tuple[int, ...]])
        {'type': 'object', 'additionalProperties': {'type': 'array', 'items': {'type': 'integer'}}}
    """
    given = own or {}
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in PLAIN:
        return PLAIN[hint]
    if getattr(hint, "__name__", None) in given:
        return given[hint.__name__]
    if origin in (Union, types.UnionType):
        return {"anyOf": [of_type(one, given) for one in arguments]}
    if origin is Literal:
        return one_of(arguments)
    if hint is np.ndarray or getattr(hint, "array_type", None) is not None:  # also those of jaxtyping
        return {"type": "array"}
    if origin in (dict, Mapping) or hint in (dict, Mapping):
        return by_name(of_type(arguments[1], given) if arguments else ANY)
    if origin in (list, tuple, Sequence) or hint in (list, tuple):
        return rows(of_type(arguments[0], given) if len(set(arguments) - {Ellipsis}) == 1 else ANY)
    if is_dataclass(hint):
        return of_fields(hint, given)  # type: ignore[arg-type]
    raise TypeError(f"no JSON schema is known for the type {hint!r}; add it to the caller's own")

"""Typed values from TOML files and from keywords: one reader for jobs and for grids of training runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from interp.errors import ConfigError, cut, near_matches

KINDS: dict[type, tuple[str, tuple[type, ...]]] = {
    bool: ("true or false", (bool,)),
    int: ("a whole number", (int,)),
    float: ("a number", (int, float)),
    str: ("text", (str, Path)),
    list: ("a list of names", (list, tuple, str)),
    dict: ("a table", (dict,)),
}


def typed(name: str, value: Any, kind: type) -> Any:
    """A value that is of one of `KINDS`; a `ConfigError` if it is not."""
    words, types = KINDS[kind]
    if not isinstance(value, types) or (isinstance(value, bool) and kind is not bool):
        raise ConfigError(f"{name} = {cut(value)} is not {words}")
    if isinstance(value, (list, tuple)) and not all(isinstance(one, str) for one in value):
        raise ConfigError(f"{name} = {cut(value)} is not {words}")
    texts = value if isinstance(value, (list, tuple)) else [value]
    if kind in (str, list) and any("\0" in str(text) for text in texts):
        raise ConfigError(f"{name} = {cut(value)} holds a null character, which no name has")
    return value


def field_kinds(record: type) -> dict[str, type]:
    """The fields of a dataclass that TOML can express, each with its kind.

    Example:
        >>> from interp.checkpoints.options import OpenOptions
        >>> field_kinds(OpenOptions)["p"].__name__, field_kinds(OpenOptions)["sites"].__name__
        ('int', 'list')
    """
    hints = get_type_hints(record)
    kinds = {field.name: _kind(hints[field.name]) for field in fields(record)}
    return {name: kind for name, kind in kinds.items() if kind in KINDS}


def _kind(hint: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple:
        return list if arguments[0] is str else None
    if origin is Mapping:
        return dict
    return _kind(arguments[0]) if arguments else str if hint is Path else hint


def check_names(names: Iterable[str], known: Mapping[str, Any], noun: str) -> None:
    """Refuse, as a `ConfigError`, a name that is none of the known ones."""
    for name in names:
        if name not in known:
            raise ConfigError(f"unknown {noun} {name!r}; {near_matches(name, known)}")


def take_fields(
    values: dict[str, Any], record: type, noun: str, folder: Path, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Take the fields of a workload, ``out`` among them, out of the values of a file that describes such a noun.

    Args:
        folder: Where the file is: ``out`` is relative to it.
        options: Fields that take the place of the file's; None leaves the file's.

    Raises:
        ConfigError: A value is of another type than its field, an option is unknown, or ``out`` is not there.
    """
    kinds = field_kinds(record)
    chosen = {name: typed(name, values.pop(name), kind) for name, kind in kinds.items() if name in values}
    if chosen.get("out"):
        chosen["out"] = folder / chosen["out"]
    chosen |= given(options, record)
    if not chosen.get("out"):
        raise ConfigError(f'the {noun} does not say where its results go; add out = "FOLDER"')
    return {**chosen, "out": Path(chosen["out"])}


def given(options: Mapping[str, Any], record: type) -> dict[str, Any]:
    """Options that are not None; one that is no field of the workload is a `ConfigError`."""
    check_names(options, field_kinds(record), "option")
    return {name: value for name, value in options.items() if value is not None}


MOST = 50_000
"""Combinations that a file may ask for: more take longer to plan than any work that somebody waits for."""


def combinations(grid: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every combination of the values in a ``[grid]``; a `ConfigError` if one has no list of values.

    Example:
        >>> combinations({"seed": [0, 1], "p": [31]})
        [{'seed': 0, 'p': 31}, {'seed': 1, 'p': 31}]
    """
    for name, choices in grid.items():
        if not isinstance(choices, list) or not choices:
            raise ConfigError(f"[grid] {name} = {cut(choices)} is no list of values to try")
    count = prod(map(len, grid.values()))
    if count > MOST:
        sizes = " * ".join(str(len(choices)) for choices in grid.values())
        raise ConfigError(f"[grid] has {sizes} = {count:,} combinations; at most {MOST:,} are made")
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def check_total(count: int, parts: str) -> None:
    """Refuse, before any is made, more than `MOST` combinations in all parts of a file together."""
    if count > MOST:
        raise ConfigError(f"{parts} have more than {MOST:,} combinations together; name fewer")

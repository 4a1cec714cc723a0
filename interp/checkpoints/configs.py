"""Configuration beside a weights file, whatever it is called, and the names under which it states facts."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

from interp.checkpoints.config_names import config_files
from interp.checkpoints.safe import open_file, read_json, said_by
from interp.errors import CheckpointError

MAX_TEXT = 2**17  # bytes of a YAML or TOML file
MAX_BRACKETS = 100  # of a YAML file, in one another: PyYAML's time grows with their square
MAX_ALIASES = 8  # repetitions in a YAML file, each of which may double it
MAX_LEVELS, MAX_DEPTH = 1000, 4  # objects that are searched for settings, and their nesting
OUR_OWN = {"made_by", "reading"}  # names in a report of an audit, which is no configuration
FACTS: dict[str, tuple[str, ...]] = {
    "activation": (
        "activation", "act_fn", "act_type", "activation_fn", "activation_function", "activation_type", "hidden_act",
        "nonlinearity", "act",
    ),
    "attn_coeff": ("attn_coeff", "attn_coefficient", "attention_coeff", "attention_coefficient"),
    "operation": (
        "operation", "operator", "op", "binary_op", "binary_operation", "math_operator", "op_name", "operation_name",
        "fn_name", "funcs", "func", "fn", "function", "group", "group_type", "group_name",
    ),
    "task": ("task", "task_name", "task_type", "dataset", "dataset_name", "problem"),
    "modulus": ("p", "P", "C", "modulus", "mod", "prime", "group_parameter"),
}  # fmt: skip
"""The names of a setting, by what it states; `task` may name an operation, and may be anything else."""


def settings_beside(path: Path) -> tuple[dict[str, Any], list[str]]:
    """The settings in the configuration files of a weights file, and notes of which were read, disagree or cannot be.

    `interp.checkpoints.config_names.config_files` says which belong to it; the nearer one decides. Of the others those
    count that state a known setting, if none belongs to it.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, "config_7f.json").write_text('{"p": 59}')
        ...     _ = Path(folder, "hparams.yaml").write_text("p: 97\\nact_fn: relu")
        ...     settings, notes = settings_beside(Path(folder, "model_7f.pt"))
        >>> settings
        {'p': 59, 'act_fn': 'relu'}
        >>> notes[1]
        "'config_7f.json' says p=59, 'hparams.yaml' 97; the first is used"
    """
    contents: dict[str, Mapping[str, Any]] = {}
    notes: list[str] = []
    near, others = config_files(_placed(path), _names)
    for file in near:
        try:
            own = _read(file)
        except CheckpointError as error:
            notes.append(f"passed over a file beside it: {error}")
            continue
        if not own.keys() >= OUR_OWN:
            contents[os.path.relpath(file, _placed(path).parent)] = own
    if not contents:
        contents = {file.name: known for file in others if (known := _known(file)) is not None}
    merged: dict[str, Any] = {}
    for content in reversed(contents.values()):
        merged = _merged(content, merged)
    if contents:
        notes.append(f"settings: {', '.join(map(repr, contents))} beside the file")
    return merged, notes + disagreements({repr(name): content for name, content in contents.items()})


def levels(settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The settings and the objects in them, outer ones first; one that holds only ``value`` stands for that.

    Example:
        >>> levels({"lr": 0.1, "model": {"p": {"value": 59, "desc": None}}})[1]
        {'p': 59}
    """
    result: list[Mapping[str, Any]] = []
    queue: list[tuple[int, Mapping[str, Any]]] = [(0, settings)]
    while queue and len(result) < MAX_LEVELS:
        depth, level = queue.pop(0)
        level = {name: _plain_value(value) for name, value in level.items()}
        result.append(level)
        if depth < MAX_DEPTH:
            queue += [(depth + 1, value) for value in level.values() if isinstance(value, dict)]
    return result


def stated(settings: Mapping[str, Any], fact: str) -> Iterator[tuple[str, Any]]:
    """Every setting that states a fact, with the name it has there; null states nothing.

    Example:
        >>> list(stated({"act_fn": "relu", "model": {"activation": "gelu"}}, "activation"))
        [('act_fn', 'relu'), ('activation', 'gelu')]
    """
    for level in levels(settings):
        for name in FACTS[fact]:
            if level.get(name) is not None:
                yield name, level[name]


def disagreements(sources: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Notes of settings that several sources state differently; the first of them is used."""
    notes = []
    for names in FACTS.values():
        for name in names:
            values = {
                place: value for place, one in sources.items() if (value := _first(one, name)) is not None
            }
            place, *others = values or [""]
            for other in others:
                if values[other] != values[place]:
                    notes.append(
                        f"{place} says {name}={str(values[place])[:60]}, {other} {str(values[other])[:60]}; the first "
                        "is used"
                    )
    return notes


def _first(settings: Mapping[str, Any], name: str) -> Any:
    values = (level.get(name) for level in levels(settings))
    return next((value for value in values if isinstance(value, str | int | float)), None)


def _plain_value(value: Any) -> Any:
    """The value of a setting; Weights & Biases wraps each in an object."""
    return (
        value["value"]
        if isinstance(value, dict) and value.keys() in ({"value"}, {"value", "desc"})
        else value
    )


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of both, the first one's where both have them."""
    result = {**second, **first}
    for name, value in first.items():
        if isinstance(value, dict) and isinstance(other := second.get(name), dict):
            result[name] = {**other, **value}
    return {name: result[name] for name in (*first, *(name for name in second if name not in first))}


def configuration_files(path: Path) -> list[Path]:
    """The files from which `settings_beside` takes the settings of a weights file, the nearest first.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, "config_7f.json").write_text('{"p": 59}')
        ...     [file.name for file in configuration_files(Path(folder, "model_7f.pt"))]
        ['config_7f.json']
    """
    near, others = config_files(_placed(path), _names)
    return near or [file for file in others if _known(file) is not None]


def _placed(path: Path) -> Path:
    """The path with the name of its folder."""
    return path if path.parent.name else path.absolute()


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _known(file: Path) -> dict[str, Any] | None:
    """The object in a file of any name, if it states a known setting."""
    try:
        content = _read(file)
    except CheckpointError:
        return None  # nothing says that it is a configuration
    known = not content.keys() >= OUR_OWN and any(True for fact in FACTS for _ in stated(content, fact))
    return content if known else None


def _read(file: Path) -> dict[str, Any]:
    """The object in a JSON, YAML or TOML file; nothing in it is run."""
    if file.suffix == ".json":
        return read_json(file, dict)
    with open_file(file) as opened:
        data = opened.read(MAX_TEXT + 1)
    if len(data) > MAX_TEXT:
        raise CheckpointError(
            f"{str(file)!r} is too large for a configuration; at most {MAX_TEXT} bytes are read"
        )
    kind = "TOML" if file.suffix == ".toml" else "YAML"
    try:
        text = data.decode("utf-8")
        value = tomllib.loads(text) if kind == "TOML" else _load_yaml(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{str(file)!r} is no valid {kind}: {said_by(error)}") from None
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise CheckpointError(f"{str(file)!r} holds no object of named settings")
    return value


def _load_yaml(text: str) -> Any:
    """The plain data in a YAML text: an object of a class gives its fields, and nothing is called."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    def plain(loader: Any, _tag: str, node: Any) -> Any:
        if isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        return loader.construct_scalar(node)

    Loader.add_multi_constructor("", plain)
    depth = accumulate((letter in "[{") - (letter in "]}") for letter in text)
    if max(depth, default=0) > MAX_BRACKETS:
        raise ValueError(f"it has more than {MAX_BRACKETS} brackets in one another")
    try:
        aliases = sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=Loader))
        if aliases > MAX_ALIASES:
            raise ValueError(f"it repeats parts {aliases} times by '*'; at most {MAX_ALIASES} are followed")
        return json.loads(json.dumps(yaml.load(text, Loader), default=str))  # a date becomes a text
    except (yaml.YAMLError, TypeError, AttributeError) as error:
        raise ValueError(said_by(error)) from None

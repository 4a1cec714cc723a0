"""Configuration beside a weights file, whatever it is called, and the names under which it states facts."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import Any

from interp.checkpoints.config_names import CONFIG_WORDS, KIND_WORDS, config_files, words_of
from interp.checkpoints.operation_names import names_in, operation_named, states_operation
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
        "operation", "operator", "op", "binary_op", "binary_operation", "binary_operator", "math_operator",
        "math_operation", "math_op", "arithmetic_operation", "modular_operation", "group_operation", "operations",
        "op_name", "op_type", "operation_name", "operation_type", "operator_name", "fn_name", "rule", "funcs", "func",
        "fn", "function", "group", "group_type", "group_name",
    ),
    "task": ("task", "task_name", "task_type", "dataset", "dataset_name", "problem"),
    "modulus": ("p", "P", "C", "modulus", "mod", "prime", "group_parameter"),
}  # fmt: skip
"""The names of a setting, by what it states; `task` may name an operation, and may be anything else."""
GENERAL = frozenset(("func", "fn", "function", "group", "group_type", "group_name", "rule", "act"))
"""Names that a trainer uses for other things too: they count in an object about the task, the data or the network."""
SECTIONS = CONFIG_WORDS | KIND_WORDS | frozenset({
    "task", "tasks", "data", "dataset", "datasets", "problem", "operation", "op", "group", "hyper", "value", "values",
})  # fmt: skip
"""Words of the names of such objects."""
SWITCHES = frozenset(("yes", "no", "on", "off", "true", "false", "none", "null", ""))


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
    return [level for _, level in _placed_levels(settings)]


def _placed_levels(settings: Mapping[str, Any]) -> list[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """The same with the names of the objects that each lies in."""
    result: list[tuple[tuple[str, ...], Mapping[str, Any]]] = []
    queue: list[tuple[tuple[str, ...], Mapping[str, Any]]] = [((), settings)]
    while queue and len(result) < MAX_LEVELS:
        place, level = queue.pop(0)
        level = {name: _plain_value(value) for name, value in level.items()}
        result.append((place, level))
        if len(place) < MAX_DEPTH:
            queue += [((*place, name), value) for name, value in level.items() if isinstance(value, dict)]
    return result


def stated(settings: Mapping[str, Any], fact: str, *, counted: bool = True) -> Iterator[tuple[str, Any]]:
    """Every setting that states a fact, with its place, outer ones first; null states nothing.

    With `counted` False, those that have such a name and state something else, by their place or their value.

    Example:
        >>> settings = {"act_fn": "relu", "model": {"activation": "gelu"}, "wandb": {"group": "run-7"}}
        >>> list(stated(settings, "activation"))
        [('act_fn', 'relu'), ('model.activation', 'gelu')]
        >>> list(stated(settings, "operation")), list(stated(settings, "operation", counted=False))
        ([], [('wandb.group', 'run-7')])
    """
    for place, level in _placed_levels(settings):
        for name in FACTS[fact]:
            value = level.get(name)
            if value is not None and _counts(fact, place, name, value) is counted:
                yield ".".join((*place, name)), value


def _counts(fact: str, place: tuple[str, ...], name: str, value: Any) -> bool:
    """True if a value under a fact's name states that fact."""
    if fact == "modulus":
        return whole_number(value) is not None
    if fact == "attn_coeff":
        return True
    texts = names_in(value)
    if fact == "activation":
        return not isinstance(value, bool) and not (name == "act" and str(value).lower() in SWITCHES)
    if isinstance(value, dict) and (texts is None or fact == "task"):
        inner = (level.get(one) is not None for level in levels(value) for one in FACTS["operation"])
        if any(inner):
            return False  # an object of settings, which are looked at for themselves
    known = texts is not None and all(operation_named(text)[0] is not None for text in texts)
    if fact == "task":  # anything else of it is none of an operation
        own = isinstance(value, dict) and not value.keys().isdisjoint(("_target_", "class_path"))
        return known or (texts is not None and not own and any(map(states_operation, texts)))
    if texts is not None and all(text.strip().lower() in ("none", "null") for text in texts):
        return False
    words = {word for part in place for word in words_of(part)}
    return name not in GENERAL or known or (value is not False and words <= SECTIONS)


def whole_number(value: Any) -> int | None:
    """A whole number of 1 or more, also one that is written as a text; else None."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        value = int(value)
    return value if type(value) is int and value > 0 else None


def disagreements(sources: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Notes of facts that several sources state differently, under whatever names; the first of them is used."""
    notes = []
    for fact in FACTS:
        every = {place: list(stated(one, fact)) for place, one in sources.items()}
        place, *others = [place for place, values in every.items() if values] or [""]
        for other in others:
            first, *_ = every[place]
            same = {_spelled(value) for _, value in every[place]}
            for name, value in every[other]:
                if _spelled(value) not in same:
                    second = shown("" if name == first[0] else name, value)
                    notes.append(f"{place} says {shown(*first)}, {other} {second}; the first is used")
                    break
    return notes


def shown(name: str, value: Any) -> str:
    """A setting in a note: name and value, cut to a line.

    Example:
        >>> shown("model.p", 59), shown("", "add")
        ('model.p=59', 'add')
    """
    return f"{name[-60:]}={str(value)[:60]}" if name else str(value)[:60]


def _spelled(value: Any) -> Any:
    """A value for comparison: other letters and other ways to write a number make no difference."""
    with suppress(ValueError, TypeError):
        return float(value)
    return str(value).lower()


def _plain_value(value: Any) -> Any:
    """The value of a setting; Weights & Biases wraps each in an object."""
    return (
        value["value"]
        if isinstance(value, dict) and value.keys() in ({"value"}, {"value", "desc"})
        else value
    )


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of both. A fact that the first one states, under whatever name, is stated by it alone."""
    own = {fact for fact in FACTS if any(True for _ in stated(first, fact))}
    dropped = {place for fact in own for place, _ in stated(second, fact)}
    kept = {place for fact in FACTS.keys() - own for place, _ in stated(second, fact)}
    return _overlaid(first, second, dropped - kept, kept)


def _overlaid(
    first: Mapping[str, Any], second: Mapping[str, Any], dropped: set[str], kept: set[str], at: str = ""
) -> dict[str, Any]:
    """Both, the first one's values where both have them; of the second some are dropped, and some kept anyway."""
    result = {}
    for name in dict.fromkeys((*first, *second)):
        place = f"{at}{name}"
        mine, other = _plain_value(first.get(name)), _plain_value(second.get(name))
        deeper = place.count(".") < MAX_DEPTH
        if place in kept:
            result[name] = {**mine, "name": other} if isinstance(mine, dict) else other
        elif isinstance(other, dict) and deeper and (name not in first or isinstance(mine, dict)):
            if name in first or place not in dropped:
                result[name] = _overlaid(mine or {}, other, dropped, kept, f"{place}.")
        elif name in first or place not in dropped:
            result[name] = mine if name in first else other
    return result


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

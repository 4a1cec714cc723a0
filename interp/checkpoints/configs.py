"""Configuration beside a weights file, whatever it is called, and the names under which it states facts."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

from interp.checkpoints.files import BESIDE, HISTORY, INDEX, WEIGHTS
from interp.checkpoints.safe import open_file, read_json, said_by
from interp.errors import CheckpointError

ENDINGS = (".json", ".yaml", ".yml", ".toml")
MAX_TEXT = 2**17  # bytes of a YAML or TOML file
MAX_BRACKETS = 100  # of a YAML file, in one another: PyYAML's time grows with their square
MAX_ALIASES = 8  # repetitions in a YAML file, each of which may double it
MAX_LEVELS, MAX_DEPTH = 1000, 4  # objects that are searched for settings, and their nesting
MAX_OTHERS = 20  # files of other names that are looked into
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
CONFIG_WORDS = frozenset({
    "config", "configs", "configuration", "cfg", "conf", "hparams", "hparam", "hyperparameters", "hyperparams",
    "hyper", "parameters", "params", "param", "args", "arguments", "settings", "setting", "options", "opts",
})  # fmt: skip
KIND_WORDS = frozenset({
    "model", "models", "weights", "weight", "checkpoint", "checkpoints", "ckpt", "ckpts", "net", "network",
    "state", "states", "dict", "statedict", "final", "best", "last", "latest", "train", "training", "trainer",
    "run", "experiment", "ema", "raw", "pytorch", "bin",
})  # fmt: skip
STEP_WORDS = frozenset({
    "step", "steps", "epoch", "epochs", "iteration", "iter", "e", "s", "version",
})  # fmt: skip


def settings_beside(path: Path) -> tuple[dict[str, Any], list[str]]:
    """The settings in the configuration files of a weights file, and notes of which were read, disagree or cannot be.

    A file belongs to the weights if it has their stem (``NAME.json``), the rest of their name once the words that say
    the kind of file are left out (``config_NAME.json`` beside ``model_NAME.pt``), or no name but such words
    (``config.json``, ``hparams.yaml``); the nearer one decides. If no other weights are there, any JSON, YAML or TOML
    file counts that states a known setting.

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
    for file in _belonging(path):
        try:
            content = _read(file)
        except CheckpointError as error:
            notes.append(f"passed over a file beside it: {error}")
            continue
        if not content.keys() >= OUR_OWN:
            contents[file.name] = content
    if not contents:
        contents = dict(_others(path))
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


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[^A-Za-z0-9]+", name.lower()) if word]


def _stem(file: Path) -> str:
    return file.name.removesuffix(INDEX) if file.name.endswith(INDEX) else file.stem


def _belonging(path: Path) -> list[Path]:
    """The configuration files of a weights file, the nearest first."""
    words = [word for word in _words(_stem(path)) if word not in KIND_WORDS]
    run = list(words)
    while run and (run[-1].isdigit() or re.sub(r"\d+$", "", run[-1]) in STEP_WORDS):
        run.pop()
    ranked = []
    for file in _texts(path.parent):
        parts = _words(file.stem)
        own = [word for word in parts if word not in KIND_WORDS and word not in CONFIG_WORDS]
        config = any(word in CONFIG_WORDS for word in parts)
        if file.stem == _stem(path):
            rank = 0
        elif own and own == words:
            rank = 1
        elif own and own == run:
            rank = 2
        elif config and not own:
            rank = 3
        else:
            continue
        ranked.append((rank, not config, ENDINGS.index(file.suffix), file.name, file))
    files = [file for *_, file in sorted(ranked) if file != path]
    within = [
        w for w in _words(path.parent.name) if w not in KIND_WORDS and w not in STEP_WORDS and not w.isdigit()
    ]
    if (
        path.parent.name and not within and _words(path.parent.name)
    ):  # run/checkpoints/last.ckpt, run/hparams.yaml
        files += [file for file in _texts(path.parent.parent) if _is_general(file)]
    return files


def _is_general(file: Path) -> bool:
    """True for a name such as config.json or train_args.yaml: of no network in particular."""
    words = _words(file.stem)
    return any(w in CONFIG_WORDS for w in words) and all(w in CONFIG_WORDS | KIND_WORDS for w in words)


def _texts(folder: Path) -> list[Path]:
    try:
        return sorted(
            file
            for file in folder.iterdir()
            if file.suffix in ENDINGS and not file.name.endswith(INDEX) and not file.name.startswith(".")
        )
    except OSError:
        return []


def _others(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Files of any other name that state a known setting, if the weights are the only ones in their folder."""
    texts = [file for file in _texts(path.parent) if file.name not in (*BESIDE, HISTORY)][: MAX_OTHERS + 1]
    if len(texts) > MAX_OTHERS:
        return
    weights = [file for file in path.parent.iterdir() if file.suffix in WEIGHTS and file.name not in BESIDE]
    if texts and not [file for file in weights if file != path]:
        for file in texts:
            try:
                content = _read(file)
            except CheckpointError:
                continue  # nothing says that it is a configuration
            if not content.keys() >= OUR_OWN and any(True for fact in FACTS for _ in stated(content, fact)):
                yield file.name, content


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

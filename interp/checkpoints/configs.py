"""Configuration beside a weights file, whatever it is called."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

from interp.checkpoints.config_names import (
    MAX_OTHERS,
    config_files,
    unused_files,
)
from interp.checkpoints.fact_names import FACTS, GENERAL
from interp.checkpoints.facts import MAX_DEPTH, disagreements, plain_value, shown, stated
from interp.checkpoints.operation_names import operation_named
from interp.checkpoints.safe import open_file, read_json, said_by
from interp.checkpoints.setting_values import activation_named, names_in, number_named
from interp.errors import CheckpointError

MAX_TEXT = 2**17  # bytes of a YAML or TOML file
MAX_BRACKETS = 100  # of a YAML file, in one another: PyYAML's time grows with their square
MAX_ALIASES = 8  # repetitions in a YAML file, each of which may double it
MAX_LISTED = 6  # settings or files that a note names
OUR_OWN = {"made_by", "reading"}  # names in a report of an audit, which is no configuration


def settings_beside(path: Path) -> tuple[dict[str, Any], list[str]]:
    """The settings in the configuration files of a weights file, and notes of which were read, disagree or cannot be.

    `interp.checkpoints.config_names.config_files` says which belong to it; the nearer one decides. Of the others those
    count that state a known setting, if none belongs to it; what cannot be read of these is passed over with a note.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, "config_7f.json").write_text('{"p": 59}')
        ...     _ = Path(folder, "hparams.yaml").write_text("p: 97\\nact_fn: relu")
        ...     settings, notes = settings_beside(Path(folder, "model_7f.pt"))
        >>> settings
        {'p': 59, 'act_fn': 'relu'}
        >>> notes[0]
        "settings: 'config_7f.json' beside the file says p=59"
        >>> notes[2]
        "'config_7f.json' says p=59, 'hparams.yaml' 97; the first is used"
    """
    place = _placed(path)
    contents: dict[str, Mapping[str, Any]] = {}
    notes: list[str] = []
    near, others = config_files(place, _names)
    for file in near:
        try:
            own = _read(file)
        except CheckpointError as error:
            notes.append(f"passed over a file beside it: {error}")
            continue
        if not own.keys() >= OUR_OWN:
            weak = file.parent == place.parent.parent and _general(own)
            contents[os.path.relpath(file, place.parent)] = _readable(file.name, own, notes) if weak else own
    if not contents:
        known = {file.name: one for file in others if (one := _known(file)) is not None}
        contents = {name: _readable(name, one, notes) for name, one in known.items()}
    merged: dict[str, Any] = {}
    for content in reversed(contents.values()):
        merged = _merged(content, merged)
    for name, content in contents.items():
        facts = ", ".join(shown(*one) for one in _facts(content)[:MAX_LISTED])
        notes.append(f"settings: {name!r} beside the file" + (f" says {facts}" if facts else ""))
    used = [*near, *(file for file in others if file.name in contents)]
    notes += _unused(place, used)
    return merged, notes + disagreements({repr(name): content for name, content in contents.items()})


def _unused(path: Path, used: list[Path]) -> list[str]:
    """A note of files beside the weights that state facts and are not used, as they may be of another run."""
    files = unused_files(path, _names(path.parent), used)
    known = {file.name: one for file in files[:MAX_OTHERS] if (one := _known(file)) is not None}
    listed = [f"{name!r} ({shown(*_facts(one)[0])})" for name, one in list(known.items())[:MAX_LISTED]]
    more = len(known) - len(listed) + max(0, len(files) - MAX_OTHERS)
    if not listed:
        return []
    return [
        f"not used, as nothing says that they belong to {path.name!r}: {', '.join(listed)}"
        + (f" and {more} more" if more else "")
    ]


def _facts(content: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The settings that state a fact."""
    return [one for fact in FACTS for one in stated(content, fact)]


def _general(content: Mapping[str, Any]) -> bool:
    """True for settings that state facts only under names that are used for other things too."""
    return all(name.rpartition(".")[2] in GENERAL for name, _ in _facts(content))


def _readable(name: str, content: Mapping[str, Any], notes: list[str]) -> Mapping[str, Any]:
    """The settings of a file that nothing says is a configuration, without those that could not be read."""
    from interp.models import ACTIVATIONS  # loads PyTorch, which planning a job does without

    passed: dict[str, Any] = {}
    known: dict[str, str | None] = {}
    for place, value in (one for fact in ("operation", "task") for one in stated(content, fact)):
        operations = {operation_named(text)[0] for text in names_in(value) or [""]}
        if len(operations) == 1 and None not in operations:
            known[place] = next(iter(operations))
        else:
            passed[place] = value
    if len(set(known.values())) > 1:
        passed |= known
    for place, value in stated(content, "activation"):
        if activation_named(value) not in ACTIVATIONS:
            passed[place] = value
    for place, value in stated(content, "attn_coeff"):
        if not 0 <= (-1 if (number := number_named(value)) is None else number) <= 1:
            passed[place] = value
    if passed:
        listed = ", ".join(shown(*one) for one in list(passed.items())[:MAX_LISTED])
        notes.append(f"passed over in {name!r}, which may be no configuration of a network: {listed}")
    return _overlaid({}, content, set(passed), set())


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of both. A fact that the first one states, under whatever name, is stated by it alone.

    Operations under different names all stay, as two of them are an error.
    """
    own = {fact for fact in FACTS if any(True for _ in stated(first, fact))}
    dropped = {place for fact in own - {"operation", "task"} for place, _ in stated(second, fact)}
    kept = {place for fact in FACTS.keys() - own for place, _ in stated(second, fact)}
    return _overlaid(first, second, dropped - kept, kept)


def _overlaid(
    first: Mapping[str, Any], second: Mapping[str, Any], dropped: set[str], kept: set[str], at: str = ""
) -> dict[str, Any]:
    """Both, the first one's values where both have them; of the second some are dropped, and some kept anyway."""
    result = {}
    for name in dict.fromkeys((*first, *second)):
        place = f"{at}{name}"
        mine, other = plain_value(first.get(name)), plain_value(second.get(name))
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

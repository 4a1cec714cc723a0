"""Objects of other people's classes in a pickle, such as parsed arguments, as the plain data in them.

No class of a file is imported: a stand-in of its name keeps the fields that the pickle gives it, and does nothing.
"""

from __future__ import annotations

import re
import sys
from collections import OrderedDict
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
from torch import Tensor

PATHS = re.compile(r"pathlib(?:\._local)?\.(?:Pure)?(?:Posix|Windows)?Path")
DATES = ("datetime.datetime", "datetime.date", "datetime.timedelta")
EMPTY = ("types.SimpleNamespace", "collections.defaultdict")
SETS = ("builtins.set", "builtins.frozenset")
SETTINGS = re.compile(r"hyper_?param|hparams|config|cfg|args|settings|callbacks")
MODULES = "torch.nn.modules."
RESERVED = ("torch.", "numpy.", "_codecs.")


class Fields:
    """The values that a pickle makes an object of, and the fields that it gives it."""

    origin = ""

    def __init__(self, *given: Any) -> None:
        self.given, self.fields = given, dict[Any, Any]()

    def __new__(cls, *_: Any) -> Fields:
        stand_in = super().__new__(cls)
        stand_in.given, stand_in.fields = (), {}  # for a pickle that makes it without its constructor
        return stand_in

    given: tuple[Any, ...]
    fields: dict[Any, Any]

    def __setstate__(self, state: Any) -> None:
        """Keep the fields of a state: a dictionary, or one of attributes and one of slots."""
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                self.fields.update(part)


class Items:
    """A dictionary of a class of its own, as an ordinary one."""

    origin = ""

    def __new__(cls, *_: Any) -> Any:
        return OrderedDict()


def stand_ins(names: Iterable[str], mappings: Collection[str]) -> list[tuple[type, str]]:
    """A class for each name that a pickle has, as `torch.serialization.safe_globals` takes them.

    Args:
        names: Functions and classes.
        mappings: Those of them that the pickle gives items.
    """
    return [
        (type(name.rpartition(".")[2], (Items if name in mappings else Fields,), {"origin": name}), name)
        for name in names
    ]


def may_stand(name: str, given: Any, *, new: bool) -> bool:
    """True if a call in a pickle makes an object whose plain data a stand-in can keep.

    Args:
        name: The class.
        given: What the pickle calls it with, as a walk sees it.
        new: Whether it is made without its constructor, as objects of most classes are.

    Example:
        >>> may_stand("argparse.Namespace", (), new=True), may_stand("os.system", ("rm",), new=False)
        (True, False)
    """
    reserved = name.startswith(RESERVED) and not (new and name.startswith(MODULES))
    if reserved or not isinstance(given, tuple):
        return False
    if new:
        return not given
    literals = all(isinstance(value, str | int | float) for value in given)
    if name in (*DATES, *SETS):
        return len(given) <= 3
    if name in EMPTY:
        return not given or (len(given) == 1 and isinstance(given[0], str))
    enumeration = len(given) == 1 and name.partition(".")[0] not in sys.stdlib_module_names
    return literals and (enumeration or bool(PATHS.fullmatch(name)))


def plain(content: Any) -> Any:
    """The content with plain data for stand-ins: dictionaries of their fields, texts for paths and classes' names.

    Objects with tensors among a run's settings, such as a loss or a copy of the network, stay stand-ins.

    Raises:
        ForeignObjects: Elsewhere an object holds tensors, such as the whole network, or the content itself is one.
        ValueError: It is nested too deeply.
    """
    try:
        return _plain(content, {}, _holders(content))
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


class ForeignObjects(ValueError):
    """Objects of classes, whose names are the arguments, without whose code a content makes no sense."""


def _holders(content: Any) -> set[int]:
    """Ids of the objects that hold tensors, which only settings may."""
    holds: dict[int, bool] = {}
    _ = _holds(content, holds)
    outside = content
    if isinstance(content, dict):
        outside = [value for name, value in content.items() if not SETTINGS.search(str(name).lower())]
    known, waiting, objects = set[int](), [outside], dict[str, None]()
    while waiting:
        value = waiting.pop()
        if isinstance(value, Fields) and (holds[id(value)] or value is content):
            objects[value.origin] = None
        elif isinstance(value, dict | list | tuple) and id(value) not in known:
            known.add(id(value))
            waiting += value.values() if isinstance(value, dict) else value
    if objects:
        raise ForeignObjects(*objects)
    return {key for key, tensors in holds.items() if tensors}


def _holds(value: Any, known: dict[int, bool]) -> bool:
    """True if there is a tensor anywhere in a value; `known` gets the answer for everything in it."""
    if isinstance(value, Tensor | np.ndarray):
        return True
    if not isinstance(value, dict | list | tuple | Fields):
        return False
    if id(value) not in known:
        known[id(value)] = False
        items = value.fields if isinstance(value, Fields) else value
        inner = items.values() if isinstance(items, dict) else items
        known[id(value)] = sum(_holds(item, known) for item in inner) > 0  # of all, so that each is known
    return known[id(value)]


def _plain(value: Any, known: dict[int, Any], holders: Collection[int]) -> Any:
    if isinstance(value, type) and issubclass(value, Fields | Items):
        return value.origin
    if not isinstance(value, dict | list | tuple | set | frozenset | Fields):
        return value
    if id(value) in known:
        return known[id(value)]
    if isinstance(value, tuple | set | frozenset):
        known[id(value)] = result = type(value)(_plain(item, known, holders) for item in value)
        return result
    if isinstance(value, Fields):
        return value if id(value) in holders else _fields(value, known, holders)
    known[id(value)] = value
    for key in value if isinstance(value, dict) else range(len(value)):
        value[key] = _plain(value[key], known, holders)
    return value


def _fields(value: Fields, known: dict[int, Any], holders: Collection[int]) -> Any:
    if PATHS.fullmatch(value.origin):
        return "/".join(map(str, value.given))
    if value.origin in DATES:
        return value.origin
    for inner in ("_content", "_val"):  # OmegaConf's nodes, which hold their parents too
        if inner in value.fields:
            return _plain(value.fields[inner], known, holders)
    if len(value.given) == 1 and not isinstance(value.given[0], type):
        return value.given[0]  # a member of an enumeration, by its value
    result: dict[Any, Any] = {}
    known[id(value)] = result
    for key, item in value.fields.items():
        if not str(key).startswith("_"):
            result[key] = _plain(item, known, holders)
    return result

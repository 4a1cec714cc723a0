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
        (type("StandIn", (Items if name in mappings else Fields,), {"origin": name}), name) for name in names
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
    if name.startswith(RESERVED) or not isinstance(given, tuple):
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


def tensors_in_objects(content: Any) -> list[str]:
    """The classes of objects that have tensors in their fields, such as a whole network."""
    holders: dict[str, None] = {}
    waiting: list[tuple[Any, str]] = [(content, "")]
    seen: set[tuple[int, str]] = set()
    while waiting:
        value, owner = waiting.pop()
        if isinstance(value, Tensor | np.ndarray):
            if owner:
                holders[owner] = None
        elif isinstance(value, dict | list | tuple | Fields) and (id(value), owner) not in seen:
            seen.add((id(value), owner))
            if isinstance(value, Fields):
                waiting += [(item, owner or value.origin) for item in value.fields.values()]
            else:
                waiting += [(item, owner) for item in (value.values() if isinstance(value, dict) else value)]
    return list(holders)


def plain(content: Any) -> Any:
    """The content with plain data for stand-ins: dictionaries of their fields, texts for paths and classes' names.

    Raises:
        ValueError: It is nested too deeply.
    """
    try:
        return _plain(content, {})
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


def _plain(value: Any, known: dict[int, Any]) -> Any:
    if isinstance(value, type) and issubclass(value, Fields | Items):
        return value.origin
    if not isinstance(value, dict | list | tuple | set | frozenset | Fields):
        return value
    if id(value) in known:
        return known[id(value)]
    if isinstance(value, tuple | set | frozenset):
        known[id(value)] = result = type(value)(_plain(item, known) for item in value)
        return result
    if isinstance(value, Fields):
        return _fields(value, known)
    known[id(value)] = value
    for key in value if isinstance(value, dict) else range(len(value)):
        value[key] = _plain(value[key], known)
    return value


def _fields(value: Fields, known: dict[int, Any]) -> Any:
    if PATHS.fullmatch(value.origin):
        return "/".join(map(str, value.given))
    if value.origin in DATES:
        return value.origin
    for inner in ("_content", "_val"):  # OmegaConf's nodes, which hold their parents too
        if inner in value.fields:
            return _plain(value.fields[inner], known)
    if len(value.given) == 1 and not isinstance(value.given[0], type):
        return value.given[0]  # a member of an enumeration, by its value
    result: dict[Any, Any] = {}
    known[id(value)] = result
    for key, item in value.fields.items():
        if not str(key).startswith("_"):
            result[key] = _plain(item, known)
    return result

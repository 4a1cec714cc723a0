"""Public names of the packages, and where each is defined."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import interp
import probes

STUBBED = (
    "interp",
    *(f"interp.{name}" for name in ("jobs", "training", "lab", "checkpoints", "models", "data")),
)
"""Packages whose names a ``__init__.pyi`` lists; the names of the first one are used most."""


@cache
def public() -> dict[str, str]:
    """Public names, such as ``interp.score``, each with where it is defined, such as ``interp.subject.score``."""
    names: dict[str, str] = {}
    for name, place in exported().items():
        if place not in names.values():
            names[name] = place
    return names


@cache
def exported() -> dict[str, str]:
    """The same, with every package that has the name."""
    names = {f"{package}.{name}": place for package in STUBBED for name, place in _stub(package).items()}
    return names | {f"probes.{name}": _place(getattr(probes, name)) for name in probes.__all__}


def _stub(package: str) -> dict[str, str]:
    module = import_module(package)
    tree = ast.parse(Path(str(module.__file__)).with_suffix(".pyi").read_text(encoding="utf-8"))
    names = {}
    for node in tree.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            value = getattr(module, alias.name)
            own = inspect.isclass(value) or inspect.isfunction(value)
            names[alias.name] = _place(value) if own else f"{package}.{node.module}.{alias.name}"
    return names


def _place(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def value_at(place: str) -> Any:
    """The object that is defined there."""
    module, _, name = place.rpartition(".")
    return getattr(import_module(module), name)


def results(place: str) -> Iterator[str]:
    """Where the classes of the packages are defined that a function returns.

    Args:
        place: Of the function; for anything else there are none.
    """
    module, value = place.rpartition(".")[0], value_at(place)
    if not inspect.isfunction(value):
        return
    known = vars(sys.modules[module]) | _imported_for_types(module)
    for word in re.findall(r"[A-Za-z_]\w*", str(inspect.signature(value).return_annotation)):
        kind = known.get(word)
        if inspect.isclass(kind) and kind.__module__.split(".")[0] in (interp.__name__, probes.__name__):
            yield _place(kind)


def _imported_for_types(module: str) -> dict[str, Any]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {
        alias.asname or alias.name: getattr(import_module(node.module), alias.name)
        for branch in tree.body
        if isinstance(branch, ast.If)
        for node in branch.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }

"""Names that documents and scripts use of the packages, and whether they exist."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from typing import Any

PACKAGES = ("interp", "probes")


def names_in(source: str) -> Iterator[str]:
    """Dotted names of the packages that some Python code uses or imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute) and re.match(
            r"(interp|probes)\.[\w.]+$", dotted := ast.unparse(node)
        ):
            yield dotted


def resolve(name: str) -> Any:
    """The object of that dotted name.

    Raises:
        AttributeError, ModuleNotFoundError: There is none.
    """
    first, *rest = name.split(".")
    value: Any = importlib.import_module(first)
    for i, part in enumerate(rest):
        if not hasattr(value, part):
            importlib.import_module(".".join([first, *rest[: i + 1]]))
        value = getattr(value, part)
    return value

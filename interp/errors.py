"""The exceptions a user can meet. Each names the thing, its value, what was expected and a likely fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class GrokscopeError(Exception):
    """Something the caller can put right; the command line prints it without a traceback and exits with 2."""


class ConfigError(GrokscopeError):
    """A setting has a value that cannot work."""


class CheckpointError(GrokscopeError):
    """A file is not a checkpoint that can be opened, or does not fit what it is loaded into."""


class HookNameError(GrokscopeError):
    """A hook name or site that the model does not have."""


class InterventionError(GrokscopeError):
    """An intervention that cannot be applied where it was asked for."""


class ExpressionError(GrokscopeError):
    """A formula that does not parse, or names something that does not exist."""


def near_matches(name: str, known: Iterable[str], *, listed: int = 8) -> str:
    """Say which known names resemble `name`, or else list the first of them.

    Returns:
        A clause that ends an error message, for example ``did you mean 'test'?``.

    Example:
        >>> near_matches("tset", ["train", "test"])
        "did you mean 'test'?"
    """
    names = list(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(map(repr, close)) + "?"
    more = f" and {len(names) - listed} more" if len(names) > listed else ""
    return "it has " + (", ".join(map(repr, names[:listed])) + more if names else "none")


def choose(kind: str, value: Any, known: Iterable[str]) -> str:
    """Return `value` if it is one of `known`, else raise a `ConfigError` that lists what exists."""
    names = list(known)
    if value not in names:
        raise ConfigError(f"unknown {kind} {cut(value)}; expected one of {', '.join(map(repr, names))}")
    return value


def cut(value: Any, most: int = 80) -> str:
    """A value as messages show it, at most so many characters of it.

    Example:
        >>> cut("a" * 100, 10)
        "'aaaaaaaaa…"
    """
    try:
        text = repr(value)
    except ValueError:  # a number with more digits than Python writes
        text = f"a {type(value).__name__} with too many digits"
    return text if len(text) <= most else f"{text[:most]}…"

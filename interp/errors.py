"""The exceptions a user can meet. Each names the thing, its value, what was expected and a likely fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

LONGEST = 2_000
"""Characters of a message: values in it come from files, and may have millions."""


class GrokscopeError(Exception):
    """Something the caller can put right; the command line prints it without a traceback and exits with 2.

    Example:
        >>> len(str(GrokscopeError("unknown name " + "x" * 10**6 + "; expected a")))
        2001
    """

    def __str__(self) -> str:
        return shortened(super().__str__())


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


def shortened(message: str) -> str:
    """A message without its middle if it is too long: its end says what was expected."""
    half = LONGEST // 2
    return message if len(message) <= LONGEST else f"{message[:half]}…{message[-half:]}"


def near_matches(name: str, known: Iterable[str], *, listed: int = 8, owner: str = "it") -> str:
    """Say which known names resemble `name`, or else list the first of those that the owner has.

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
    return f"{owner} has " + (", ".join(map(repr, names[:listed])) + more if names else "none")


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

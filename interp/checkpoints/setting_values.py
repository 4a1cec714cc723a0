"""Values of settings: names, activation functions and numbers, in the forms in which files hold them."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

_NAME_KEYS = ("name", "type", "kind", "class", "values", "_target_", "class_path")
"""Of an object that stands for an operation, where its name is; the last two hold the place of a class."""
_SPELLINGS = {"quad": "square", "quadratic": "square", "x^2": "square", "x**2": "square", "swish": "silu"}


def names_in(value: Any) -> list[str] | None:
    """The texts that a setting's value gives as names: itself, those of a list, or the name in an object; else None.

    Example:
        >>> names_in({"_target_": "tasks.Subtract"}), names_in({"values": ["add", "mul"]}), names_in({"order": 11})
        (['Subtract'], ['add', 'mul'], None)
    """
    if isinstance(value, dict):
        key = next((key for key in _NAME_KEYS if value.get(key) is not None), "name")
        value = value.get(key)
        if key in _NAME_KEYS[-2:] and isinstance(value, str):
            value = value.rpartition(".")[2]
    texts = value if isinstance(value, list) else [value]
    return texts if texts and all(isinstance(text, str) for text in texts) else None


def activation_named(value: Any) -> str | None:
    """The activation function that a setting names, without its place or brackets; None if it holds no name.

    Example:
        >>> [activation_named(value) for value in ("torch.nn.ReLU()", {"name": "quad"}, "gelu_new", 1)]
        ['relu', 'square', 'gelu_new', None]
    """
    texts = names_in(value)
    if texts is None or len(texts) != 1:
        return None
    name = re.sub(r"\(.*\)$|^<class '|'>$", "", texts[0].strip()).lower()
    return _SPELLINGS.get(name, name.rpartition(".")[2])


def number_named(value: Any) -> float | None:
    """A number, also one that is written as a text; else None.

    Example:
        >>> number_named("0.5"), number_named(True), number_named([1])
        (0.5, None, None)
    """
    with suppress(ValueError):
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            return float(value)
    return None


def whole_number(value: Any) -> int | None:
    """A whole number of 1 or more, also one that is written as a text; else None."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        value = int(value)
    return value if type(value) is int and value > 0 else None

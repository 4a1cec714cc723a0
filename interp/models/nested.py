"""Tensors inside the tuples, mappings and dataclasses that modules take and give."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

Keys = tuple[str | int, ...]
"""Indices, keys and attributes that lead to something inside nested containers, from the outermost one."""


def keys_text(keys: Keys) -> str:
    """Keys as they are written after ``input`` or ``output``, for example ``[1].hidden``."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)


def tensors_in(value: Any) -> Iterator[tuple[Keys, Tensor]]:
    """Every tensor in nested containers, with the keys that lead to it.

    Example:
        >>> import torch
        >>> [keys for keys, _ in tensors_in({"a": torch.zeros(1), "b": (None, torch.zeros(1))})]
        [('a',), ('b', 1)]
    """
    if isinstance(value, Tensor):
        yield (), value
        return
    items: Any = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, (tuple, list)):
        items = enumerate(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        items = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    for key, inner in items:
        yield from (((key, *keys), tensor) for keys, tensor in tensors_in(inner))


def keys_of_tensor(value: Any, keys: Keys) -> Keys | None:
    """The keys of the first tensor at or inside of what `keys` lead to, with indices from 0; None if there is none."""
    if not keys:
        return next((keys for keys, _ in tensors_in(value)), None)
    key = _own_key(value, keys[0])
    rest = None if key is None else keys_of_tensor(item_at(value, (key,)), keys[1:])
    return None if key is None or rest is None else (key, *rest)


def _own_key(value: Any, key: str | int) -> str | int | None:
    """The key under which a container itself holds an item; None if it does not."""
    if isinstance(value, Mapping):
        names = list(value)
        if key in value or not isinstance(key, int):
            return key if key in value else None
        return names[key] if -len(names) <= key < len(names) else None
    if isinstance(value, (tuple, list)):
        fields = getattr(value, "_fields", ())  # of a named tuple
        index = key if isinstance(key, int) else fields.index(key) if key in fields else None
        return None if index is None or not -len(value) <= index < len(value) else index % len(value)
    return key if isinstance(key, str) and hasattr(value, key) else None


def item_at(value: Any, keys: Keys) -> Any:
    """The item that keys lead to."""
    for key in keys:
        held = isinstance(value, (Mapping, tuple, list))
        value = value[key] if held else getattr(value, str(key))
    return value


def with_item(value: Any, keys: Keys, item: Any) -> Any:
    """A copy of nested containers with another item under `keys`; the rest is shared, kinds are kept.

    Example:
        >>> with_item((1, {"a": 2}), (1, "a"), 3)
        (1, {'a': 3})
    """
    if not keys:
        return item
    key, inner = keys[0], with_item(item_at(value, keys[:1]), keys[1:], item)
    if isinstance(value, (tuple, list)):
        items = list(value)
        items[int(key)] = inner
        return getattr(type(value), "_make", type(value))(items)
    twin = copy.copy(value)
    if isinstance(twin, Mapping):
        twin[key] = inner  # type: ignore[index]
    else:
        object.__setattr__(twin, str(key), inner)  # a dataclass may be frozen
    return twin

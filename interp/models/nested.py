"""Tensors inside the tuples, mappings and dataclasses that modules take and give."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from interp.errors import ConfigError

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


def logits_in(output: Any, readout: int, n_outputs: int | None) -> Float[Tensor, "example output"]:
    """Logits from whatever a network returns: a tensor, ``.logits``, a first element or ``.last_hidden_state``.

    Of positions as a second axis those at `readout` count; the first `n_outputs` are classes, all if None.

    Raises:
        ConfigError: It holds none of these, or the shape cannot be logits.

    Example:
        >>> import torch
        >>> logits_in({"loss": 0.0, "logits": torch.zeros(2, 5, 9)}, -1, 4).shape
        torch.Size([2, 4])
    """
    plain = isinstance(output, (Tensor, tuple, list))
    places: tuple[Keys, ...] = (("logits",), () if plain else ("last_hidden_state",))
    keys = next((keys for place in places if (keys := keys_of_tensor(output, place)) is not None), None)
    if keys is None:
        parts = ", ".join(keys_text(keys) for keys, _ in tensors_in(output)) or "no tensors"
        raise ConfigError(
            f"the network returns a {type(output).__name__} with {parts}; expected logits. "
            "Pass forward=lambda module, inputs: … that returns them"
        )
    logits = item_at(output, keys)
    if logits.ndim == 3 and not -logits.shape[1] <= readout < logits.shape[1]:
        raise ConfigError(f"readout={readout} is none of the output's {logits.shape[1]} positions")
    logits = at_position(logits, readout)
    if logits.ndim != 2 or (n_outputs or 0) > logits.shape[1]:
        wanted = "output" if n_outputs is None else f"at least {n_outputs} outputs"
        raise ConfigError(
            f"the network's output has shape {tuple(logits.shape)}; expected (example, {wanted}), or also positions "
            "as a second axis. Pass forward=lambda module, inputs: … that returns that"
        )
    return logits[:, :n_outputs]


def at_position(values: Tensor, position: int) -> Tensor:
    """One position of ``(example, position, …)``; values without positions as they are."""
    return values[:, position] if values.ndim == 3 else values

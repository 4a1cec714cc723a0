"""State that a network keeps between calls: its buffers, and tensors and numbers among its attributes."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

PLAIN = (type(None), bool, int, float)
_OF_MODULES = {*vars(nn.Module()), "training"}


@dataclass(frozen=True, eq=False)
class _Kept:
    """A tensor and a copy, so that what was changed in place is seen and put back.

    Numbers are compared, as a tensor's version does not count what is changed through its ``data``.
    """

    tensor: Tensor
    copy: Tensor

    @classmethod
    def of(cls, tensor: Tensor) -> _Kept:
        return cls(tensor, tensor.detach().clone())

    def same(self, tensor: Any) -> bool:
        """True if this tensor still stands there, or another one with the same numbers."""
        if not isinstance(tensor, Tensor) or _kind(tensor) != _kind(self.copy):
            return False
        return torch.equal(tensor, self.copy) or _equal_with_nan(tensor, self.copy)

    def restored(self) -> Tensor:
        """The same tensor, with its numbers."""
        if not self.same(self.tensor):
            tracked = self.tensor.requires_grad or self.tensor.grad_fn is not None
            if tracked or self.tensor.is_inference() or _kind(self.tensor) != _kind(self.copy):
                return self.copy
            with torch.no_grad():
                self.tensor.copy_(self.copy)
        return self.tensor


def _kind(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.shape, tensor.dtype, tensor.device


def _equal_with_nan(one: Tensor, other: Tensor) -> bool:
    """True if two tensors hold the same numbers, of which some are none."""
    return bool(((one == other) | ((one != one) & (other != other))).all())


@dataclass(frozen=True, eq=False)
class CarriedState:
    """The state of a network at one time.

    Example:
        >>> class Counter(nn.Module):
        ...     calls = 0
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.memory = None
        ...     def forward(self, x):
        ...         self.memory = x
        >>> counter = Counter()
        >>> before = CarriedState.of(counter)
        >>> counter(torch.ones(2))
        >>> before.changed(counter)
        ['memory']
        >>> before.restore(counter)
        >>> print(counter.memory)
        None
    """

    modules: dict[str, tuple[dict[str, Any], ...]]

    @classmethod
    def of(cls, module: nn.Module) -> CarriedState:
        """The present state of a network and all its submodules."""
        inner = {name: one for name, one in module.named_modules() if not _lazy(one)}
        return cls({name: tuple(map(_noted, _places(one))) for name, one in inner.items()})

    def changed(self, module: nn.Module) -> list[str]:
        """Names of what is now another."""
        names = []
        for path, inner in module.named_modules():
            for old, new in zip(self.modules.get(path, ()), _places(inner), strict=False):
                names += [f"{path}.{key}" if path else key for key in _changed(old, new)]
        return names

    def restore(self, module: nn.Module) -> None:
        """Put the state back; objects that are unchanged stay the same."""
        for path, inner in module.named_modules():
            if path not in self.modules:
                continue
            places: tuple[dict[str, Any], ...] = (inner._buffers, inner.__dict__)
            for place, old, new in zip(places, self.modules[path], _places(inner), strict=True):
                for name in _changed(old, new):
                    if name in old:
                        place[name] = _restored(old[name])
                    else:
                        del place[name]


def _lazy(module: nn.Module) -> bool:
    """True for a module that gets its shape, and attributes of it, when it first runs."""
    return isinstance(module, nn.modules.lazy.LazyModuleMixin)


def _changed(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Names whose values differ from the noted ones, or that are only in one of two states."""
    both = dict.fromkeys([*old, *new])
    return [name for name in both if not (name in old and name in new and _same(old[name], new[name]))]


def _places(module: nn.Module) -> tuple[dict[str, Any], dict[str, Any]]:
    """Buffers and attributes that may be state, as they are."""
    own = {name: value for name, value in vars(module).items() if name not in _OF_MODULES}
    return dict(module._buffers), {name: value for name, value in own.items() if _may_be_state(value)}


def _may_be_state(value: Any) -> bool:
    """True for tensors and numbers, and for lists, tuples and dictionaries of them."""
    if isinstance(value, (*PLAIN, Tensor)):
        return not isinstance(value, nn.Parameter)
    if isinstance(value, (list, tuple, deque)):
        return all(map(_may_be_state, value))
    return isinstance(value, dict) and all(map(_may_be_state, value.values()))


def _mapped(value: Any, change: Any) -> Any:
    """A container like this one with every tensor changed."""
    if isinstance(value, (Tensor, _Kept)):
        return change(value)
    if isinstance(value, dict):
        twin = copy.copy(value)
        twin.update({key: _mapped(one, change) for key, one in value.items()})
        return twin
    if isinstance(value, deque):
        return deque((_mapped(one, change) for one in value), value.maxlen)
    if isinstance(value, (list, tuple)):
        items = [_mapped(one, change) for one in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def _noted(value: Any) -> Any:
    return _mapped(value, _Kept.of)


def _restored(value: Any) -> Any:
    return _mapped(value, _Kept.restored)


def _same(old: Any, new: Any) -> bool:
    """True if a value is like a noted one."""
    if isinstance(old, _Kept):
        return old.same(new)
    if type(old) is not type(new):
        return False
    if isinstance(old, dict):
        return old.keys() == new.keys() and all(_same(old[key], new[key]) for key in old)
    if isinstance(old, (list, tuple, deque)):
        return len(old) == len(new) and all(map(_same, old, new))
    return bool(old == new or (old != old and new != new))


@contextmanager
def kept_state(module: nn.Module) -> Iterator[CarriedState]:
    """The state at the beginning of the block, which is put back at its end."""
    state = CarriedState.of(module)
    try:
        yield state
    finally:
        state.restore(module)

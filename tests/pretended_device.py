"""A pretended GPU: tensors that say that they are elsewhere, compute on the processor, and refuse what a GPU refuses.

Whatever mixes them with tensors of the processor, or reads them as an array without a copy, raises as on a real device.
They call themselves ``meta``, as PyTorch lets no build without a GPU name one; asked for is ``cuda``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map, tree_map_only

DEVICE, PROCESSOR = torch.device("meta"), torch.device("cpu")
MIXING = ("aten::index", "aten::_index_put", "aten::_unsafe_index", "aten::copy_", "aten::_to_copy")
"""Beginnings of the names of operations that take indices or a source from another device."""
MODULE_TO = nn.Module.to


class Pretended(torch.Tensor):
    """A tensor on the pretended device around one of the processor, which holds its numbers."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Pretended:
        sizes = held.shape, held.stride(), held.storage_offset()
        own = torch.Tensor._make_wrapper_subclass(cls, *sizes, dtype=held.dtype, device=DEVICE)
        own.held = held.detach()
        return own

    def __repr__(self) -> str:
        return f"Pretended({self.held!r})"

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(operation, args, kwargs or {})


def _computed(operation: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """An operation's result, on the device of its tensors or on that which it names."""
    values = tree_flatten((args, kwargs))[0]
    inside = any(isinstance(one, Pretended) for one in values)
    foreign = [
        one for one in values if isinstance(one, Tensor) and not isinstance(one, Pretended) and one.ndim
    ]
    if any(one.device == DEVICE for one in foreign):
        raise RuntimeError("a tensor without numbers was made behind the back of the pretended device")
    name, device = operation._schema.name, kwargs.get("device")
    if inside and foreign and not name.startswith(MIXING):
        raise RuntimeError(
            f"{name}: all tensors must be on one device; one of {foreign[0].shape} is on the processor"
        )
    if name.startswith("aten::copy_") and not isinstance(args[0], Pretended):
        inside = False
    if device is not None:
        inside, kwargs = device == DEVICE, {**kwargs, "device": PROCESSOR}
    held = tree_map_only(Pretended, lambda one: one.held, (args, kwargs))
    result = operation(*held[0], **held[1])
    if name.endswith("_"):
        return args[0] if isinstance(args[0], Tensor) else None
    return tree_map(_pretend, result) if inside else result


def _pretend(value: Any) -> Any:
    return Pretended(value) if isinstance(value, Tensor) and not isinstance(value, Pretended) else value


class _Making(TorchDispatchMode):
    """Makes new tensors on the device there."""

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(operation, args, kwargs or {})


class _Naming(TorchFunctionMode):
    """Takes ``cuda`` for the pretended device."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is Tensor.tolist and isinstance(args[0], Pretended):
            return args[0].held.tolist()
        if function == Tensor.data.__set__ and isinstance(args[0], Pretended):
            args[0].held = args[1].held
            return None
        if function in (Tensor.__getitem__, Tensor.__setitem__):
            args = (args[0], _listed(args[1]), *args[2:])  # PyTorch would make lists tensors without numbers
        if function is torch.device:
            return function(*args, **(kwargs or {}))
        kwargs = {name: _named(one) for name, one in (kwargs or {}).items()}
        if function in (torch.tensor, torch.as_tensor) and kwargs.get("device") == DEVICE:
            return function(*args, **{**kwargs, "device": PROCESSOR}).to(DEVICE)
        return function(*map(_named, args), **kwargs)


def _listed(index: Any) -> Any:
    """An index with tensors for its lists and arrays."""
    if isinstance(index, tuple):
        return tuple(map(_listed, index))
    return torch.as_tensor(index) if isinstance(index, (list, np.ndarray)) else index


def _named(value: Any) -> Any:
    is_gpu = isinstance(value, (str, torch.device)) and str(value).startswith("cuda")
    return DEVICE if is_gpu else value


def _moved(module: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
    """`nn.Module.to`, which in PyTorch exchanges the numbers of parameters behind their backs."""
    devices = [_named(one) for one in (*args, *kwargs.values()) if isinstance(one, (str, torch.device))]
    if DEVICE not in devices:
        return MODULE_TO(module, *args, **kwargs)
    for part in module.modules():
        for name, own in part._parameters.items():
            if own is not None and not isinstance(own, Pretended):
                part._parameters[name] = nn.Parameter(Pretended(own.detach()), own.requires_grad)
        part._buffers |= {name: _pretend(own) for name, own in part._buffers.items()}
    return module


@contextmanager
def pretended_device() -> Iterator[None]:
    """A block in which ``cuda`` is a device that there is."""
    with (
        patch("torch.cuda.is_available", lambda: True),
        patch.object(nn.Module, "to", _moved),
        patch("torch.optim.optimizer._get_fused_kernels_supported_devices", lambda: ["meta", "cuda"]),
        _Naming(),
        _Making(),
    ):
        yield

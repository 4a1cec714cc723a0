"""Tensors that go into submodules or come out of them: their names, and hooks that can change them."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from interp.errors import HookNameError
from interp.models.complex_parts import changed_part
from interp.models.nested import Keys, item_at, keys_of_tensor, keys_text, tensors_in, with_item

_PLACE = re.compile(r"(input|output)((?:\.\w+|\[-?\d+\])*)")
_KEY = re.compile(r"\.(\w+)|\[(-?\d+)\]")


@dataclass(frozen=True)
class ModuleTensor:
    """One tensor that goes into a submodule, or comes out of it; without keys the first one there.

    Of complex numbers `part` is what is shown and changed; see `interp.models.complex_parts`.

    Example:
        >>> ModuleTensor.parse("lstm:output[1][0]"), str(ModuleTensor.parse("layer1.0.conv1"))
        (ModuleTensor(path='lstm', side='output', keys=(1, 0), part=None), 'layer1.0.conv1:output')
    """

    path: str
    side: str
    keys: Keys = ()
    part: str | None = None

    @classmethod
    def parse(cls, name: str) -> ModuleTensor:
        """Read ``PATH``, ``PATH:input`` or ``PATH:output``, followed by ``.name`` or ``[index]`` any number of times.

        Raises:
            HookNameError: The text after the colon is none of these.
        """
        path, mark, place = name.rpartition(":")
        if not mark:
            return cls(name, "output")
        match = _PLACE.fullmatch(place)
        if match is None:
            raise HookNameError(
                f"{place!r} in {name!r} is neither input nor output; write {path}:input, {path}:output, "
                f"{path}:output[1] or {path}:output.last_hidden_state"
            )
        return cls(path, match[1], tuple(key[1] or int(key[2]) for key in _KEY.finditer(match[2])))

    def __str__(self) -> str:
        return f"{self.path}:{self.side}{keys_text(self.keys)}"

    def attach(self, module: nn.Module, change: Callable[[Tensor], Tensor]) -> RemovableHandle:
        """Call `change` with the tensor whenever the submodule runs; its result takes the tensor's place.

        Raises:
            HookNameError: When the submodule runs, and there is no such tensor.
        """

        def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            given: dict[str | int, Any] = dict(enumerate(args))
            given.update(kwargs)
            keys = self.keys
            if keys and isinstance(keys[0], str) and keys[0] not in given:
                names = list(inspect.signature(module.forward).parameters)
                keys = (names.index(keys[0]), *keys[1:]) if keys[0] in names else keys
            changed = self._changed(given, keys, change)
            if changed is given:
                return None
            return tuple(changed[i] for i in range(len(args))), {k: changed[k] for k in kwargs}

        def after(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            return self._changed(output, self.keys, change)

        if self.side == "input":
            return module.register_forward_pre_hook(before, with_kwargs=True)
        return module.register_forward_hook(after)

    def _changed(self, value: Any, keys: Keys, change: Callable[[Tensor], Tensor]) -> Any:
        """`value` with its tensor changed, or the same object if `change` gave the same tensor back."""
        place = keys_of_tensor(value, keys)
        if place is None:
            names = [f"{self.path}:{self.side}{keys_text(keys)}" for keys, _ in tensors_in(value)]
            raise HookNameError(
                f"there is no tensor at {str(self)!r}; the {self.side} of {self.path!r} is a "
                f"{type(value).__name__} with {', '.join(names) or 'none'}"
            )
        tensor = item_at(value, place)
        changed = changed_part(tensor, self.part, change, str(self))
        if changed is tensor:
            return value
        places = [place]
        if self.side == "input" and not keys:  # self-attention reads one tensor as query, key and value
            places = [keys for keys, other in tensors_in(value) if other is tensor]
        for keys in places:
            value = with_item(value, keys, changed)
        return value


@contextmanager
def changing_tensors(
    module: nn.Module, tensors: Mapping[str, ModuleTensor], change: Callable[[str, Tensor], Tensor]
) -> Iterator[None]:
    """Give tensors to `change` as the network runs inside the block; its results take their places.

    No submodule is passed over: PyTorch's fused attention and compiled code are off.

    Raises:
        HookNameError: At the end, if a tensor was not reached exactly once.
    """
    runs = dict.fromkeys(tensors, 0)

    def once(name: str, tensor: Tensor) -> Tensor:
        runs[name] += 1
        return change(name, tensor) if runs[name] == 1 else tensor

    with _module_by_module(), ExitStack() as stack:
        for name, tensor in tensors.items():
            handle = tensor.attach(module.get_submodule(tensor.path), partial(once, name))
            stack.callback(handle.remove)
        yield
    for name, count in runs.items():
        path = tensors[name].path
        if count > 1:
            raise HookNameError(
                f"{path!r} runs {count} times in one forward pass: the network reuses it, so that {name!r} is not "
                "one place. Choose a submodule that runs once, such as the block around one of its uses"
            )
        if count == 0:
            raise HookNameError(
                f"{name!r} was never reached in the forward pass: {_reason_unreached(module, path)}"
            )


def _reason_unreached(module: nn.Module, path: str) -> str:
    parent, _, name = path.rpartition(".")
    if name == "out_proj" and isinstance(module.get_submodule(parent), nn.MultiheadAttention):
        return (
            "nn.MultiheadAttention multiplies by out_proj's weight without calling out_proj. "
            f"Its result is {parent + ':output'!r}"
        )
    return (
        "the network does not call this submodule on these inputs (it may be skipped, or compiled in part, or only "
        "its weights or its forward method may be used)"
    )


@contextmanager
def _module_by_module() -> Iterator[None]:
    compiled = "torch._dynamo" in sys.modules  # nothing is compiled before; functions may be, beside modules
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.compiler.set_stance("force_eager") if compiled else nullcontext():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)

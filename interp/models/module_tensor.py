"""Tensors that hooks can reach: their names, and how they are reached while the network runs."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
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
from interp.models.taps import Tap, listening
from interp.models.unrolled import State, check_state, unrolled

STATES = ("hidden", "cell")
_PLACE = re.compile(r"(input|output)((?:\.\w+|\[-?\d+\])*)|(hidden|cell)((?:\[\d{1,6}\])?(?:\.reverse)?)")
_KEY = re.compile(r"\.(\w+)|\[(-?\d+)\]")
_TAP = re.compile(r"tap:([A-Za-z_][\w.]*)(?:\[([A-Za-z_]\w*)\])?")


@dataclass(frozen=True)
class ModuleTensor:
    """One tensor of a network that hooks can reach.

    Attributes:
        path: Of a submodule; the name of a tap.
        side: ``input`` or ``output``: what goes into a submodule or comes out of it. ``hidden`` or ``cell``: a state of
            a recurrent layer. ``tap``: what a tap is given.
        keys: Of several inputs or outputs, the one; without keys it is the first. Of states the layer, and ``reverse``.
        part: Of complex numbers, what is shown and changed; see `interp.models.complex_parts`.
        unit: Of a tap, the axis whose indices are the units; ``neuron``, or else the last one, if None.

    Example:
        >>> ModuleTensor.parse("lstm:output[1][0]"), str(ModuleTensor.parse("layer1.0.conv1"))
        (ModuleTensor(path='lstm', side='output', keys=(1, 0), part=None, unit=None), 'layer1.0.conv1:output')
        >>> ModuleTensor.parse("tap:memory[slot]").unit, str(ModuleTensor.parse("rnn:hidden[1].reverse"))
        ('slot', 'rnn:hidden[1].reverse')
    """

    path: str
    side: str
    keys: Keys = ()
    part: str | None = None
    unit: str | None = None

    @classmethod
    def parse(cls, name: str) -> ModuleTensor:
        """Read a site's name.

        It is ``PATH``, ``PATH:input`` or ``PATH:output``, the last two followed by ``.name`` or ``[index]`` any number
        of times; ``PATH:hidden`` or ``PATH:cell``, followed by ``[layer]``, ``.reverse`` or both; ``tap:NAME``,
        followed by ``[axis]`` or not.

        Raises:
            HookNameError: The text after the colon is none of these.
        """
        path, mark, place = name.rpartition(":")
        if not mark:
            return cls(name, "output")
        tapped = _TAP.fullmatch(name)
        if tapped and tapped[1] not in ("input", "output"):
            return cls(tapped[1], "tap", unit=tapped[2])
        match = _PLACE.fullmatch(place)
        if match is None:
            raise HookNameError(
                f"{place!r} in {name!r} is neither input nor output; write {path}:input, {path}:output, "
                f"{path}:output[1] or {path}:output.last_hidden_state; {path}:hidden or {path}:cell for the states of "
                "a recurrent layer, or tap:NAME for a tap of yours"
            )
        keys = tuple(key[1] or int(key[2]) for key in _KEY.finditer(match[2] or match[4] or ""))
        return cls(path, match[1] or match[3], keys)

    def __str__(self) -> str:
        if self.side == "tap":
            return f"tap:{self.path}{f'[{self.unit}]' if self.unit else ''}"
        return f"{self.path}:{self.side}{keys_text(self.keys)}"

    @property
    def of_module(self) -> bool:
        """True for a submodule's input or output."""
        return self.side in ("input", "output")

    def state_of(self, layer: nn.Module) -> State:
        """The state of a recurrent layer that is meant, the last layer's if none was named.

        Raises:
            ConfigError: It has no such state.
        """
        number = next((key for key in self.keys if isinstance(key, int)), getattr(layer, "num_layers", 1) - 1)
        state = State(self.side, number, "reverse" in self.keys)
        check_state(layer, state)
        return state

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


@dataclass(frozen=True)
class Passage:
    """One passage of a tensor: the step of its loop, if it is in one, and the tap that it passes, if it is one."""

    step: int | None = None
    tap: Tap | None = None


PassageChange = Callable[[str, Tensor, Passage], Tensor]
"""From a site's name, its tensor and the passage to the tensor that takes its place."""


@contextmanager
def changing_tensors(
    module: nn.Module, tensors: Mapping[str, ModuleTensor], change: PassageChange, loops: Collection[str] = ()
) -> Iterator[None]:
    """Give tensors to `change` as the network runs inside the block; its results take their places.

    No submodule is passed over: PyTorch's fused attention and compiled code are off, and recurrent layers whose states
    are named run step by step.

    Args:
        loops: Sites at submodules that run once a step, instead of once.

    Raises:
        HookNameError: At the end, if a tensor was not reached, or more often than once though it is in no loop.
    """
    runs, taps = dict.fromkeys(tensors, 0), dict[str, Tap]()
    by_layer: dict[str, list[str]] = {}

    def of_module(name: str, tensor: Tensor) -> Tensor:
        runs[name] += 1
        if name in loops:
            return change(name, tensor, Passage(runs[name] - 1))
        return change(name, tensor, Passage()) if runs[name] == 1 else tensor

    def of_state(path: str, state: State, step: int, tensor: Tensor) -> Tensor:
        for name in by_layer[path]:
            if tensors[name].state_of(module.get_submodule(path)) == state:
                runs[name] += 1
                tensor = change(name, tensor, Passage(step))
        return tensor

    def of_tap(tap: Tap, tensor: Tensor) -> Tensor:
        for name, one in tensors.items():
            if one.side == "tap" and one.path == tap.name:
                if taps.setdefault(name, tap) != tap:
                    raise HookNameError(
                        f"two taps are called {tap.name!r} and differ in axes or loop; give each a name"
                    )
                runs[name] += 1
                tensor = change(name, tensor, Passage(runs[name] - 1 if tap.loop else None, tap))
        return tensor

    with _module_by_module(), ExitStack() as stack:
        for name, one in tensors.items():
            if one.of_module:
                handle = one.attach(module.get_submodule(one.path), partial(of_module, name))
                stack.callback(handle.remove)
            elif one.side in STATES:
                by_layer.setdefault(one.path, []).append(name)
        for path in by_layer:
            layer: Any = module.get_submodule(path)
            stack.enter_context(unrolled(layer, partial(of_state, path)))
        if any(one.side == "tap" for one in tensors.values()):
            stack.enter_context(listening(of_tap))
        yield
    for name, count in runs.items():
        looped = name in loops or tensors[name].side in STATES or (name in taps and taps[name].loop)
        if count != 1 and not (count and looped):
            _refuse_count(module, name, tensors[name], count)


def _refuse_count(module: nn.Module, name: str, tensor: ModuleTensor, count: int) -> None:
    """Raise a `HookNameError` that says why a tensor was not reached exactly once."""
    if count == 0:
        reason = (
            f"the network ran and called no tap of the name {tensor.path!r}; write "
            f"h = interp.tap({tensor.path!r}, h) where it arises, in what is run"
            if tensor.side == "tap"
            else _reason_unreached(module, tensor.path)
        )
        raise HookNameError(f"{name!r} was never reached in the forward pass: {reason}")
    if tensor.side == "tap":
        raise HookNameError(
            f"the tap {tensor.path!r} is called {count} times in one forward pass and says loop=None; say what its "
            "calls count, such as loop='time'"
        )
    raise HookNameError(
        f"{tensor.path!r} runs {count} times in one forward pass: the network reuses it, so that {name!r} is not one "
        "place. Choose a submodule that runs once, such as the block around one of its uses; or, if each run is a step "
        "of a loop, say so: loop='time' (--loop time)"
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

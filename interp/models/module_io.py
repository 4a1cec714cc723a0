"""A submodule's input and output: where in them a tensor is, and which axis of it counts the neurons."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from interp.errors import ConfigError, HookNameError

Steps = tuple[str | int, ...]
_PLACE = re.compile(r"(input|output)((?:\.\w+|\[-?\d+\])*)")
_STEP = re.compile(r"\.(\w+)|\[(-?\d+)\]")
_NORMS = (
    (nn.BatchNorm2d, -3),
    (nn.BatchNorm3d, -4),
    (nn.InstanceNorm1d, -2),
    (nn.InstanceNorm2d, -3),
    (nn.InstanceNorm3d, -4),
    (nn.modules.batchnorm._BatchNorm, 1),  # of images, of sequences or of vectors
)


@dataclass(frozen=True)
class Port:
    """One tensor that goes into a submodule, or comes out of it.

    Attributes:
        path: The submodule's name.
        side: ``"input"`` or ``"output"``.
        steps: Where the tensor is in there: indices and names; none for the first tensor.

    Example:
        >>> Port.parse("lstm:output[1][0]"), str(Port.parse("layer1.0.conv1"))
        (Port(path='lstm', side='output', steps=(1, 0)), 'layer1.0.conv1:output')
    """

    path: str
    side: str
    steps: Steps = ()

    @classmethod
    def parse(cls, name: str) -> Port:
        """Read ``PATH``, ``PATH:input`` or ``PATH:output``, followed by ``.name`` or ``[index]`` any number of times.

        Raises:
            HookNameError: What follows the colon is none of these.
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
        steps = tuple(step[1] or int(step[2]) for step in _STEP.finditer(match[2]))
        return cls(path, match[1], steps)

    def __str__(self) -> str:
        return f"{self.path}:{self.side}{written(self.steps)}"

    def attach(self, module: nn.Module, change: Callable[[Tensor], Tensor]) -> RemovableHandle:
        """Show the tensor to `change` whenever the submodule runs, and put what comes back in its place."""

        def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            given: dict[str | int, Any] = dict(enumerate(args))
            given.update(kwargs)
            steps = self.steps
            if steps and isinstance(steps[0], str) and steps[0] not in given:
                named = list(inspect.signature(module.forward).parameters)
                steps = (named.index(steps[0]), *steps[1:]) if steps[0] in named else steps
            changed = self._changed(given, steps, change)
            if changed is given:
                return None
            return tuple(changed[i] for i in range(len(args))), {k: changed[k] for k in kwargs}

        def after(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            return self._changed(output, self.steps, change)

        if self.side == "input":
            return module.register_forward_pre_hook(before, with_kwargs=True)
        return module.register_forward_hook(after)

    def _changed(self, value: Any, steps: Steps, change: Callable[[Tensor], Tensor]) -> Any:
        """`value` with its tensor changed, or the same object if `change` gave the same tensor back."""
        found = find(value, steps)
        if found is None:
            places = [f"{self.path}:{self.side}{written(place)}" for place, _ in leaves(value)]
            raise HookNameError(
                f"there is no tensor at {str(self)!r}; the {self.side} of {self.path!r} is a "
                f"{type(value).__name__} with {', '.join(places) or 'none'}"
            )
        tensor = part(value, found)
        changed = change(tensor)
        if changed is tensor:
            return value
        same = [found]
        if self.side == "input" and not steps:  # self-attention reads one tensor as query, key and value
            same = [place for place, other in leaves(value) if other is tensor]
        for place in same:
            value = put(value, place, changed)
        return value


def written(steps: Steps) -> str:
    """Steps as they are written after ``input`` or ``output``, for example ``[1].hidden``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def leaves(value: Any) -> Iterator[tuple[Steps, Tensor]]:
    """Every tensor in nested tuples, lists, mappings and dataclasses, with the steps that lead to it.

    Example:
        >>> import torch
        >>> [steps for steps, _ in leaves({"a": torch.zeros(1), "b": (None, torch.zeros(1))})]
        [('a',), ('b', 1)]
    """
    if isinstance(value, Tensor):
        yield (), value
        return
    parts: Any = ()
    if isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, (tuple, list)):
        parts = enumerate(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    for key, inner in parts:
        yield from (((key, *steps), tensor) for steps, tensor in leaves(inner))


def find(value: Any, steps: Steps) -> Steps | None:
    """The full way to a tensor: `steps`, and from there on to the first tensor; None if there is none."""
    if not steps:
        return next((found for found, _ in leaves(value)), None)
    key = _key(value, steps[0])
    rest = None if key is None else find(part(value, (key,)), steps[1:])
    return None if key is None or rest is None else (key, *rest)


def _key(value: Any, step: str | int) -> str | int | None:
    """Under which key, index or attribute `value` holds what a step means; None if it does not."""
    if isinstance(value, Mapping):
        if step in value:
            return step
        keys = list(value)
        return keys[step] if isinstance(step, int) and -len(keys) <= step < len(keys) else None
    if isinstance(value, (tuple, list)):
        index = step if isinstance(step, int) else _field(value, step)
        return None if index is None or not -len(value) <= index < len(value) else index % len(value)
    return step if isinstance(step, str) and hasattr(value, step) else None


def _field(value: Any, name: str) -> int | None:
    """Which element of a named tuple has that name."""
    names = getattr(value, "_fields", ())
    return names.index(name) if name in names else None


def part(value: Any, steps: Steps) -> Any:
    """What `value` holds at the end of `steps`."""
    for step in steps:
        held = isinstance(value, (Mapping, tuple, list))
        value = value[step] if held else getattr(value, str(step))
    return value


def put(value: Any, steps: Steps, new: Any) -> Any:
    """A copy of nested containers with something else at the end of `steps`; the rest is shared, kinds are kept.

    Example:
        >>> put((1, {"a": 2}), (1, "a"), 3)
        (1, {'a': 3})
    """
    if not steps:
        return new
    key, inner = steps[0], put(part(value, steps[:1]), steps[1:], new)
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

    Args:
        output: What the network returned.
        readout: Where it has positions as a second axis: the one whose logits count.
        n_outputs: How many outputs are classes; all if None.

    Raises:
        ConfigError: It holds none of these, or the shape cannot be logits.

    Example:
        >>> import torch
        >>> logits_in({"loss": 0.0, "logits": torch.zeros(2, 5, 9)}, -1, 4).shape
        torch.Size([2, 4])
    """
    plain = isinstance(output, (Tensor, tuple, list))
    places: tuple[Steps, ...] = (("logits",), () if plain else ("last_hidden_state",))
    way = next((way for place in places if (way := find(output, place)) is not None), None)
    if way is None:
        parts = ", ".join(written(steps) for steps, _ in leaves(output)) or "no tensors"
        raise ConfigError(
            f"the network returns a {type(output).__name__} with {parts}; expected logits. "
            "Pass forward=lambda module, inputs: … that returns them"
        )
    logits = part(output, way)
    if logits.ndim == 3:
        if not -logits.shape[1] <= readout < logits.shape[1]:
            raise ConfigError(f"readout={readout} is none of the output's {logits.shape[1]} positions")
        logits = logits[:, readout]
    if logits.ndim != 2 or (n_outputs or 0) > logits.shape[1]:
        wanted = "output" if n_outputs is None else f"at least {n_outputs} outputs"
        raise ConfigError(
            f"the network's output has shape {tuple(logits.shape)}; expected (example, {wanted}), or also positions "
            "as a second axis. Pass forward=lambda module, inputs: … that returns that"
        )
    return logits[:, :n_outputs]


@dataclass(frozen=True)
class Layout:
    """What the axes of a port's tensor are.

    Attributes:
        width: How many neurons; None: known once an example has been run.
        axis: Which axis counts them, from the end; 1: the second one, however many follow; None: not known yet.
        example_axis: Which axis counts the examples: 0, or 1 in the state of a recurrent network.
        position: Which position scores are taken from, if the second axis counts positions.
        length: How many positions the example had.
    """

    width: int | None = None
    axis: int | None = None
    example_axis: int = 0
    position: int | None = None
    length: int | None = None


def layout_of(module: Any, port: Port) -> Layout:
    """What is known of a port from the kind of its submodule alone; positions are left out.

    Example:
        >>> layout_of(nn.Conv2d(3, 8, 5), Port.parse("conv:input"))
        Layout(width=3, axis=-3, example_axis=0, position=None, length=None)
    """
    if isinstance(module, nn.RNNBase):
        return _recurrent_layout(module, port)
    if isinstance(module, nn.MultiheadAttention):
        own = port.steps in ((), (0,), ("query",))
        return Layout(module.embed_dim, -1) if own else Layout()
    outward = port.side == "output"
    if isinstance(module, nn.Linear):
        return Layout(module.out_features if outward else module.in_features, -1)
    if is_conv1d_of_transformers(module):
        return Layout(module.weight.shape[1 if outward else 0], -1)
    if isinstance(module, nn.modules.conv._ConvNd):
        channels = module.out_channels if outward else module.in_channels
        return Layout(channels, -1 - len(module.kernel_size))
    if isinstance(module, nn.GroupNorm):
        return Layout(module.num_channels, 1)
    if isinstance(module, nn.modules.batchnorm._NormBase):
        return Layout(module.num_features, next(axis for kind, axis in _NORMS if isinstance(module, kind)))
    if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        return Layout(module.embedding_dim, -1) if outward else Layout()
    if isinstance(module, (nn.LayerNorm, nn.RMSNorm)):
        shape = tuple(module.normalized_shape)
    elif type(module).__name__.endswith("RMSNorm") and isinstance(getattr(module, "weight", None), Tensor):
        shape = tuple(module.weight.shape)
    else:
        return Layout()
    return Layout(shape[0], -1) if len(shape) == 1 else Layout()


def learned_layout(name: str, layout: Layout, shape: tuple[int, ...], readout: int) -> Layout:
    """The layout of a port once its tensor's shape on an example is known.

    Where the kind of module does not tell, neurons are the channels of images and volumes, and else the last axis.

    Args:
        name: Of the site, for errors.
        layout: From `layout_of`.
        shape: With the examples first.
        readout: The position that the answer is read at.

    Raises:
        ConfigError: The shape does not fit the layout, or has too few or too many axes.

    Example:
        >>> learned_layout("relu:output", Layout(), (4, 16, 8, 8), -1)
        Layout(width=16, axis=-3, example_axis=0, position=None, length=None)
    """
    n_axes = len(shape)
    axis = {4: -3, 5: -4}.get(n_axes, -1) if layout.axis is None else layout.axis
    axis = axis - n_axes if axis > 0 else axis
    if not -axis < n_axes <= 5:
        raise ConfigError(f"{name!r} has shape {shape}; expected examples first, neurons, and at most 5 axes")
    if layout.width not in (None, shape[axis]):
        raise ConfigError(f"{name!r} has shape {shape}; axis {axis} should count its {layout.width} neurons")
    if layout.example_axis:
        return replace(layout, width=shape[axis], length=shape[1])
    if n_axes != 3 or axis != -1:
        return Layout(shape[axis], axis)
    known = -shape[1] <= readout < shape[1]
    return Layout(shape[axis], axis, 0, readout % shape[1] if known else None, shape[1])


def is_conv1d_of_transformers(module: nn.Module) -> bool:
    """Whether this is the transposed linear layer of GPT-2, called Conv1D."""
    return type(module).__name__ == "Conv1D" and hasattr(module, "nf")


def _recurrent_layout(module: nn.RNNBase, port: Port) -> Layout:
    """Of an RNN, GRU or LSTM: its sequence in and out, or its states ``(layer, example, neuron)``."""
    visible = module.proj_size or module.hidden_size
    directions = 2 if module.bidirectional else 1
    if port.steps[:1] in ((1,), (-1,), ("hx",)):
        cell = port.steps[1:] in ((1,), (-1,))
        width = module.hidden_size if cell else visible
        return Layout(width, -1, example_axis=1, position=module.num_layers * directions - 1)
    return Layout(visible * directions if port.side == "output" else module.input_size, -1)


def time_first(module: nn.Module) -> bool:
    """Whether a module of PyTorch's own was built to put time before examples."""
    inside = type(module).__module__ == "torch.nn.modules.transformer"
    known = (nn.RNNBase, nn.MultiheadAttention)
    return any(isinstance(m, known) and not m.batch_first for m in (module.modules() if inside else [module]))

"""Axes of the tensors that go into submodules and come out: which one counts neurons."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from interp.errors import ConfigError
from interp.models.module_tensor import ModuleTensor

_NORMS = (
    (nn.BatchNorm2d, -3),
    (nn.BatchNorm3d, -4),
    (nn.InstanceNorm1d, -2),
    (nn.InstanceNorm2d, -3),
    (nn.InstanceNorm3d, -4),
    (nn.modules.batchnorm._BatchNorm, 1),  # of images, of sequences or of vectors
)


@dataclass(frozen=True)
class Axes:
    """The axes of a submodule's tensor: which of them counts neurons, examples, positions.

    Attributes:
        width: How many neurons; None: known once an example has been run.
        axis: Counts neurons, from the end; 1: the second one, however many follow; None: not known yet.
        example_axis: 0, or 1 in the state of a recurrent network.
        position: Which position scores are taken from, if the second axis counts positions.
        length: How many positions the example had.
    """

    width: int | None = None
    axis: int | None = None
    example_axis: int = 0
    position: int | None = None
    length: int | None = None


def axes_by_kind(module: Any, tensor: ModuleTensor) -> Axes:
    """Axes as far as the kind of submodule alone tells; positions are left out.

    Example:
        >>> axes_by_kind(nn.Conv2d(3, 8, 5), ModuleTensor.parse("conv:input"))
        Axes(width=3, axis=-3, example_axis=0, position=None, length=None)
    """
    if isinstance(module, nn.RNNBase):
        return _recurrent_axes(module, tensor)
    if isinstance(module, nn.MultiheadAttention):
        own = tensor.keys in ((), (0,), ("query",))
        return Axes(module.embed_dim, -1) if own else Axes()
    outward = tensor.side == "output"
    if isinstance(module, nn.Linear):
        return Axes(module.out_features if outward else module.in_features, -1)
    if is_conv1d_of_transformers(module):
        return Axes(module.weight.shape[1 if outward else 0], -1)
    if isinstance(module, nn.modules.conv._ConvNd):
        channels = module.out_channels if outward else module.in_channels
        return Axes(channels, -1 - len(module.kernel_size))
    if isinstance(module, nn.GroupNorm):
        return Axes(module.num_channels, 1)
    if isinstance(module, nn.modules.batchnorm._NormBase):
        return Axes(module.num_features, next(axis for kind, axis in _NORMS if isinstance(module, kind)))
    if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        return Axes(module.embedding_dim, -1) if outward else Axes()
    if isinstance(module, (nn.LayerNorm, nn.RMSNorm)):
        shape = tuple(module.normalized_shape)
    elif type(module).__name__.endswith("RMSNorm") and isinstance(getattr(module, "weight", None), Tensor):
        shape = tuple(module.weight.shape)
    else:
        return Axes()
    return Axes(shape[0], -1) if len(shape) == 1 else Axes()


def axes_by_example(name: str, axes: Axes, shape: tuple[int, ...], readout: int) -> Axes:
    """Axes once the tensor's shape on an example, with the examples first, is known.

    Where the kind of module does not tell, neurons are the channels of images and volumes, and else the last axis.

    Raises:
        ConfigError: The shape does not fit the axes, or has too few or too many axes.

    Example:
        >>> axes_by_example("relu:output", Axes(), (4, 16, 8, 8), -1)
        Axes(width=16, axis=-3, example_axis=0, position=None, length=None)
    """
    n_axes = len(shape)
    axis = {4: -3, 5: -4}.get(n_axes, -1) if axes.axis is None else axes.axis
    axis = axis - n_axes if axis > 0 else axis
    if not -axis < n_axes <= 5:
        raise ConfigError(f"{name!r} has shape {shape}; expected examples first, neurons, and at most 5 axes")
    if axes.width not in (None, shape[axis]):
        raise ConfigError(f"{name!r} has shape {shape}; axis {axis} should count its {axes.width} neurons")
    if axes.example_axis:
        return replace(axes, width=shape[axis], length=shape[1])
    if n_axes != 3 or axis != -1:
        return Axes(shape[axis], axis)
    known = -shape[1] <= readout < shape[1]
    return Axes(shape[axis], axis, 0, readout % shape[1] if known else None, shape[1])


def is_conv1d_of_transformers(module: nn.Module) -> bool:
    """True for the transposed linear layer of GPT-2, called Conv1D."""
    return type(module).__name__ == "Conv1D" and hasattr(module, "nf")


def _recurrent_axes(module: nn.RNNBase, tensor: ModuleTensor) -> Axes:
    """Of an RNN, GRU or LSTM: its sequence in and out, or its states ``(layer, example, neuron)``."""
    visible = module.proj_size or module.hidden_size
    directions = 2 if module.bidirectional else 1
    if tensor.keys[:1] in ((1,), (-1,), ("hx",)):
        cell = tensor.keys[1:] in ((1,), (-1,))
        width = module.hidden_size if cell else visible
        return Axes(width, -1, example_axis=1, position=module.num_layers * directions - 1)
    return Axes(visible * directions if tensor.side == "output" else module.input_size, -1)


def time_first(module: nn.Module) -> bool:
    """True if a module of PyTorch's own was built to put time before examples."""
    inside = type(module).__module__ == "torch.nn.modules.transformer"
    known = (nn.RNNBase, nn.MultiheadAttention)
    return any(isinstance(m, known) and not m.batch_first for m in (module.modules() if inside else [module]))

"""Axes of the tensors that go into submodules and come out: which one counts neurons."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from interp.models.module_tensor import STATES, ModuleTensor
from interp.models.unrolled import width_of

_NORMS = (
    (nn.BatchNorm2d, -3),
    (nn.BatchNorm3d, -4),
    (nn.InstanceNorm1d, -2),
    (nn.InstanceNorm2d, -3),
    (nn.InstanceNorm3d, -4),
    (nn.modules.batchnorm._BatchNorm, 1),  # of images, of sequences or of vectors
)


_OVER_PLACES = ("pooling", "padding", "dropout")
"""Modules of PyTorch whose class ends in how many axes of places follow the channels, such as MaxPool2d."""


@dataclass(frozen=True)
class Axes:
    """The axes of a submodule's tensor: which of them counts neurons, examples, positions.

    A hook point shows the tensor with examples first, otherwise in its own layout; neurons that two axes count, such as
    heads and their dimension, are shown as one axis, the last.

    Attributes:
        width: How many neurons; None: known once an example has been run.
        axis: Counts neurons in what the hook point shows, from the end; 1: the second one, however many follow; None:
            not known yet.
        example_axis: 0, or another one, such as 1 in the state of a recurrent network.
        position: Which position scores are taken from, if the second axis shown counts positions.
        length: How many positions the example had.
        order: The tensor's axes in the order shown, where that is not their own.
        merged: Lengths of the last two of these, if they are shown as one.
        layout: Each of the tensor's axes in a word: example, position, neuron or other.
        of_weights: Whether the weights of the site's module are one for each neuron along the axis.
        loop: Name of the axis that the steps of a loop are in captures, right after the examples; None: there is none.
            The tensor then is one step's, and so are all other attributes but `position` and `length`.
    """

    width: int | None = None
    axis: int | None = None
    example_axis: int = 0
    position: int | None = None
    length: int | None = None
    order: tuple[int, ...] = ()
    merged: tuple[int, int] | None = None
    layout: tuple[str, ...] = ()
    of_weights: bool = True
    loop: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the axes of captures; empty where they are not known."""
        own = tuple(self.layout[i] for i in self.order) if self.order else self.layout
        own = (*own[:-2], "neuron") if self.merged else own
        return (own[0], self.loop, *own[1:]) if self.loop and own else own

    def shown(self, tensor: Tensor) -> Tensor:
        """A submodule's tensor as its hook point shows it.

        Example:
            >>> import torch
            >>> Axes(example_axis=1).shown(torch.zeros(3, 5, 8)).shape
            torch.Size([5, 3, 8])
        """
        if self.order:
            tensor = tensor.permute(self.order)
        elif self.example_axis:
            tensor = tensor.movedim(self.example_axis, 0)
        return tensor.flatten(-2) if self.merged else tensor

    def restored(self, shown: Tensor) -> Tensor:
        """The opposite of `shown`."""
        if self.merged:
            shown = shown.unflatten(-1, self.merged)
        if self.order:
            return shown.permute([self.order.index(i) for i in range(len(self.order))])
        return shown.movedim(0, self.example_axis) if self.example_axis else shown


def axes_by_kind(module: Any, tensor: ModuleTensor) -> Axes:
    """Axes as far as the kind of submodule alone tells; positions are left out, and nothing is known of taps.

    Of a kind of PyTorch's with a forward pass of its own the width alone counts.

    Example:
        >>> axes = axes_by_kind(nn.Conv2d(3, 8, 5), ModuleTensor.parse("conv:input"))
        >>> axes.width, axes.axis
        (3, -3)
    """
    if tensor.side == "tap":
        return Axes()
    if tensor.side in STATES:
        return Axes(
            width_of(module, tensor.side), -1, layout=("example", "neuron"), of_weights=True, loop="time"
        )
    axes = _axes_of_kind(module, tensor)
    kind = next((k for k in type(module).__mro__ if k.__module__.startswith("torch.nn.modules.")), None)
    same = kind is None or kind is nn.Module or type(module).forward is getattr(kind, "forward", None)
    return axes if same else Axes(axes.width)


def _axes_of_kind(module: Any, tensor: ModuleTensor) -> Axes:
    outward = tensor.side == "output"
    if isinstance(module, nn.RNNCellBase):
        fed = not outward and tensor.keys in ((), (0,), ("input",))
        return Axes(module.input_size if fed else module.hidden_size, -1, loop="time")
    if isinstance(module, nn.RNNBase):
        return _recurrent_axes(module, tensor)
    if isinstance(module, nn.MultiheadAttention):
        own = tensor.keys in ((), (0,), ("query",))
        return Axes(module.embed_dim, -1) if own else Axes()
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
    places = re.search(r"([123])d$", type(module).__name__)
    if places and type(module).__module__ in [f"torch.nn.modules.{kind}" for kind in _OVER_PLACES]:
        return Axes(None, -1 - int(places[1]))
    if isinstance(module, (nn.LayerNorm, nn.RMSNorm)):
        shape = tuple(module.normalized_shape)
        return Axes(shape[0], -1) if len(shape) == 1 else Axes()
    if type(module).__name__.endswith("RMSNorm") and isinstance(getattr(module, "weight", None), Tensor):
        return Axes(len(module.weight)) if module.weight.ndim == 1 else Axes()  # which axis is not known
    return Axes()


def keeps_axes(module: nn.Module) -> bool:
    """True for activation functions, dropout and the like of PyTorch, which change numbers and no axes."""
    kind = type(module).__module__.removeprefix("torch.nn.modules.")
    plain = kind in ("activation", "dropout") and not isinstance(module, nn.MultiheadAttention)
    return plain or type(module) is nn.Identity


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

"""The linear layer that reads a site's neurons: its weights, its input while the network runs, and another output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from interp.errors import ConfigError, HookNameError
from interp.hooks import batches, device_of, evaluation_mode
from interp.models import HookedMLP, HookedModel, SmallTransformer, neuron_site
from interp.models.adopted import Adopted
from interp.models.checkpointing import without_checkpointing
from interp.models.weight_edits import linear_readout

OutputChange = Callable[[Tensor, Tensor], Tensor]
"""From what a layer reads and what it gives to what it shall give instead."""


@dataclass(frozen=True, eq=False)
class ValueLayer:
    """A linear layer that reads neurons, and the modules where its input and its output are seen.

    Attributes:
        hook: Hook name of the neurons.
        weight: Its matrix, the neurons first; shares memory with the network's.
        writes: The module whose output is the layer's.
        reads: A hook point that passes the layer's input on; None: it is the first input of `writes`.
        position: Where activations have positions as their second axis, the one that the answer is read at.
    """

    hook: str
    weight: Float[Tensor, "neuron output"]
    writes: nn.Module
    reads: nn.Module | None = None
    position: int | None = None

    @property
    def answer_at(self) -> int:
        """The position that the answer is read at, the last one if none is known."""
        return -1 if self.position is None else self.position


def value_layer(model: HookedModel, site: str | None = None) -> ValueLayer:
    """The layer that reads the neurons of a site; the model's last site if None.

    Raises:
        HookNameError: There is no such site. ConfigError: no linear layer alone reads it.

    Example:
        >>> from interp.models import MLPConfig
        >>> tuple(value_layer(HookedMLP(MLPConfig(width=8), vocab=5)).weight.shape)
        (8, 5)
    """
    place = neuron_site(model, site)
    if "@" in place.hook:
        raise HookNameError(
            f"{place.hook!r} is one position, and a layer reads all; leave out '@' and what follows"
        )
    if isinstance(model, HookedMLP):
        reader = model.reader_of(int(place.hook.split(".")[1]))
        return ValueLayer(place.hook, reader.weight.detach(), reader)
    if isinstance(model, SmallTransformer) and place.axis == -1:
        mlp: Any = model.get_submodule(place.hook.rpartition(".")[0])
        return ValueLayer(place.hook, mlp.W_out.detach(), mlp, mlp.hook_post, place.position)
    if isinstance(model, Adopted):
        tensor = model.tensors[place.hook]
        module = model.module.get_submodule(tensor.path) if tensor.side == "input" else None
        matrix = None if module is None else linear_readout(module)
        if module is not None and matrix is not None:
            return ValueLayer(place.hook, matrix[0].detach(), module, position=place.position)
    raise ConfigError(
        f"no linear layer is known to read {place.hook!r}; expected neurons of an MLP or, of an adopted network, the "
        "input of a torch.nn.Linear, such as 'layers.3.linear2:input'"
    )


@contextmanager
def changed_output(layer: ValueLayer, change: OutputChange) -> Iterator[None]:
    """Replace the layer's output inside the block; the network is as before at its end, in case of an error too.

    What other hooks do to the neurons, whenever they were added, is part of what the layer reads.
    """
    read: list[Tensor] = []
    handles: list[RemovableHandle] = []

    def keep(_module: nn.Module, _args: Any, output: Tensor) -> None:
        read[:] = [output]

    def before(_module: nn.Module, _args: Any) -> None:  # anew, so that it is the last of the point's hooks
        _release(handles)
        assert layer.reads is not None
        handles.append(layer.reads.register_forward_hook(keep))

    def write(_module: nn.Module, args: Any, output: Tensor) -> Tensor:
        activations = args[0] if layer.reads is None else read.pop()
        _release(handles)
        return change(activations, output)

    with without_checkpointing(), ExitStack() as stack:
        stack.callback(_release, handles)
        if layer.reads is not None:
            stack.callback(layer.writes.register_forward_pre_hook(before).remove)
        stack.callback(layer.writes.register_forward_hook(write).remove)
        yield


def _release(handles: list[RemovableHandle]) -> None:
    while handles:
        handles.pop().remove()


@torch.no_grad()
def layer_inputs(
    model: HookedModel, layer: ValueLayer, inputs: Tensor, batch_size: int | None = None
) -> Float[Tensor, "example *position neuron"]:
    """Activations that the layer reads, in evaluation mode.

    Raises:
        ConfigError: The layer is passed several times in one forward pass, or activations have two or more axes between
            examples and neurons.
    """
    kept: list[Tensor] = []

    def keep(activations: Tensor, output: Tensor) -> Tensor:
        kept.append(activations.clone())
        return output

    with evaluation_mode(model), changed_output(layer, keep):
        for n, chunk in enumerate(batches(inputs, batch_size, device_of(model)), 1):
            model(chunk)
            if len(kept) != n:
                raise ConfigError(
                    f"the layer that reads {layer.hook!r} is passed {len(kept) - n + 1} times in one forward pass; "
                    "expected once, as each pass would need a decision of its own"
                )
    if kept[0].ndim > 3:
        raise ConfigError(
            f"activations at {layer.hook!r} have shape {tuple(kept[0].shape)}; expected (example, neuron) or (example, "
            "position, neuron)"
        )
    return torch.cat(kept)

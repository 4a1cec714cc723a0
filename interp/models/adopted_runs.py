"""Runs of an adopted network: some examples at a time, and to check that hooks, edits and a linear end hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interp.errors import ConfigError, HookNameError, InterventionError
from interp.models.axes import Axes
from interp.models.module_tensor import ModuleTensor
from interp.models.outputs import at_position
from interp.models.protocol import HookedModel, NeuronSite, evaluation_mode
from interp.models.watched import same_rows

CHUNK, FEW = 2**23, 64  # numbers and examples that are run together
LINEAR = 1e-5  # relative difference up to which logits count as what a linear layer gives


def is_linear(
    layer: tuple[Tensor, Tensor],
    activations: Tensor,
    logits: Tensor,
    after: Callable[[Tensor], Tensor],
    readout: int,
) -> bool:
    """True if a layer's matrix and bias give the logits, of these activations and of others.

    Args:
        after: Logits if the activations were others.
        readout: The position that the answer is read at.

    Example:
        >>> import torch
        >>> x, layer = torch.randn(5, 3), (torch.randn(3, 2), torch.ones(2))
        >>> is_linear(layer, x, x @ layer[0] + 1, lambda x: x @ layer[0] + 1, -1)
        True
    """
    changed = -3 * activations
    for x, given in ((activations, logits), (changed, after(changed))):
        expected = at_position(x, readout) @ layer[0] + layer[1]
        if expected.shape != given.shape or not (given - expected).abs().max() <= LINEAR * given.abs().max():
            return False
    return True


def check_gradients(module: nn.Module, tensor: ModuleTensor) -> None:
    """Refuse a site in a part that runs without gradients although it is trained: it would run again without hooks.

    Raises:
        ConfigError: It does.
    """
    around = module.get_submodule(tensor.path.rpartition(".")[0])
    if any(parameter.requires_grad for parameter in around.parameters()):
        raise ConfigError(
            f"{str(tensor)!r} runs without gradients while the rest has them, as under activation checkpointing: in "
            "the backward pass it would run again without hooks. Turn that off, or wrap the call in torch.no_grad()"
        )


def check_twin(
    model: HookedModel,
    twin: HookedModel,
    site: NeuronSite,
    scale: Float[Tensor, " neuron"],
    shift: Float[Tensor, " neuron"],
    example: Tensor,
) -> None:
    """Refuse a copy that answers an example otherwise than the network with the same change through a hook.

    Raises:
        InterventionError: It does.
    """

    def changed(_module: nn.Module, _args: Any, output: Tensor) -> Tensor:
        return (output.movedim(site.axis, -1) * scale + shift).movedim(-1, site.axis)

    with evaluation_mode(model), evaluation_mode(twin):
        handle = model.hook_dict[site.hook].register_forward_hook(changed)
        try:
            expected = model(example)
        finally:
            handle.remove()
        same = same_rows(twin(example), expected)
    if not same:
        raise InterventionError(
            f"the weights beside {site.hook!r} are used elsewhere in the network too, so that saving the change in "
            "them changes more than these neurons; leave it hooked"
        )


def in_chunks(model: HookedModel, hook: str, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and a site's tensor, a `CHUNK` of numbers at a time, so that layers before it take little memory."""
    rows = len(inputs)
    if rows > FEW:
        _, few = model.run_with_cache(inputs[:2], names_filter=hook)
        rows = max(FEW, CHUNK // max(few[hook][0].numel(), inputs[0].numel()))
    runs = [model.run_with_cache(part, names_filter=hook) for part in inputs.split(max(rows, 1))]
    if len(runs) == 1:
        return runs[0][0], runs[0][1][hook]
    return torch.cat([logits for logits, _ in runs]), torch.cat([cache[hook] for _, cache in runs])


def given_to_hooks(point: nn.Module, axes: Axes, tensor: Tensor, n_examples: int, site: str) -> Tensor:
    """A site's tensor as the hooks of its hook point leave it; the same object where they leave it as it is.

    Raises:
        HookNameError: Examples are not on the axis where they should be.
    """
    shown = axes.shown(tensor)
    if shown.ndim < 1 or len(shown) != n_examples:
        raise HookNameError(
            f"{site!r} has shape {tuple(tensor.shape)} for {n_examples} examples; its axis {axes.example_axis} "
            "must count them. Pass example=… to adopt, which tells the axis, or choose a site where the examples "
            "are not mixed"
        )
    kept = shown.clone()  # what later changes the tensor in place does not reach what hooks keep
    changed = point(kept)
    if changed is kept and not kept.requires_grad and torch.equal(kept, shown):
        return tensor
    changed = axes.restored(changed)
    dense = tensor.is_contiguous()
    return changed.clone(memory_format=torch.contiguous_format if dense else torch.preserve_format)


def continued(
    model: HookedModel,
    name: str,
    axis: int,
    activations: Tensor,
    inputs: Tensor,
    before: Tensor | None = None,
) -> Tensor:
    """Logits if a site's tensor, with its neurons last, were another one.

    Args:
        axis: Counts the neurons in what the hook point shows.
        before: Of a site in a loop, its activations; what differs from them is added to each step's, and the network
            goes on from there.
    """
    changed = activations.movedim(-1, axis)
    added = None if before is None else changed - before.movedim(-1, axis)

    def change(point: Any, _: Any, output: Tensor) -> Tensor:
        return changed if added is None else output + added[:, point.step]

    handle = model.hook_dict[name].register_forward_hook(change)
    try:
        return model(inputs)
    finally:
        handle.remove()

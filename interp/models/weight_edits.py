"""Weights beside a submodule's tensor: reading neurons out with them, and changing neurons for good in them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interp.errors import InterventionError
from interp.models.axes import is_conv1d_of_transformers
from interp.models.module_tensor import ModuleTensor
from interp.models.recurrent_edits import remove_units, state_kind

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
_NORMS = (*_BATCH_NORMS, *_INSTANCE_NORMS, nn.GroupNorm, nn.LayerNorm)


@torch.no_grad()
def absorbed(
    root: nn.Module, tensor: ModuleTensor, scale: Float[Tensor, " neuron"], shift: Float[Tensor, " neuron"]
) -> nn.Module:
    """A copy whose weights beside a tensor make ``tensor * scale + shift`` take its place, exactly.

    A linear layer or convolution reads the tensor; or one of these, a norm with weights or an embedding gives it. Of
    states of recurrent layers, units can only be removed.

    Raises:
        InterventionError: The weights beside the tensor cannot do it (the message names which can), or the network
            cannot be copied.

    Example:
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> _ = layer.weight.data.fill_(3.0)
        >>> twin = absorbed(layer, ModuleTensor.parse(":input"), torch.tensor([2.0, 0.0]), torch.ones(2))
        >>> twin.weight.tolist(), twin.bias.tolist()
        ([[6.0, 0.0]], [6.0])
    """
    if tensor.side == "tap":
        raise InterventionError(
            f"{str(tensor)!r} is a tap, which no weights are known to give; leave the change hooked, or save one in "
            "the weights that compute what it is given"
        )
    module: Any = root.get_submodule(tensor.path)
    if tensor.part is not None:
        raise InterventionError(
            f"no weights change the {tensor.part} part of {str(tensor)!r} alone; ablate it without saving"
        )
    state = state_kind(module, tensor)
    if state is None and tensor.side not in editable_sides(module):
        raise InterventionError(
            f"the weights of {tensor.path!r}, a {type(module).__name__}, cannot change its {tensor.side}; "
            f"what can be saved in weights is {_nearest(root, tensor)}"
        )
    if state is None:
        _check_weights(root, module, tensor)
    try:
        twin = copy.deepcopy(root)
    except (RuntimeError, TypeError) as error:
        raise InterventionError(
            f"the network cannot be copied, so nothing can be saved in its weights: {error}"
        ) from error
    module = twin.get_submodule(tensor.path)
    if state is not None:
        remove_units(module, tensor, scale, shift)
        return twin
    scale, shift = scale.to(module.weight), shift.to(module.weight)
    if isinstance(module, nn.Embedding):  # the row of padding too: hooks reach it as well
        _replace(module, "weight", module.weight * scale + shift)
    elif tensor.side == "input":
        _absorb_input(module, tensor, scale, shift)
    else:
        _absorb_output(module, tensor, scale, shift)
    return twin


def editable_sides(module: nn.Module) -> tuple[str, ...]:
    """Those of ``"input"`` and ``"output"`` that the module's own weights can scale and shift."""
    if _is_linear(module) or _is_kind(module, (*_CONVOLUTIONS, *_TRANSPOSED)):
        return "input", "output"
    if _is_kind(module, (nn.Embedding,)):
        return ("output",) if module.max_norm is None else ()
    return ("output",) if _is_kind(module, _NORMS) and getattr(module, "weight", None) is not None else ()


def _is_linear(module: nn.Module) -> bool:
    """True if the module multiplies by its weight, adds its bias, and does nothing else."""
    return _is_kind(module, (nn.Linear,)) or is_conv1d_of_transformers(module)


def linear_readout(
    module: nn.Module, n_outputs: int | None = None
) -> tuple[Float[Tensor, "neuron output"], Float[Tensor, " output"]] | None:
    """The matrix and the bias of a linear layer, for its first outputs; None if it is another kind of module.

    Example:
        >>> matrix, bias = linear_readout(nn.Linear(5, 3, bias=False), n_outputs=2)
        >>> tuple(matrix.shape), bias.tolist()
        ((5, 2), [0.0, 0.0])
    """
    own: Any = module
    if not _is_linear(module) or own.weight.is_complex():
        return None
    matrix = (own.weight if is_conv1d_of_transformers(module) else own.weight.T)[:, :n_outputs]
    return matrix, matrix.new_zeros(matrix.shape[1]) if own.bias is None else own.bias[:n_outputs]


def _is_kind(module: nn.Module, kinds: tuple[type[nn.Module], ...]) -> bool:
    """True if the module is of one of these kinds and computes the same."""
    return any(isinstance(module, kind) and type(module).forward is kind.forward for kind in kinds)


def _nearest(root: nn.Module, tensor: ModuleTensor) -> str:
    """Tensors beside this one, in the order in which the modules were defined, that weights can change."""
    modules = dict(root.named_modules())
    place = list(modules).index(tensor.path) if tensor.path in modules else 0
    sides = [
        (i, f"{name}:{side}") for i, name in enumerate(modules) for side in editable_sides(modules[name])
    ]
    before = [name for i, name in sides if i <= place and name.endswith("output")]
    behind = [name for i, name in sides if i >= place and name.endswith("input")]
    near = [*before[-1:], *behind[:1]] or [name for _, name in sides[:2]]
    return " or ".join(map(repr, near)) if near else "nothing in this network"


def _check_weights(root: nn.Module, module: nn.Module, tensor: ModuleTensor) -> None:
    """Raise an `InterventionError` unless the module's weights are plain, its own, and decide what it gives."""
    for name in ("weight", "bias"):
        if hasattr(module, name) and name not in module._parameters:
            raise InterventionError(
                f"the {name} of {tensor.path!r} is computed anew in every forward pass, by a parametrization or so; "
                "remove that first, for example with torch.nn.utils.parametrize.remove_parametrizations"
            )
    if tensor.side == "output" and module._forward_hooks:
        raise InterventionError(
            f"{tensor.path!r} has forward hooks of its own, which change its output after its weights do; remove them"
        )
    for name, other in _sharing(root, module):
        raise InterventionError(
            f"{tensor.path!r} shares its {name} with {other!r}, so that an edit would change both; "
            "untie them first, by giving one of them a copy"
        )


def _sharing(root: nn.Module, module: nn.Module) -> Iterator[tuple[str, str]]:
    """Names of the module's parameters that another one uses too, and the other one's name."""
    for name, parameter in module._parameters.items():
        for path, other in root.named_modules():
            for theirs in other._parameters.values():
                if other is module or theirs is None or parameter is None or not theirs.numel():
                    continue
                if theirs is parameter or theirs.data_ptr() == parameter.data_ptr():
                    yield name, path


def _replace(module: Any, name: str, value: Tensor) -> None:
    """Give a module a new parameter in the place of one of its own, trained or frozen as its weight is."""
    old = module._parameters[name]
    trained = module.weight.requires_grad if old is None else old.requires_grad
    module.register_parameter(name, nn.Parameter(value, requires_grad=trained))


def _absorb_input(module: Any, tensor: ModuleTensor, scale: Tensor, shift: Tensor) -> None:
    """Scale the weights of each input, and move the shift to the bias."""
    weight, read_first = _by_group(module)
    if shift.any() and not _adds_the_same_everywhere(module):
        raise InterventionError(
            f"{tensor.path!r} reads zeros or nothing beyond the edges of its input, where a shift would not be; "
            f"only scaling can be saved there. Change what comes before it, or leave {tensor.path!r} hooked"
        )
    axis = 1 if read_first else 2
    along = _along(weight, axis)
    reached = (weight * shift.reshape(along)).sum([i for i in range(1, weight.ndim) if i != 3 - axis])
    _replace(module, "weight", (weight * scale.reshape(along)).reshape(module.weight.shape))
    if shift.any():
        bias = reached.flatten()
        _replace(module, "bias", bias if module.bias is None else module.bias + bias)


def _absorb_output(module: Any, tensor: ModuleTensor, scale: Tensor, shift: Tensor) -> None:
    """Scale the weights and the bias of each output, and add the shift to the bias."""
    if isinstance(module, _NORMS):
        if module.weight.ndim > 1:
            raise InterventionError(
                f"{tensor.path!r} norms {module.weight.ndim} axes at once; its weights are not one for each neuron"
            )
        _replace(module, "weight", module.weight * scale)
    else:
        weight, read_first = _by_group(module)
        along = _along(weight, 2 if read_first else 1)
        _replace(module, "weight", (weight * scale.reshape(along)).reshape(module.weight.shape))
    if module.bias is not None:
        _replace(module, "bias", module.bias * scale + shift)
    elif shift.any():
        _replace(module, "bias", shift.clone())


def _by_group(module: Any) -> tuple[Tensor, bool]:
    """A layer's weight as ``(group, …, …, *kernel)``, and whether the axis after the groups counts what it reads."""
    read_first = is_conv1d_of_transformers(module) or isinstance(module, _TRANSPOSED)
    groups = getattr(module, "groups", 1)
    weight = module.weight
    return weight.reshape(groups, len(weight) // groups, *weight.shape[1:]), read_first


def _along(weight: Tensor, axis: int) -> list[int]:
    """The shape in which one number for each channel multiplies a grouped weight along one of its axes."""
    return [len(weight) if i == 0 else (-1 if i == axis else 1) for i in range(weight.ndim)]


def _adds_the_same_everywhere(module: nn.Module) -> bool:
    """True if a constant added to the input adds a constant to the output, at its edges too."""
    if isinstance(module, _TRANSPOSED):
        return False
    if not isinstance(module, _CONVOLUTIONS):
        return True
    return module.padding_mode != "zeros" or not any(module._reversed_padding_repeated_twice)

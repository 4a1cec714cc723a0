"""Hook points for any network, named by its submodules' inputs and outputs."""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from interp.errors import ConfigError, HookNameError, near_matches
from interp.models.adopted import Adopted
from interp.models.axes import axes_by_kind, time_first
from interp.models.complex_parts import check_part
from interp.models.learning import learn
from interp.models.module_tensor import ModuleTensor
from interp.models.nested import Keys
from interp.models.outputs import output_keys
from interp.models.prompt import Prompt
from interp.models.watched import Call

SHARDED = ("FullyShardedDataParallel", "FSDPModule", "DeepSpeedEngine")


def adopt(
    module: nn.Module,
    sites: str | Sequence[str],
    *,
    example: Tensor | None = None,
    prompt: Prompt | None = None,
    readout: int = -1,
    n_outputs: int | None = None,
    forward: Call | None = None,
    output: str | int | Keys | None = None,
    axis: int | Sequence[int] | Mapping[str, int | Sequence[int]] | None = None,
    part: str | None = None,
    loop: str | None = None,
) -> Adopted:
    """Give a network hook points where its submodules' inputs and outputs are, without changing it.

    A site is a submodule's name and one of its tensors: ``encoder.layers.3.linear2:input`` or ``conv1:output`` (also
    written ``conv1``). Of several tensors it is the first one; others are ``lstm:output[1]``,
    ``block:output.last_hidden_state`` or ``attn:input.mask``. States inside PyTorch's recurrent layers are
    ``lstm:hidden[0]``, ``lstm:cell[1]`` and ``rnn:hidden[0].reverse``; a tensor that no submodule gives is ``tap:NAME``
    or, with another axis than its neurons, ``tap:NAME[slot]``, see `interp.tap`. Which axis counts neurons is what the
    kind of module tells, or runs on the example show (`interp.models.learnt_axes`); see the result's ``notes``.

    Args:
        module: The network; DataParallel and torch.compile around it are taken off.
        sites: The sites; the last one is measured unless another is named.
        example: A few inputs, examples first. With them every site is known and checked.
        prompt: How operands become the network's tokens; None: the inputs are given to it as they are.
        readout: Where the output has positions: the one that the answer is read at.
        n_outputs: How many outputs are classes; all if None.
        forward: How to call the network, given it and the inputs; ``module(inputs)`` if None.
        output: Of several, the one that holds the logits: an index or a name, such as 1 or ``head.logits``.
        axis: Counts neurons in the module's own tensor: -1, or two that count them together, such as heads and their
            dimension; of every site, or by site. Needs `example`.
        part: Of complex numbers: real, imag or abs is what the neurons are; magnitudes can be captured but not changed.
        loop: Of submodules that run once a step: what the steps are, such as ``time``; not needed of recurrent cells.

    Returns:
        A hooked model, which holds `module` itself.

    Raises:
        HookNameError: The network has no such submodule, or does not run it once, or once a step.
        ConfigError: The network cannot be hooked, or a setting or the example does not fit it.

    Example:
        >>> network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> model = adopt(network, ["0", "2:input"], example=torch.randn(5, 4))
        >>> [(site.hook, site.width) for site in model.neuron_sites()]
        [('0:output', 8), ('2:input', 8)]
    """
    _check_network(module := _unwrapped(module), n_outputs, loop)
    tensors = _tensors_of(module, [sites] if isinstance(sites, str) else sites, check_part(part))
    settings: dict[str, Any] = {"prompt": prompt, "readout": readout, "n_outputs": n_outputs, "loop": loop}
    settings["output"] = output if output is None or isinstance(output, tuple) else output_keys(str(output))
    adopted = Adopted(module, tensors, call=forward or operator.call, **settings)
    if example is None:
        _check_without_example(module, tensors, _given_axes(axis, tensors))
    else:
        learn(adopted, example, _given_axes(axis, tensors))
    return adopted


def _tensors_of(module: nn.Module, sites: Sequence[str], part: str | None) -> dict[str, ModuleTensor]:
    """The tensors that sites name, by their full names; an error if there are none, or the network has no such one."""
    tensors: dict[str, ModuleTensor] = {}
    for name in sites:
        tensor = _checked_site(module, replace(ModuleTensor.parse(name), part=part))
        if str(tensor) in tensors:
            raise ConfigError(f"the site {str(tensor)!r} is named twice; name each once")
        tensors[str(tensor)] = tensor
    if not tensors:
        raise ConfigError("no site was named; name a submodule, such as layer1.0.conv1 or fc:input")
    return tensors


def _given_axes(axis: Any, sites: Collection[str]) -> dict[str, tuple[int, ...]]:
    """The axes that a user gave, by site; a `ConfigError` if they are none."""
    by_site = axis if isinstance(axis, Mapping) else {} if axis is None else dict.fromkeys(sites, axis)
    given = {}
    for name, one in by_site.items():
        site = str(ModuleTensor.parse(name))
        axes = tuple(one) if isinstance(one, (tuple, list)) else (one,)
        if site not in sites:
            raise ConfigError(f"axis= names {name!r}, which is no site; {near_matches(site, sites)}")
        if len(axes) not in (1, 2) or not all(type(i) is int for i in axes) or len(set(axes)) < len(axes):
            raise ConfigError(f"axis={one!r} is no axis; write -1, or two different ones, such as (-2, -1)")
        given[site] = axes
    return given


def _unwrapped(module: nn.Module) -> nn.Module:
    """The network inside DataParallel, DistributedDataParallel and torch.compile."""
    while True:
        if isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            module = module.module
        elif isinstance(inner := getattr(module, "_orig_mod", None), nn.Module):
            module = inner
        else:
            return module


def _check_network(module: nn.Module, n_outputs: int | None, loop: str | None) -> None:
    """Raise a `ConfigError` if hooks would not be run or not see whole tensors, or for no number of outputs or axis."""
    if loop is not None and (not str(loop).isidentifier() or loop in ("example", "neuron")):
        raise ConfigError(f"loop={loop!r} is no name of the axis of a loop's steps; write time or segment")
    if n_outputs is not None and (type(n_outputs) is not int or n_outputs < 1):
        raise ConfigError(f"n_outputs={n_outputs!r} is no number of classes; expected a whole number from 1")
    if isinstance(module, torch.jit.ScriptModule):
        raise ConfigError(
            f"{type(module).__name__} is TorchScript, which hooks cannot change; adopt the network it was made from"
        )
    for name, inner in module.named_modules():
        if any(kind.__name__ in SHARDED for kind in type(inner).__mro__):
            raise ConfigError(
                f"{name or 'the network'} is a {type(inner).__name__}, with weights spread over several processes; "
                "gather them into the plain network and adopt that"
            )
    for name, parameter in [*module.named_parameters(), *module.named_buffers()]:
        if nn.parameter.is_lazy(parameter):
            raise ConfigError(
                f"{name} is of a lazy layer without weights yet; run the network once on an input"
            )
        if parameter.is_meta:
            raise ConfigError(
                f"{name} has no values, as it is on the device 'meta'; load the weights first, with "
                "load_state_dict(…, assign=True) or, after to_empty(device='cpu'), load_state_dict(…)"
            )


def _checked_site(module: nn.Module, tensor: ModuleTensor) -> ModuleTensor:
    """The tensor by its full name; an error unless the network has the submodule and it can be hooked."""
    if tensor.side == "tap":
        return tensor
    modules = dict(module.named_modules(remove_duplicate=False))
    if tensor.path not in modules:
        raise HookNameError(
            f"the network has no submodule {tensor.path!r}; {near_matches(tensor.path, filter(None, modules))}"
        )
    owner = modules[tensor.path]
    if isinstance(owner, torch.jit.ScriptModule):
        raise ConfigError(
            f"{tensor.path!r} is TorchScript, which cannot be changed by hooks; choose a site around it"
        )
    if tensor.of_module:
        return tensor
    state = tensor.state_of(owner)
    return replace(tensor, keys=(state.layer, *(["reverse"] if state.reverse else [])))


def _check_without_example(
    module: nn.Module, tensors: Mapping[str, ModuleTensor], given: Mapping[str, tuple[int, ...]]
) -> None:
    """Refuse sites in modules that put time before examples, and axes that no example can check."""
    if given:
        raise ConfigError("axis= is checked on an example; pass example=… too, a few of the network's inputs")
    modules = dict(module.named_modules(remove_duplicate=False))
    for tensor in tensors.values():
        if tensor.side == "tap":
            raise ConfigError(
                f"only running the network tells the axes of {str(tensor)!r}; pass example=…, a few of its inputs"
            )
        if not tensor.of_module:
            continue
        parts = tensor.path.split(".")
        for path in (".".join(parts[:n]) for n in range(len(parts) + 1)):
            by_kind = path == tensor.path and axes_by_kind(modules[path], tensor).example_axis
            if not by_kind and time_first(modules[path]):
                raise ConfigError(
                    f"{path or 'the network'} ({type(modules[path]).__name__}) puts time before examples; build it "
                    "with batch_first=True, or pass example=… to adopt, which tells the axes"
                )

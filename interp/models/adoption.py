"""Hook points for any network, named by its submodules' inputs and outputs."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from interp.errors import ConfigError, HookNameError, near_matches
from interp.models.adopted import Adopted, Call
from interp.models.axes import axes_by_kind, time_first
from interp.models.complex_parts import check_part
from interp.models.module_tensor import ModuleTensor
from interp.models.nested import Keys
from interp.models.outputs import output_keys
from interp.models.prompt import Prompt

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
    part: str | None = None,
) -> Adopted:
    """Give a network hook points where its submodules' inputs and outputs are, without changing it.

    A site is a submodule's name and one of its tensors: ``encoder.layers.3.linear2:input`` or ``conv1:output`` (also
    written ``conv1``). Of several tensors it is the first one; others are ``lstm:output[1]``,
    ``block:output.last_hidden_state`` or ``attn:input.mask``. Neurons are the channels of images, and otherwise the
    last axis; the kind of module tells, or else the example does.

    Args:
        module: The network; wrappers such as DataParallel and torch.compile are taken off.
        sites: The sites; the last one is measured unless another is named.
        example: A few inputs, examples first. With them every site is known and checked.
        prompt: How operands become the network's tokens; None: the inputs are given to it as they are.
        readout: Where the output has positions: the one that the answer is read at.
        n_outputs: How many of the outputs are classes; all if None.
        forward: How to call the network, given it and the inputs; ``module(inputs)`` if None.
        output: Which of several outputs holds the logits: an index or a name, such as 1 or ``head.logits``. If None it
            is ``logits``, or the one that can be, or of several the one with `n_outputs`; the result's ``notes`` say
            so.
        part: Where the sites hold complex numbers: real, imag or abs is what their neurons are. A change leaves the
            other part as it is; magnitudes can be scored but not changed.

    Returns:
        A hooked model, which holds `module` itself.

    Raises:
        HookNameError: The network has no such submodule, or does not run it exactly once.
        ConfigError: The network cannot be hooked, or a setting or the example does not fit it.

    Example:
        >>> network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> model = adopt(network, ["0", "2:input"], example=torch.randn(5, 4))
        >>> [(site.hook, site.width) for site in model.neuron_sites()]
        [('0:output', 8), ('2:input', 8)]
        >>> logits, cache = model.run_with_cache(torch.randn(5, 4), names_filter="2:input")
        >>> tuple(logits.shape), tuple(cache["2:input"].shape)
        ((5, 3), (5, 8))
    """
    module = _unwrapped(module)
    _check_network(module)
    tensors: dict[str, ModuleTensor] = {}
    for name in [sites] if isinstance(sites, str) else sites:
        tensor = replace(ModuleTensor.parse(name), part=check_part(part))
        _check_site(module, tensor)
        if str(tensor) in tensors:
            raise ConfigError(f"the site {str(tensor)!r} is named twice; name each once")
        tensors[str(tensor)] = tensor
    if not tensors:
        raise ConfigError("no site was named; name a submodule, such as layer1.0.conv1 or fc:input")
    call, keys = (
        forward or operator.call,
        output_keys(str(output)) if isinstance(output, (str, int)) else output,
    )
    adopted = Adopted(
        module, tensors, prompt=prompt, readout=readout, n_outputs=n_outputs, call=call, output=keys
    )
    if example is not None:
        adopted.learn(example)
    return adopted


def _unwrapped(module: nn.Module) -> nn.Module:
    """The network inside DataParallel, DistributedDataParallel and torch.compile."""
    while True:
        if isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            module = module.module
        elif isinstance(inner := getattr(module, "_orig_mod", None), nn.Module):
            module = inner
        else:
            return module


def _check_network(module: nn.Module) -> None:
    """Raise a `ConfigError` if hooks would not be run, or not see whole tensors."""
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
    if any(nn.parameter.is_lazy(parameter) for parameter in module.parameters()):
        raise ConfigError("the network has lazy layers without weights yet; run it once on an input")


def _check_site(module: nn.Module, tensor: ModuleTensor) -> None:
    """Raise an error unless the network has the submodule, and it puts examples first."""
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
    parts = tensor.path.split(".")
    around = {".".join(parts[:n]) for n in range(len(parts) + 1)}
    axes = axes_by_kind(owner, tensor)
    for path in around:
        if not (path == tensor.path and axes.example_axis) and time_first(modules[path]):
            raise ConfigError(
                f"{path or 'the network'} ({type(modules[path]).__name__}) puts time before examples; "
                "build it with batch_first=True"
            )

"""Hook points in a model of `transformers`: TransformerLens' bridge where it knows the architecture, else our own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from interp.errors import CheckpointError
from interp.hook_points import HookPoint
from interp.language.sites import HEADS, NEURONS, Site
from interp.models.module_tensor import ModuleTensor

READERS = {
    NEURONS: (
        "down_proj",
        "c_proj",
        "dense_4h_to_h",
        "fc2",
        "fc_out",
        "w2",
        "wo",
        "out_proj",
        "proj_out",
        "dense",
    ),
    HEADS: ("o_proj", "out_proj", "c_proj", "dense", "wo", "proj"),
}
"""Last names of the layers that read the neurons and the heads, where TransformerLens does not say, likeliest first."""
HOOKS = {NEURONS: "blocks.{}.mlp.hook_post", HEADS: "blocks.{}.attn.hook_z"}


@dataclass(frozen=True, eq=False)
class HookPoints:
    """A network with its hook points, and how it came to them."""

    network: Any
    hooks: Mapping[str, nn.Module]
    sites: tuple[Site, ...]
    blocks: tuple[nn.Module, ...]
    notes: tuple[str, ...]
    via: str


def hook_points_of(network: Any, weights: Mapping[str, Tensor], notes: tuple[str, ...]) -> HookPoints:
    """Hook points of a causal model of `transformers`, which are put into it.

    Raises:
        CheckpointError: No layers with neurons are seen in it.
    """
    from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_from_module

    names = {id(tensor): name for name, tensor in weights.items()}
    readers = dict(_readers(network))  # by what they are called, before a bridge renames them
    try:
        bridge = build_bridge_from_module(network, type(network).__name__, hf_config=network.config)
    except (ValueError, KeyError, AttributeError, TypeError, NotImplementedError):
        return _adopted(network, readers, names, notes)
    hooks = dict(bridge.hook_dict)
    if not any(HOOKS[NEURONS].format(0) == name for name in hooks):
        raise CheckpointError(
            f"a {type(network).__name__} has no MLP neurons that TransformerLens names; networks without MLP layers, "
            "such as state-space models, are not measured"
        )
    sites = tuple(_sites(network, _bridged_readers(bridge, hooks), names))
    return HookPoints(network, hooks, sites, _blocks(network), notes, "TransformerBridge")


def _bridged_readers(bridge: Any, hooks: Mapping[str, Any]) -> dict[tuple[int, str], nn.Module]:
    """The layer that reads the units of each layer and kind, as the bridge has it."""
    readers: dict[tuple[int, str], nn.Module] = {}
    for layer, block in enumerate(bridge.blocks):
        for kind, (part, name) in {NEURONS: ("mlp", "out"), HEADS: ("attn", "o")}.items():
            owner = getattr(getattr(block, part, None), name, None)
            if owner is not None and HOOKS[kind].format(layer) in hooks:
                readers[layer, kind] = owner.original_component
    return readers


def _blocks(network: Any) -> tuple[nn.Module, ...]:
    """The layers, in order: the longest list of modules with as many as the configuration names."""
    n = getattr(network.config, "num_hidden_layers", None)
    lists = [module for module in network.modules() if isinstance(module, nn.ModuleList) and len(module) == n]
    if not lists:
        raise CheckpointError(f"a {type(network).__name__} has no list of its {n} layers")
    return tuple(lists[0])


def _readers(network: Any) -> Iterator[tuple[tuple[int, str], str]]:
    """Paths of the layers that seem to read neurons and heads, by their names and shapes."""
    paths = {id(module): path for path, module in network.named_modules()}
    for layer, block in enumerate(_blocks(network)):
        linear = {path: module for path, module in block.named_modules() if _matrix(module) is not None}
        for kind, endings in READERS.items():
            inside = {
                path: module
                for path, module in linear.items()
                if ("attn" in path or "attention" in path) == (kind == HEADS)
            }
            for ending in endings:
                matches = [module for path, module in inside.items() if path.rpartition(".")[2] == ending]
                if len(matches) == 1:
                    yield (layer, kind), paths[id(matches[0])]
                    break


def _adopted(
    network: Any, readers: Mapping[tuple[int, str], str], names: Mapping[int, str], notes: tuple[str, ...]
) -> HookPoints:
    """Hook points at the inputs of the layers that read neurons and heads."""
    blocks = _blocks(network)
    lacking = [layer for layer in range(len(blocks)) if (layer, NEURONS) not in readers]
    if lacking:
        raise CheckpointError(
            f"a {type(network).__name__} is not known to TransformerLens, and what reads the MLP neurons of its layer "
            f"{lacking[0]} is not seen by its name ({', '.join(READERS[NEURONS][:5])}, …)"
        )
    modules = {place: network.get_submodule(path) for place, path in readers.items()}
    sites = tuple(_sites(network, modules, names))
    hooks = {site.hook: HookPoint() for site in sites}
    for site in sites:
        path = readers[site.layer, site.kind]
        ModuleTensor(path, "input").attach(site.reader, hooks[site.hook])
    note = (
        f"TransformerLens does not know a {type(network).__name__}: its neurons are what enters "
        f"{readers[0, NEURONS]} and the same layers elsewhere, by their names"
    )
    return HookPoints(network, hooks, sites, blocks, (*notes, note), "adopt")


def _sites(
    network: Any, readers: Mapping[tuple[int, str], nn.Module], names: Mapping[int, str]
) -> Iterator[Site]:
    """Sites in the order of the forward pass: heads before the neurons of the same layer."""
    n_heads = getattr(network.config, "num_attention_heads", None)
    for layer, kind in sorted(readers, key=lambda place: (place[0], KIND_ORDER[place[1]])):
        module = readers[layer, kind]
        weight = _matrix(module)
        if weight is None or id(weight) not in names:
            continue
        units_first = type(module).__name__ == "Conv1D"
        size = int(weight.shape[0 if units_first else 1])
        if kind == HEADS and (not n_heads or size % n_heads):
            continue
        width = size // int(n_heads or 1) if kind == HEADS else 1
        hook = HOOKS[kind].format(layer)
        yield Site(hook, layer, kind, size // width, width, module, names[id(weight)], units_first)


KIND_ORDER = {HEADS: 0, NEURONS: 1}


def _matrix(module: nn.Module) -> Tensor | None:
    """The weight of a linear layer; None of any other module."""
    weight = getattr(module, "weight", None)
    linear = isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"
    return weight if linear and isinstance(weight, torch.Tensor) and weight.ndim == 2 else None

"""Checkpoints of Doshi et al. (arXiv 2310.13061): linear layers over concatenated one-hot operands."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from interp.checkpoints.dialect import (
    Dialect,
    Hints,
    Reading,
    activation_fact,
    fitting,
    modulus_of_shape,
    unfit,
)
from interp.checkpoints.layouts import Layout
from interp.checkpoints.networks import mlp_readings
from interp.checkpoints.unwrap import StoredWeights

NAME = "doshi"
NORMS = ("norm", "norm1", "bn", "bn1", "ln", "ln1")
"""Names under which the norm after the activation has been seen."""
TWO_LAYERS = Layout({"fc1.weight": "N 2p", "fc2.weight": "p N", "fc1.bias?": "N", "fc2.bias?": "p"})
THREE_LAYERS = Layout(
    {"fc1.weight": "N 2p", "fc2.weight": "N N", "fc3.weight": "p N"}
    | {"fc1.bias?": "N", "fc2.bias?": "N", "fc3.bias?": "p"}
)


def with_norm(name: str) -> Layout:
    """Two linear layers with a norm of that name, a layer norm or a batch norm."""
    parts = {"weight": "N", "bias": "N", "running_mean": "N", "running_var": "N", "num_batches_tracked": ""}
    return Layout({**TWO_LAYERS.tensors, **{f"{name}.{part}?": axes for part, axes in parts.items()}})


def readings(stored: StoredWeights, hints: Hints) -> list[Reading]:
    """Every way to read a file as one of these networks: x² and ReLU, unless something says which."""
    norm = next((name for name in NORMS if any(key.startswith(f"{name}.") for key in stored.tensors)), None)
    two_layers = TWO_LAYERS if norm is None else with_norm(norm)
    layout, sizes, problem = fitting(stored, two_layers, THREE_LAYERS)
    if layout is None:
        return unfit(stored, hints, NAME, problem)
    deep = layout is THREE_LAYERS
    kind, weights = "none", _weights(stored.tensors, sizes["p"])
    if norm is not None:
        own = {name: tensor for name, tensor in stored.tensors.items() if name.startswith(f"{norm}.")}
        if problem := _problem(own):
            return unfit(stored, hints, NAME, problem)
        kind = "batch" if f"{norm}.running_mean" in own else "layer"
        weights |= _norm_weights(own, kind, sizes["N"])
    return mlp_readings(
        stored,
        hints,
        NAME,
        weights,
        p=modulus_of_shape(stored, hints, sizes["p"]),
        activation=activation_fact(stored, hints, ("relu", "square") if deep else ("square", "relu")),
        depth=3 if deep else 2,
        norm=kind,
    )


def _weights(tensors: Mapping[str, Tensor], p: int) -> dict[str, Tensor]:
    """The linear layers under the names of a `HookedMLP`."""
    last = "fc3" if "fc3.weight" in tensors else "fc2"
    ours = {
        "embed.W_E": torch.stack([tensors["fc1.weight"][:, :p].T, tensors["fc1.weight"][:, p:].T]),
        "unembed.W_U": tensors[f"{last}.weight"].T,
    }
    if last == "fc3":
        ours["blocks.1.linear.W_in"] = tensors["fc2.weight"].T
    biases = {"fc1.bias": "embed.b_E", f"{last}.bias": "unembed.b_U"}
    if last == "fc3":
        biases["fc2.bias"] = "blocks.1.linear.b_in"
    return ours | {ours_: tensors[theirs] for theirs, ours_ in biases.items() if theirs in tensors}


def _problem(own: Mapping[str, Tensor]) -> str:
    """What is wrong with a norm's tensors, if anything: a batch norm runs on both of its statistics."""
    parts = {name.rpartition(".")[2]: name for name in own}
    batch = parts.keys() & {"running_mean", "running_var", "num_batches_tracked"}
    if not batch and not next(iter(own)).startswith("bn"):
        return ""
    missing = [part for part in ("running_mean", "running_var") if part not in parts]
    return f"{next(iter(own))} is of a batch norm, but there is no {missing[0]} beside it" if missing else ""


def _norm_weights(own: Mapping[str, Tensor], kind: str, width: int) -> dict[str, Tensor]:
    """A norm's tensors under the names of a `HookedMLP`; a weight of 1 and a bias of 0 where it has none."""
    filled = {"weight": torch.ones(width), "bias": torch.zeros(width)}
    if kind == "batch":
        filled["num_batches_tracked"] = torch.tensor(0)
    filled |= {name.rpartition(".")[2]: tensor for name, tensor in own.items()}
    return {f"blocks.0.mlp.norm.{part}": tensor for part, tensor in filled.items()}


DOSHI = Dialect(
    NAME,
    "MLP of one or two hidden layers over one-hot pairs, with or without a norm after the activation",
    "arXiv 2310.13061",
    (with_norm("norm"), THREE_LAYERS),
    readings,
)

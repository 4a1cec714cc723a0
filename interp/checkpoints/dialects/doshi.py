"""Checkpoints of Doshi et al. (arXiv 2310.13061): linear layers over concatenated one-hot operands."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from interp.checkpoints.builders import mlp_readings
from interp.checkpoints.dialect import Dialect, ForeignFile, Reading, Unfit
from interp.checkpoints.layouts import Layout

NORMS = ("norm", "norm1", "bn", "bn1", "ln", "ln1")  # seen names of the norm after the activation
TWO_LAYERS = Layout({"fc1.weight": "N 2p", "fc2.weight": "p N", "fc1.bias?": "N", "fc2.bias?": "p"})
THREE_LAYERS = Layout(
    {"fc1.weight": "N 2p", "fc2.weight": "N N", "fc3.weight": "p N"}
    | {"fc1.bias?": "N", "fc2.bias?": "N", "fc3.bias?": "p"}
)


def with_norm(name: str) -> Layout:
    """Two linear layers with a norm of that name, a layer norm or a batch norm."""
    parts = {"weight": "N", "bias": "N", "running_mean": "N", "running_var": "N", "num_batches_tracked": ""}
    return Layout({**TWO_LAYERS.tensors, **{f"{name}.{part}?": axes for part, axes in parts.items()}})


def readings(file: ForeignFile) -> list[Reading]:
    """Every way to read a file as one of these networks: x² and ReLU, unless something says which."""
    norm = next((name for name in NORMS if any(key.startswith(f"{name}.") for key in file.tensors)), None)
    layout, sizes = file.fit(TWO_LAYERS if norm is None else with_norm(norm), THREE_LAYERS)
    deep = layout is THREE_LAYERS
    kind, weights = "none", _weights(file.tensors, sizes["p"])
    if norm is not None:
        kind, own = _norm({n: t for n, t in file.tensors.items() if n.startswith(f"{norm}.")}, sizes["N"])
        weights |= own
    activation = file.activation(*(("relu", "square") if deep else ("square", "relu")))
    return mlp_readings(file, weights, p=sizes["p"], activation=activation, depth=3 if deep else 2, norm=kind)


def _weights(tensors: Mapping[str, Tensor], p: int) -> dict[str, Tensor]:
    deep = "fc3.weight" in tensors
    last = "fc3" if deep else "fc2"
    first = tensors["fc1.weight"]
    embed = torch.stack([first[:, :p].T, first[:, p:].T])
    ours = {"embed.W_E": embed, "unembed.W_U": tensors[f"{last}.weight"].T}
    biases = {"fc1.bias": "embed.b_E", f"{last}.bias": "unembed.b_U"}
    if deep:
        ours["blocks.1.linear.W_in"] = tensors["fc2.weight"].T
        biases["fc2.bias"] = "blocks.1.linear.b_in"
    return ours | {own: tensors[theirs] for theirs, own in biases.items() if theirs in tensors}


def _norm(tensors: Mapping[str, Tensor], width: int) -> tuple[str, dict[str, Tensor]]:
    """A norm's kind, and its tensors by our names; a weight of 1 and a bias of 0 where it has none."""
    first = next(iter(tensors))
    parts = {name.rpartition(".")[2]: tensor for name, tensor in tensors.items()}
    if parts.keys() & {"running_mean", "running_var", "num_batches_tracked"} or first.startswith("bn"):
        for part in ("running_mean", "running_var"):
            if part not in parts:
                raise Unfit(f"{first} is of a batch norm, but there is no {part} beside it")
    filled = {"weight": torch.ones(width), "bias": torch.zeros(width)}
    if batch := "running_mean" in parts:
        filled["num_batches_tracked"] = torch.tensor(0)
    ours = {f"blocks.0.mlp.norm.{part}": tensor for part, tensor in (filled | parts).items()}
    return "batch" if batch else "layer", ours


DIALECT = Dialect(
    "doshi",
    10,
    "MLP of one or two hidden layers over one-hot pairs, with or without a norm after the activation",
    "arXiv 2310.13061",
    (with_norm("norm"), THREE_LAYERS),
    readings,
)

"""The linear models of Zhong et al. (arXiv 2306.17844): embeddings and linear layers, as MLPs over one-hot operands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from interp.checkpoints.dialect import (
    Fact,
    Hints,
    Reading,
    activation_fact,
    modulus_of_shape,
    setting,
    settle,
)
from interp.checkpoints.layouts import Layout
from interp.checkpoints.networks import mlp_readings
from interp.checkpoints.unwrap import StoredWeights

_FIRST = {"l1.weight": "h d", "l1.bias": "h"}
_OUT = {"unembed.weight": "p h"}
LAYOUTS = {
    "D": Layout({"embed.weight": "p d", "l1.weight": "h 2d", "l1.bias": "h", **_OUT}),
    "A": Layout({"embed.weight": "p d", **_FIRST, **_OUT}),
    "X": Layout({"embed1.weight": "p d", "embed2.weight": "p d", **_FIRST, **_OUT}),
    "B or C": Layout(
        {"embed.weight": "p d", **_FIRST, "l2.weight": "h h", "l2.bias": "h", "unembed.weight": "p h"}
    ),
}
"""By the model's letter: D reads the operands side by side, A, B and C their sum, X their sum from two tables.

B and C have a second hidden layer; C adds the bias of the first once for each operand.
"""


def linear_readings(stored: StoredWeights, hints: Hints, dialect: str, model: str, p: int) -> list[Reading]:
    """Readings of a file that fits the layout of a model: as B and as C if the settings do not say which."""
    letter = setting(stored, "model_type")
    letters = Fact((model,))
    if model == "B or C":
        letters = settle("model_type", None, letter if letter in ("B", "C") else None, ("B", "C"))
    found = []
    for chosen in letters.values:
        readings = mlp_readings(
            stored,
            hints,
            dialect,
            folded(stored.tensors, chosen),
            p=modulus_of_shape(stored, hints, p),
            activation=replace(activation_fact(stored, hints, ("relu",)), said=True),
            tied=chosen in "ABC",
            depth=3 if chosen in "BC" else 2,
            told=f", model {chosen}",
        )
        unsaid = () if letters.said else (f"model_type {chosen}",)
        found += [replace(reading, assumed=(*reading.assumed, *unsaid)) for reading in readings]
    return found


def folded(tensors: Mapping[str, Tensor], model: str) -> dict[str, Tensor]:
    """The weights under the names of a `HookedMLP`: the first layer's matrix is multiplied into the embedding.

    Args:
        tensors: Of the file.
        model: The model's letter.
    """
    first, bias = tensors["l1.weight"].double(), tensors["l1.bias"]
    if model == "D":
        tables = [tensors["embed.weight"].double() @ half.T for half in first.chunk(2, dim=1)]
    else:
        names = ("embed1.weight", "embed2.weight") if model == "X" else ("embed.weight",)
        tables = [tensors[name].double() @ first.T for name in names]
    weights = {
        "embed.W_E": torch.stack(tables).to(bias.dtype),
        "embed.b_E": 2 * bias if model == "C" else bias,
        "unembed.W_U": tensors["unembed.weight"].T,
    }
    if model in "BC":
        weights |= {
            "blocks.1.linear.W_in": tensors["l2.weight"].T,
            "blocks.1.linear.b_in": tensors["l2.bias"],
        }
    return weights

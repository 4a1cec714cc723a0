"""Checkpoints of Zhong et al. (arXiv 2306.17844): transformers with an attention mixture, and linear models as MLPs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from interp.checkpoints.builders import mlp_readings, tokens_of, transformer_readings
from interp.checkpoints.dialect import Dialect, Fact, ForeignFile, Reading, Unfit, settle
from interp.checkpoints.dialects.nanda import OUTPUT_FIRST, input_first
from interp.checkpoints.layouts import Layout

_REST = {"l1.weight": "h d", "l1.bias": "h", "unembed.weight": "p h"}
LINEAR = {
    "D": Layout({"embed.weight": "p d", **_REST, "l1.weight": "h 2d"}),
    "A": Layout({"embed.weight": "p d", **_REST}),
    "X": Layout({"embed1.weight": "p d", "embed2.weight": "p d", **_REST}),
    "B or C": Layout(
        {"embed.weight": "p d", "l1.weight": "h d", "l1.bias": "h", "l2.weight": "h h", "l2.bias": "h"}
        | {"unembed.weight": "p h"}
    ),
}
"""By the model's letter: D reads the operands side by side, A, B and C their sum, X their sum from two tables. B and C
have a second hidden layer; C adds the bias of the first once for each operand."""


def readings(file: ForeignFile) -> list[Reading]:
    """Every way to read a file as one of these networks."""
    layout, sizes = file.fit(OUTPUT_FIRST, *LINEAR.values())
    if layout is not OUTPUT_FIRST:
        return _linear(file, next(name for name, known in LINEAR.items() if known is layout), sizes["p"])
    signed, shifted = file.setting("eqn_sign"), file.setting("diff_vocab")
    if sizes["T"] not in (2, 3) or (signed is not None and sizes["T"] != 2 + bool(signed)):
        expected = "2 or 3" if signed is None else 2 + bool(signed)
        raise Unfit(f"pos_embed.W_pos has {sizes['T']} positions; expected {expected}")
    weights = input_first(file.tensors)
    shifts = (False, True) if shifted is None else (bool(shifted),)
    return transformer_readings(
        file,
        weights,
        tokens=tokens_of(file, weights, shifted=shifts),
        activation=file.activation("relu", "gelu"),
        causal=Fact((False,)),  # the code behind arXiv 2306.17844 stores masks and never applies them
        attn_coeff=file.coefficient(assumed=True),
    )


def _linear(file: ForeignFile, model: str, p: int) -> list[Reading]:
    """Readings of a linear model: as B and as C if the settings do not say which."""
    letter = file.setting("model_type")
    letters = Fact((model,))
    if model == "B or C":
        letters = settle("model_type", None, letter if letter in ("B", "C") else None, ("B", "C"))
    readings: list[Reading] = []
    for letter in letters.values:
        assumed = () if letters.known else (f"model_type {letter}",)
        depth, tied = 3 if letter in "BC" else 2, letter in "ABC"
        relu = file.activation("relu", assumed=False)
        weights, note = _folded(file.tensors, letter), f", model {letter}"
        for reading in mlp_readings(file, weights, p=p, activation=relu, note=note, depth=depth, tied=tied):
            readings.append(replace(reading, assumed=(*reading.assumed, *assumed)))
    return readings


def _folded(tensors: Mapping[str, Tensor], model: str) -> dict[str, Tensor]:
    """The weights under the names of a `HookedMLP`: the first layer's matrix is multiplied into the embedding."""
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
        weights["blocks.1.linear.W_in"] = tensors["l2.weight"].T
        weights["blocks.1.linear.b_in"] = tensors["l2.bias"]
    return weights


DIALECT = Dialect(
    "zhong",
    50,
    "transformer over 'a b' or 'a b =' with an attention mixture, or linear model with one or two hidden layers",
    "arXiv 2306.17844",
    (OUTPUT_FIRST, *LINEAR.values()),
    readings,
)

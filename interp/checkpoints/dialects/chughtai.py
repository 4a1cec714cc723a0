"""Checkpoints of Chughtai et al. (arXiv 2302.03025): group composition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from interp.checkpoints.builders import mlp_readings, tokens_of, transformer_readings
from interp.checkpoints.dialect import Dialect, Fact, ForeignFile, Reading, Unfit
from interp.checkpoints.dialects.transformer_lens import VERSION_2, without_buffers
from interp.checkpoints.layouts import Layout

MLP = Layout({"W_x": "p d", "W_y": "p d", "W": "2d h", "W_U": "h p"})
TRANSFORMER = Layout({**VERSION_2.tensors, "x_embed": "X d", "y_embed": "X d"})


def readings(file: ForeignFile) -> list[Reading]:
    """The file as one of these networks."""
    layout, sizes = file.fit(MLP, TRANSFORMER)
    relu = file.activation("relu", assumed=False)
    if layout is MLP:
        return mlp_readings(file, _folded(file.tensors), p=sizes["p"], activation=relu)
    if sizes["T"] != 3 or sizes["V"] != sizes["O"] + 1:
        raise Unfit("expected 3 positions, and one token more than outputs, for '='")
    weights = without_buffers(file.tensors, "x_embed", "y_embed")
    return transformer_readings(
        file,
        weights,
        tokens=tokens_of(file, weights, equals_last=False).with_notes(*_copies(file.tensors)),
        activation=relu,
        causal=Fact((True,)),
        attn_coeff=file.coefficient(),
    )


def _folded(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The embeddings and the matrix that reads them, as one table for each operand."""
    halves = tensors["W"].double().chunk(2)
    tables = [tensors[name].double() @ half for name, half in zip(("W_x", "W_y"), halves, strict=True)]
    return {"embed.W_E": torch.stack(tables).to(tensors["W"].dtype), "unembed.W_U": tensors["W_U"]}


def _copies(tensors: Mapping[str, Tensor]) -> Iterator[str]:
    """A note for each stored copy of the embedding that is none."""
    for name in ("x_embed", "y_embed"):
        if not torch.equal(tensors[name], tensors["embed.W_E"][: len(tensors[name])]):
            yield f"{name} differs from the first rows of embed.W_E, whose copy it should be; it was left out"


DIALECT = Dialect(
    "chughtai",
    30,
    "MLP over two embeddings, or transformer over 'a b =', that compose the elements of a group",
    "arXiv 2302.03025",
    (MLP, TRANSFORMER),
    readings,
)

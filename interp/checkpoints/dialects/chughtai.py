"""Checkpoints of Chughtai et al. (arXiv 2302.03025): group composition; here the cyclic groups, addition modulo n."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from interp.checkpoints.dialect import (
    Dialect,
    Fact,
    Hints,
    Reading,
    activation_fact,
    coefficient_fact,
    fitting,
    modulus_of_shape,
    setting,
    unfit,
)
from interp.checkpoints.dialects.transformer_lens import VERSION_2, without_buffers
from interp.checkpoints.layouts import Layout
from interp.checkpoints.networks import mlp_readings, tokens_fact, transformer_readings
from interp.checkpoints.unwrap import StoredWeights
from interp.errors import CheckpointError

NAME = "chughtai"
MLP = Layout({"W_x": "p d", "W_y": "p d", "W": "2d h", "W_U": "h p"})
TRANSFORMER = Layout({**VERSION_2.tensors, "x_embed": "X d", "y_embed": "X d"})


def readings(stored: StoredWeights, hints: Hints) -> list[Reading]:
    """The file as one of these networks.

    Raises:
        CheckpointError: Its settings name a group that is not cyclic.
    """
    layout, sizes, problem = fitting(stored, MLP, TRANSFORMER)
    if layout is None:
        return unfit(stored, hints, NAME, problem)
    _check_group(stored)
    if layout is MLP:
        return mlp_readings(
            stored,
            hints,
            NAME,
            _folded(stored.tensors),
            p=modulus_of_shape(stored, hints, sizes["p"]),
            activation=_relu(stored, hints),
        )
    if sizes["T"] != 3 or sizes["V"] != sizes["O"] + 1:
        problem = "expected 3 positions, and one token more than outputs, for '='"
        return unfit(stored, hints, NAME, problem)
    weights = without_buffers(stored.tensors, "x_embed", "y_embed")
    tokens = tokens_fact(stored, hints, weights, equals_last=False)
    return transformer_readings(
        stored,
        hints,
        NAME,
        weights,
        tokens=replace(tokens, notes=(*tokens.notes, *_copies(stored.tensors))),
        activation=_relu(stored, hints),
        causal=Fact((True,)),
        attn_coeff=coefficient_fact(stored, hints, said=True),
    )


def _check_group(stored: StoredWeights) -> None:
    group = setting(stored, "group")
    if group not in (None, "CyclicGroup"):
        raise CheckpointError(
            f"{str(stored.path)!r} composes elements of {group!r}, as its settings say; group composition other "
            "than cyclic (CyclicGroup: addition modulo n) is not supported"
        )


def _relu(stored: StoredWeights, hints: Hints) -> Fact[str]:
    """ReLU, which all of these networks have, unless the user says otherwise."""
    return replace(activation_fact(stored, hints, ("relu",)), said=True)


def _folded(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The embeddings and the matrix that reads them, as one table for each operand."""
    halves = tensors["W"].double().chunk(2)
    tables = [tensors[name].double() @ half for name, half in zip(("W_x", "W_y"), halves, strict=True)]
    return {"embed.W_E": torch.stack(tables).to(tensors["W"].dtype), "unembed.W_U": tensors["W_U"]}


def _copies(tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    """A note for each stored copy of the embedding that is none."""
    table = tensors["embed.W_E"]
    return tuple(
        f"{name} differs from the first rows of embed.W_E, whose copy it should be; it was left out"
        for name in ("x_embed", "y_embed")
        if not torch.equal(tensors[name], table[: len(tensors[name])])
    )


CHUGHTAI = Dialect(
    NAME,
    "MLP over two embeddings, or transformer over 'a b ='; cyclic groups only",
    "arXiv 2302.03025",
    (MLP, TRANSFORMER),
    readings,
)

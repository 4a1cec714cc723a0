"""Checkpoints of Nanda et al. (arXiv 2301.05217): a transformer over "a b =", its matrices output first."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from interp.checkpoints.builders import tokens_of, transformer_readings
from interp.checkpoints.dialect import Dialect, Fact, ForeignFile, Reading, Unfit
from interp.checkpoints.layouts import Layout

OUTPUT_FIRST = Layout(
    {
        "embed.W_E": "d V",
        "pos_embed.W_pos": "T d",
        **{f"blocks.L.attn.W_{name}": "H e d" for name in "KQV"},
        "blocks.L.attn.W_O": "d H*e",
        "blocks.L.mlp.W_in": "N d",
        "blocks.L.mlp.W_out": "d N",
        "unembed.W_U": "d V",
        "blocks.L.mlp.b_in?": "N",
        "blocks.L.mlp.b_out?": "d",
        "blocks.L.attn.mask?": "T T",
    }
)
"""Shared with Zhong et al., whose code descends from this one."""


def readings(file: ForeignFile) -> list[Reading]:
    """Every way to read a file as this network; none if its settings are those of Zhong et al."""
    _, sizes = file.fit(OUTPUT_FIRST)
    if sizes["T"] != 3:
        raise Unfit(f"pos_embed.W_pos has {sizes['T']} positions; expected 3, 'a b ='")
    coefficient, named = file.coefficient(), file.options.dialect == file.dialect
    theirs = file.setting("diff_vocab", "eqn_sign") is not None
    if coefficient.values != (1.0,) or (theirs and not named):
        raise Unfit(
            "an attention mixture or the settings diff_vocab and eqn_sign make it one of the dialect 'zhong'"
        )
    weights = input_first(file.tensors)
    return transformer_readings(
        file,
        weights,
        tokens=tokens_of(file, weights, equals_last=False),
        activation=file.activation("relu"),
        causal=_causal(file.tensors, sizes["L"]),
        attn_coeff=coefficient,
    )


def input_first(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights in the layout of a `SmallTransformer`, under the same names; masks are left out."""

    def turned(name: str) -> Tensor:
        tensor, part = tensors[name], name.rsplit(".", 1)[-1]
        if part in ("W_K", "W_Q", "W_V"):
            return tensor.transpose(1, 2)
        if part == "W_O":
            n_heads, d_head, _ = tensors[name.replace("W_O", "W_K")].shape
            return tensor.T.unflatten(0, (n_heads, d_head))
        return tensor.T if part in ("W_E", "W_in", "W_out") else tensor

    return {name: turned(name) for name in tensors if not name.endswith(".mask")}


def _causal(tensors: Mapping[str, Tensor], n_layers: int) -> Fact[bool]:
    masks = [tensors.get(f"blocks.{layer}.attn.mask") for layer in range(n_layers)]
    if any(mask is None for mask in masks):
        return Fact((True,), known=False)
    return Fact((all(not mask.triu(1).any() for mask in masks if mask is not None),))


DIALECT = Dialect(
    "nanda",
    40,
    "transformer over 'a b =', ReLU, no norms, causal",
    "arXiv 2301.05217",
    (OUTPUT_FIRST,),
    readings,
)

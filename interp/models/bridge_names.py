"""Names and layouts of a transformer's weights: TransformerLens 4's (its bridge) and ours (TransformerLens 2's)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from interp.errors import CheckpointError, near_matches

_BLOCK = re.compile(r"(blocks\.\d+\.)?(.+)")
_NAMES = {
    "embed.weight": "embed.W_E",
    "pos_embed.weight": "pos_embed.W_pos",
    **{f"attn.{part}.weight": f"attn.W_{part.upper()}" for part in "qkvo"},
    **{f"attn.{part}.bias": f"attn.b_{part.upper()}" for part in "qkvo"},
    **{f"mlp.{part}.weight": f"mlp.W_{part}" for part in ("in", "out")},
    **{f"mlp.{part}.bias": f"mlp.b_{part}" for part in ("in", "out")},
    **{f"{norm}.weight": f"{norm}.w" for norm in ("ln1", "ln2", "ln_final")},
    **{f"{norm}.bias": f"{norm}.b" for norm in ("ln1", "ln2", "ln_final")},
    "unembed.weight": "unembed.W_U",
    "unembed.bias": "unembed.b_U",
}
"""Names in a bridge's state dict, and the same tensors' names in a `SmallTransformer`."""


def from_bridge_names(state: Mapping[str, Tensor], n_heads: int) -> dict[str, Tensor]:
    """A bridge's state dict (TransformerLens 4) under the names and in the layout of a `SmallTransformer`; views.

    The file does not say how many heads share a matrix.

    Raises:
        CheckpointError: A name is none of a bridge's, or the heads do not divide a matrix.

    Example:
        >>> import torch
        >>> small = from_bridge_names({"blocks.0.attn.q.weight": torch.zeros(6, 4)}, n_heads=3)
        >>> {name: tuple(tensor.shape) for name, tensor in small.items()}
        {'blocks.0.attn.W_Q': (3, 4, 2)}
    """
    renamed = {_renamed(name, _NAMES): tensor for name, tensor in state.items()}
    return {name: _to_small(name, tensor, n_heads) for name, tensor in renamed.items()}


def to_bridge_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a `SmallTransformer` under the names and in the layout of a bridge (TransformerLens 4).

    Raises:
        CheckpointError: A name is none of a `SmallTransformer`'s.

    Example:
        >>> import torch
        >>> bridged = to_bridge_names({"blocks.0.mlp.W_in": torch.zeros(4, 9)})
        >>> {name: tuple(tensor.shape) for name, tensor in bridged.items()}
        {'blocks.0.mlp.in.weight': (9, 4)}
    """
    names = {small: bridge for bridge, small in _NAMES.items()}
    return {_renamed(name, names): _to_bridge(name, tensor) for name, tensor in weights.items()}


def _renamed(name: str, names: Mapping[str, str]) -> str:
    match = _BLOCK.fullmatch(name)
    block, part = (match[1] or "", match[2]) if match else ("", name)
    if part not in names:
        raise CheckpointError(f"a transformer has no tensor {name!r}; {near_matches(part, names)}")
    return block + names[part]


def _to_small(name: str, tensor: Tensor, n_heads: int) -> Tensor:
    part = name.rsplit(".", 1)[-1]
    if part[2:] in ("Q", "K", "V", "O") and part != "b_O":
        width = tensor.shape[1] if part == "W_O" else tensor.shape[0]
        if width % n_heads:
            raise CheckpointError(
                f"{name!r} has {width} rows for its heads, which {n_heads} heads cannot share"
            )
        heads = (tensor.T if part == "W_O" else tensor).unflatten(0, (n_heads, width // n_heads))
        return heads.transpose(1, 2) if part in ("W_Q", "W_K", "W_V") else heads
    return tensor.T if part in ("W_in", "W_out", "W_U") else tensor


def _to_bridge(name: str, tensor: Tensor) -> Tensor:
    part = name.rsplit(".", 1)[-1]
    if part in ("W_Q", "W_K", "W_V"):
        return tensor.transpose(1, 2).flatten(0, 1)
    if part in ("b_Q", "b_K", "b_V"):
        return tensor.flatten()
    if part == "W_O":
        return tensor.flatten(0, 1).T
    return tensor.T if part in ("W_in", "W_out", "W_U") else tensor


def is_bias(name: str) -> bool:
    """True if a `SmallTransformer`'s tensor of that name is a bias of its heads, neurons or output."""
    return name.rsplit(".", 1)[-1].startswith("b_")

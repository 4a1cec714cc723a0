"""Norms and neighbouring matrices of a small transformer, folded together."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from interp.models.suffix import Affine, LastBlock
from interp.models.transformer_parts import Norm, TransformerBlock


def folded(norm: nn.Module, matrix: Tensor, bias: Tensor | None = None) -> Affine:
    """A norm, or none (`nn.Identity`), and the matrix and bias after it.

    Example:
        >>> norm, x = Norm(4, "layer"), torch.tensor([[1.0, 2, 3, 5]])
        >>> bool(torch.allclose(folded(norm, torch.eye(4))(x), norm(x), atol=1e-6))
        True
    """
    matrix = matrix.detach()
    bias = matrix.new_zeros(matrix.shape[1]) if bias is None else bias.detach()
    if not isinstance(norm, Norm):
        return Affine(matrix, bias, None)
    if norm.w is not None and norm.b is not None:
        matrix, bias = norm.w.detach()[:, None] * matrix, norm.b.detach() @ matrix + bias
    return Affine(matrix - matrix.mean(0), bias, norm.eps)


@torch.no_grad()
def last_block(block: TransformerBlock, position: int, head: Affine) -> LastBlock:
    """A block as it acts on one position, and what makes logits of its output."""
    attn, mlp = block.attn, block.mlp
    visible = attn.mask[position].nonzero()[:, 0].tolist()

    def projection(name: str) -> Affine:
        weight, bias = getattr(attn, f"W_{name}"), getattr(attn, f"b_{name}")
        flat = weight.transpose(0, 1).flatten(1)
        return folded(block.ln1, flat, None if bias is None else bias.flatten())

    def detached(bias: Tensor | None) -> Tensor:
        return attn.W_O.new_zeros(attn.W_O.shape[-1]) if bias is None else bias.detach()

    return LastBlock(
        query=projection("Q"),
        key=projection("K"),
        value=projection("V"),
        mix=attn.W_O.detach().flatten(0, 1),
        mix_bias=detached(attn.b_O),
        n_heads=len(attn.W_O),
        coeff=attn.coeff,
        visible=tuple(visible),
        readout=visible.index(position),
        neurons=folded(block.ln2, mlp.W_in, mlp.b_in),
        activation=mlp.activation,
        writes=mlp.W_out.detach(),
        writes_bias=detached(mlp.b_out),
        head=head,
    )

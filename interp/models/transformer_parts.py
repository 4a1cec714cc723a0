"""Parts of small transformers, under TransformerLens' names for weights and hook points."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from interp.hook_points import HookedRootModule, HookPoint
from interp.models.layers import Linear
from interp.models.protocol import check_tokens

Stream = Float[Tensor, "example position d_model"]


class Norm(nn.Module):
    """Layer norm with weights `w` and `b`, or without any ("pre": they were folded into the next layer)."""

    def __init__(self, width: int, kind: str, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.w = nn.Parameter(torch.ones(width)) if kind == "layer" else None
        self.b = nn.Parameter(torch.zeros(width)) if kind == "layer" else None
        self.hook_normalized = HookPoint()

    def forward(self, x: Tensor) -> Tensor:
        return self.hook_normalized(F.layer_norm(x, x.shape[-1:], self.w, self.b, self.eps))


def make_norm(width: int, kind: str) -> nn.Module:
    """A norm of one of the kinds ``"none"``, ``"layer"``, ``"pre"``."""
    return nn.Identity() if kind == "none" else Norm(width, kind)


class Attention(nn.Module):
    """Attention with hook points ``hook_q``, ``hook_k``, ``hook_v``, ``hook_pattern`` and ``hook_z``.

    The pattern is ``c * softmax + (1 - c)`` with c = `attn_coeff` (arXiv 2306.17844); 1 is ordinary attention.
    """

    mask: Tensor

    def __init__(
        self, d_model: int, n_heads: int, d_head: int, *, n_ctx: int, causal: bool, coeff: float, bias: bool
    ) -> None:
        super().__init__()
        self.coeff = coeff
        for name in "QKV":
            self.register_parameter(f"W_{name}", nn.Parameter(torch.empty(n_heads, d_model, d_head)))
            empty = nn.Parameter(torch.zeros(n_heads, d_head)) if bias else None
            self.register_parameter(f"b_{name}", empty)
        self.W_O = nn.Parameter(torch.empty(n_heads, d_head, d_model))
        self.b_O = nn.Parameter(torch.zeros(d_model)) if bias else None
        visible = torch.ones(n_ctx, n_ctx, dtype=torch.bool)
        self.register_buffer("mask", visible.tril() if causal else visible, persistent=False)
        self.hook_q, self.hook_k, self.hook_v = HookPoint(), HookPoint(), HookPoint()
        self.hook_attn_scores, self.hook_pattern, self.hook_z = HookPoint(), HookPoint(), HookPoint()

    def _projected(self, x: Stream, name: str) -> Float[Tensor, "example position head d_head"]:
        weight, bias = getattr(self, f"W_{name}"), getattr(self, f"b_{name}")
        n_heads, d_model, d_head = weight.shape
        flat = x @ weight.transpose(0, 1).reshape(d_model, n_heads * d_head)
        heads = flat.unflatten(-1, (n_heads, d_head))
        return heads if bias is None else heads + bias

    def heads(self, x: Stream, only: int | None) -> Float[Tensor, "example query head d_head"]:
        """Values gathered by each head, before `W_O`; for one query position only, if it is given."""
        asked = x if only is None else x[:, [only]]
        mask = self.mask if only is None else self.mask[[only]]
        q, k = self.hook_q(self._projected(asked, "Q")), self.hook_k(self._projected(x, "K"))
        v = self.hook_v(self._projected(x, "V"))
        # Of one query, plain sums beat many small products.
        one_query = only is not None and not torch.is_grad_enabled()
        if one_query:
            scores = (q * k).sum(-1).transpose(1, 2)[:, :, None] / q.shape[-1] ** 0.5
        else:
            scores = torch.einsum("eqhd,ekhd->ehqk", q, k) / q.shape[-1] ** 0.5
        scores = self.hook_attn_scores(scores.masked_fill(~mask, float("-inf")))
        pattern = scores.softmax(-1)
        if self.coeff != 1:
            pattern = self.coeff * pattern + (1 - self.coeff) * mask
        pattern = self.hook_pattern(pattern)
        if one_query:
            return self.hook_z((pattern[:, :, 0].transpose(1, 2)[..., None] * v).sum(1, keepdim=True))
        return self.hook_z(torch.einsum("ehqk,ekhd->eqhd", pattern, v))

    def mix(self, z: Float[Tensor, "example query head d_head"]) -> Float[Tensor, "example query d_model"]:
        """The heads' contribution to the residual stream."""
        out = z.flatten(-2) @ self.W_O.flatten(0, 1)
        return out if self.b_O is None else out + self.b_O


class TransformerMLP(nn.Module):
    """The neurons of a block: ``hook_pre``, activation, ``hook_post``."""

    def __init__(self, d_model: int, width: int, activation: Callable[[Tensor], Tensor], bias: bool) -> None:
        super().__init__()
        self.W_in, self.W_out = (
            nn.Parameter(torch.empty(d_model, width)),
            nn.Parameter(torch.empty(width, d_model)),
        )
        self.b_in = nn.Parameter(torch.zeros(width)) if bias else None
        self.b_out = nn.Parameter(torch.zeros(d_model)) if bias else None
        self.activation = activation
        self.hook_pre, self.hook_post = HookPoint(), HookPoint()

    def forward(self, x: Tensor) -> Tensor:
        pre = x @ self.W_in if self.b_in is None else x @ self.W_in + self.b_in
        post = self.hook_post(self.activation(self.hook_pre(pre)))
        out = post @ self.W_out
        return out if self.b_out is None else out + self.b_out


class TransformerBlock(nn.Module):
    """Attention, then neurons if there are any, each added to the residual stream."""

    def __init__(self, norm: str, attn: Attention, mlp: TransformerMLP | None = None) -> None:
        super().__init__()
        d_model, self.has_neurons = attn.W_O.shape[-1], mlp is not None
        self.hook_resid_pre, self.hook_attn_out, self.hook_resid_post = HookPoint(), HookPoint(), HookPoint()
        self.ln1, self.attn = make_norm(d_model, norm), attn
        if mlp is not None:
            self.hook_resid_mid, self.hook_mlp_out = HookPoint(), HookPoint()
            self.ln2, self.mlp = make_norm(d_model, norm), mlp

    def forward(self, resid: Stream, only: int | None = None) -> Float[Tensor, "example query d_model"]:
        """The stream after the block; at one position only, if it is given."""
        resid = self.hook_resid_pre(resid)
        z = self.attn.heads(self.ln1(resid), only)
        return self.from_heads(z, resid if only is None else resid[:, [only]])

    def from_heads(self, z: Tensor, resid: Stream) -> Stream:
        """The rest of the block, given what the heads gathered and the stream that entered it."""
        resid = resid + self.hook_attn_out(self.attn.mix(z))
        if self.has_neurons:
            resid = self.hook_resid_mid(resid)
            resid = resid + self.hook_mlp_out(self.mlp(self.ln2(resid)))
        return self.hook_resid_post(resid)


class Embedding(nn.Module):
    """A row of `W_E` for each token."""

    def __init__(self, vocab: int, d_model: int) -> None:
        super().__init__()
        self.W_E = nn.Parameter(torch.empty(vocab, d_model))

    def forward(self, tokens: Tensor) -> Tensor:
        return F.embedding(tokens, self.W_E)


class PositionEmbedding(nn.Module):
    """A row of `W_pos` for each position."""

    def __init__(self, n_ctx: int, d_model: int) -> None:
        super().__init__()
        self.W_pos = nn.Parameter(torch.empty(n_ctx, d_model))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.W_pos[: tokens.shape[1]].expand(*tokens.shape, -1)


class TransformerStack(HookedRootModule):
    """Embeddings, blocks and the unembedding of the residual stream that they write to."""

    def __init__(
        self, vocab: int, n_ctx: int, blocks: Iterable[TransformerBlock], norm: str, unembed: Linear
    ) -> None:
        super().__init__()
        d_model = unembed.weight.shape[0]
        self.vocab, self.n_ctx = vocab, n_ctx
        self.embed, self.hook_embed = Embedding(vocab, d_model), HookPoint()
        self.pos_embed, self.hook_pos_embed = PositionEmbedding(n_ctx, d_model), HookPoint()
        self.blocks = nn.ModuleList(blocks)
        self.ln_final, self.unembed = make_norm(d_model, norm), unembed
        self.setup()

    @property
    def layers(self) -> list[TransformerBlock]:
        """The blocks, first to last."""
        return list(self.blocks)  # type: ignore[arg-type]

    @torch.no_grad()
    def initialise(self, seed: int, embed_scale: float, scale: float, **fan_in: int) -> None:
        """Weights as in PyTorch's own layers: embeddings normal, matrices uniform within scale/sqrt(fan-in).

        The fan-in of matrices that `fan_in` does not name is the width of the stream.
        """
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            part = name.rsplit(".", 1)[-1]
            if part in ("W_E", "W_pos"):
                parameter.normal_(0, embed_scale, generator=generator)
            elif part.startswith("W_"):
                bound = scale * fan_in.get(part, self.unembed.weight.shape[0]) ** -0.5
                parameter.uniform_(-bound, bound, generator=generator)

    def embedded(self, tokens: Int[Tensor, "example position"]) -> Stream:
        """The residual stream that enters the first block."""
        check_tokens(tokens, self.vocab, self.n_ctx, training=self.training)
        return self.hook_embed(self.embed(tokens)) + self.hook_pos_embed(self.pos_embed(tokens))

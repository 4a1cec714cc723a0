"""The end of a transformer in few matrices, so that small changes of the stream that enters it are cheap to follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, eq=False)
class Affine:
    """``x @ matrix + bias``, of x itself or of x after a layer norm whose weights are folded into both.

    Attributes:
        matrix: With columns of mean 0 after a norm, so that the mean of x is no matter.
        bias: Added in the end.
        eps: Added to the variance by the norm; None: there is no norm.

    Example:
        >>> import torch
        >>> part = Affine(torch.eye(2) - 0.5, torch.ones(2), eps=0.0)
        >>> part(torch.tensor([[3.0, 5.0]])).tolist()
        [[0.0, 2.0]]
    """

    matrix: Float[Tensor, "stream output"]
    bias: Float[Tensor, " output"]
    eps: float | None

    def centred(self, x: Float[Tensor, "*axes stream"]) -> Float[Tensor, "*axes stream"]:
        """x without its mean if a norm takes that away, else x."""
        return x if self.eps is None else x - x.mean(-1, keepdim=True)

    def __call__(self, x: Float[Tensor, "*axes stream"]) -> Float[Tensor, "*axes output"]:
        """Outputs for some streams."""
        if self.eps is None:
            return x @ self.matrix + self.bias
        x = self.centred(x)
        return (x * (x.square().mean(-1, keepdim=True) + self.eps).rsqrt()) @ self.matrix + self.bias


@dataclass(frozen=True, eq=False)
class LastBlock:
    """A transformer's last block at the position of the answer, and the logits made from it.

    Attributes:
        query, key, value: The heads' projections, side by side: head h is columns ``h * d_head`` and on.
        mix: The matrix that reads what the heads gather, ``(head * d_head, stream)``.
        mix_bias: Added to it.
        n_heads: Heads of the block.
        coeff: c in the attention pattern ``c * softmax + 1 - c``.
        visible: Positions that the answer's attends to.
        readout: Which of `visible` is the answer's own.
        neurons: From the stream to the neurons' inputs.
        activation: Of the neurons.
        writes: The neurons' output weights.
        writes_bias: Added to it.
        head: From the last stream to the logits.
    """

    query: Affine
    key: Affine
    value: Affine
    mix: Float[Tensor, "value stream"]
    mix_bias: Float[Tensor, " stream"]
    n_heads: int
    coeff: float
    visible: tuple[int, ...]
    readout: int
    neurons: Affine
    activation: Callable[[Tensor], Tensor]
    writes: Float[Tensor, "neuron stream"]
    writes_bias: Float[Tensor, " stream"]
    head: Affine

    def by_head(self, x: Float[Tensor, "*axes all"]) -> Float[Tensor, "*axes head d_head"]:
        """Projections with an axis of heads."""
        return x.unflatten(-1, (self.n_heads, -1))

    @cached_property
    def _matrices(self) -> tuple[Tensor, Tensor]:
        """Matrices of keys and values by head, ``(head, d_head, stream)`` and ``(head, stream, d_head)``."""
        key, value = (self.by_head(part.matrix).transpose(0, 1) for part in (self.key, self.value))
        return key.mT.contiguous(), value.contiguous()

    def __call__(self, stream: Float[Tensor, "example position d_model"]) -> Float[Tensor, "example output"]:
        """Logits, given the stream that enters the block: no key or value of a single position is computed."""
        x, (key, value) = stream[:, list(self.visible)], self._matrices
        own = x[:, self.readout]
        if self.key.eps is not None:
            x = F.layer_norm(x, x.shape[-1:], eps=self.key.eps)
        query = self.by_head(x[:, self.readout] @ self.query.matrix + self.query.bias)
        asked = torch.bmm(query.transpose(0, 1), key).transpose(0, 1)
        scores = torch.bmm(asked, x.mT) + (query * self.by_head(self.key.bias)).sum(-1, keepdim=True)
        pattern = (scores / query.shape[-1] ** 0.5).softmax(-1)
        if self.coeff != 1:
            pattern = self.coeff * pattern + (1 - self.coeff)
        taken = torch.bmm(torch.bmm(pattern, x).transpose(0, 1), value).transpose(0, 1).flatten(1)
        z = taken + self.value.bias * (self.coeff + (1 - self.coeff) * len(self.visible))
        resid = own + z @ self.mix + self.mix_bias
        post = self.activation(self.neurons(resid))
        return self.head(torch.addmm(resid + self.writes_bias, post, self.writes))


Suffix = Affine | LastBlock

"""The end of a transformer in few matrices, so that small changes of the stream that enters it are cheap to follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


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


Suffix = Affine | LastBlock

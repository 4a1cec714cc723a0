"""Parts of hooked networks: activations, seeded dropout, token tables and linear maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from interp.hook_points import HookedRootModule, HookPoint
from interp.models.protocol import check_tokens


class _Square(torch.autograd.Function):
    """x² with a gradient of one pass and no temporary, instead of PyTorch's three: a fifth of a training step."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.square(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.addcmul(x.new_zeros(()), gradient, x, value=2)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "square": _Square.apply,
    "relu": F.relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
    "abs": torch.abs,
}


class SeededDropout(nn.Module):
    """Dropout that draws from its own generator, so that a run can be continued exactly where it stopped.

    Without a generator it draws from PyTorch's global one.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        kept = torch.empty_like(x).bernoulli_(1 - self.rate, generator=self.generator)
        return x * kept / (1 - self.rate)


class TokenInput(nn.Module):
    """The sum of one row for each input position: a first layer over concatenated one-hot tokens."""

    offsets: Tensor

    def __init__(self, n_tables: int, vocab: int, width: int, n_tokens: int, bias: bool) -> None:
        super().__init__()
        self.W_E = nn.Parameter(torch.empty(n_tables, vocab, width))
        self.b_E = nn.Parameter(torch.zeros(width)) if bias else None
        self.register_buffer(
            "offsets", torch.arange(n_tokens) * (vocab if n_tables > 1 else 0), persistent=False
        )

    def forward(self, inputs: Int[Tensor, "example token"]) -> Float[Tensor, "example neuron"]:
        check_tokens(inputs, self.W_E.shape[1], len(self.offsets), training=self.training)
        total = F.embedding_bag(inputs + self.offsets, self.W_E.flatten(0, 1), mode="sum")
        return total if self.b_E is None else total + self.b_E


class Linear(nn.Module):
    """``x @ W + b`` with TransformerLens' input-first layout and parameter names (`W_in`, `W_U`, …)."""

    def __init__(self, suffix: str, n_in: int, n_out: int, bias: bool) -> None:
        super().__init__()
        self.suffix = suffix
        self.register_parameter(f"W_{suffix}", nn.Parameter(torch.empty(n_in, n_out)))
        self.register_parameter(f"b_{suffix}", nn.Parameter(torch.zeros(n_out)) if bias else None)

    @property
    def weight(self) -> Tensor:
        return getattr(self, f"W_{self.suffix}")

    @property
    def bias(self) -> Tensor | None:
        return getattr(self, f"b_{self.suffix}")

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight if self.bias is None else torch.addmm(self.bias, x, self.weight)


def take_weights(twin: nn.Module, model: nn.Module) -> None:
    """Give `twin` the weights of a like network, with their device, precision, frozen ones and mode.

    Biases that only `twin` has stay as they are.
    """
    like = next(model.parameters())
    twin.to(like.device, like.dtype)
    twin.load_state_dict(model.state_dict(), strict=False)
    for name, parameter in model.named_parameters():
        twin.get_parameter(name).requires_grad_(parameter.requires_grad)
    twin.train(model.training)


def add_hook_points(
    model: HookedRootModule, names: list[str], kind: type[HookPoint] = HookPoint
) -> nn.ModuleList:
    """New hook points under these names, which TransformerLens' `setup` would name by attribute instead."""
    points = nn.ModuleList(kind() for _ in names)
    model.hook_dict = dict(zip(names, points, strict=True))  # type: ignore[arg-type]
    model.mod_dict = dict(model.hook_dict)
    for name, point in model.hook_dict.items():
        point.name = name
    return points

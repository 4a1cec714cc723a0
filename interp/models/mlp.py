"""The hooked multi-layer perceptron over one-hot tokens, on TransformerLens' `HookedRootModule`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from interp.errors import CheckpointError, ConfigError
from interp.hook_points import HookedRootModule, HookPoint
from interp.models.layers import ACTIVATIONS, Linear, SeededDropout, TokenInput, take_weights
from interp.models.protocol import NeuronSite, Prefix, check_site
from interp.models.shapes import MLPConfig

MAX_PARAMETERS = 2_000_000_000
SIZES = ("vocab", "n_outputs", "n_tokens")


class HiddenLayer(nn.Module):
    """Pre-activations to what the next layer reads: dropout, activation, norm, with hooks around each."""

    def __init__(self, config: MLPConfig, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.activation = activation
        self.hook_pre = HookPoint()
        self.dropout = SeededDropout(config.dropout)
        self.norm: nn.Module | None = None
        if config.norm != "none":
            self.hook_mid = HookPoint()
            norm = nn.BatchNorm1d if config.norm == "batch" else nn.LayerNorm
            self.norm = norm(config.width)
        self.hook_post = HookPoint()

    def forward(self, pre: Float[Tensor, "example neuron"]) -> Float[Tensor, "example neuron"]:
        x = self.activation(self.dropout(self.hook_pre(pre)))
        if self.norm is not None:
            x = self.norm(self.hook_mid(x))
        return self.hook_post(x)


class Block(nn.Module):
    """One hidden layer, under the name that TransformerLens gives it: ``blocks.L.mlp``."""

    def __init__(self, config: MLPConfig, activation: Callable[[Tensor], Tensor], *, first: bool) -> None:
        super().__init__()
        self.linear = None if first else Linear("in", config.width, config.width, config.bias)
        self.mlp = HiddenLayer(config, activation)

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(x if self.linear is None else self.linear(x))


class HookedMLP(HookedRootModule):
    """``W φ(U e_a + V e_b)`` and its deeper relatives, with TransformerLens' hook points.

    Hook points of every hidden layer L: ``blocks.L.mlp.hook_pre`` (before dropout and activation),
    ``blocks.L.mlp.hook_mid`` (after the activation; only with a norm) and ``blocks.L.mlp.hook_post`` (what the
    next layer reads), each ``(example, neuron)``.

    Initial weights are normal: with the square activation and depth 2 of standard deviation 0.5/(2·width)^(1/3)
    (arXiv 2310.13061), else 1/sqrt(3·fan_in) as in PyTorch's linear layers.

    Args:
        vocab: How many values each input token has.
        n_outputs: Number of classes; as many as `vocab` unless given.
        n_tokens: Input positions.
        activation_fn: The activation, if the config says ``"custom"``.

    Example:
        >>> model = HookedMLP(MLPConfig(width=16), vocab=7)
        >>> logits, cache = model.run_with_cache(torch.tensor([[1, 2]]), names_filter="blocks.0.mlp.hook_post")
        >>> tuple(logits.shape), tuple(cache["blocks.0.mlp.hook_post"].shape)
        ((1, 7), (1, 16))
    """

    kind = "mlp"

    def __init__(
        self,
        config: MLPConfig,
        vocab: int,
        n_outputs: int | None = None,
        n_tokens: int = 2,
        *,
        seed: int = 0,
        activation_fn: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        if (config.activation == "custom") != (activation_fn is not None):
            raise ConfigError("a custom activation needs both activation='custom' and activation_fn=…")
        self.config, self.vocab, self.n_tokens = config, vocab, n_tokens
        self.n_outputs = vocab if n_outputs is None else n_outputs
        for name in SIZES:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")
        size = config.n_weights(vocab, self.n_outputs, n_tokens)
        if size > MAX_PARAMETERS:
            raise ConfigError(
                f"the network would have {size:,} weights; at most {MAX_PARAMETERS:,} are allowed"
            )
        activation = activation_fn or ACTIVATIONS[config.activation]
        self.embed = TokenInput(1 if config.tied else n_tokens, vocab, config.width, n_tokens, config.bias)
        self.blocks = nn.ModuleList(
            Block(config, activation, first=layer == 0) for layer in range(config.depth - 1)
        )
        self.unembed = Linear("U", config.width, self.n_outputs, config.bias)
        self._initialise(torch.Generator().manual_seed(seed))
        self.setup()

    @property
    def layers(self) -> list[Block]:
        """The hidden layers, first to last."""
        return list(self.blocks)  # type: ignore[arg-type]

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator) -> None:
        width, paper = self.config.width, self.config.activation == "square" and self.config.depth == 2
        hidden = [block.linear.weight for block in self.layers if block.linear is not None]
        for weight in [self.embed.W_E, *hidden, self.unembed.weight]:
            fan_in = self.n_tokens * self.vocab if weight is self.embed.W_E else width
            std = 0.5 / (2 * width) ** (1 / 3) if paper else (3 * fan_in) ** -0.5
            weight.normal_(0, std * self.config.init_scale, generator=generator)

    def forward(self, inputs: Int[Tensor, "example token"]) -> Float[Tensor, "example output"]:
        """Logits of token numbers in ``0 .. vocab - 1``."""
        x = self.embed(inputs)
        for block in self.layers:
            x = block(x)
        return self.unembed(x)

    def _layer_of(self, hook: str) -> int:
        names = [f"blocks.{layer}.mlp.hook_post" for layer in range(len(self.blocks))]
        return names.index(check_site(hook, names))

    def neuron_sites(self) -> tuple[NeuronSite, ...]:
        """One site for each hidden layer, first to last."""
        tables = tuple(table.T for table in self.embed.W_E) * (self.n_tokens if self.config.tied else 1)
        last = len(self.blocks) - 1
        return tuple(
            NeuronSite(
                hook=f"blocks.{layer}.mlp.hook_post",
                width=self.config.width,
                input_vectors=() if layer else tables,
                readout=self.unembed.weight if layer == last else None,
            )
            for layer in range(len(self.blocks))
        )

    def prefix(self, hook: str, inputs: Int[Tensor, "example token"]) -> Prefix:
        """The forward pass up to the neurons at `hook`, and the layers after them."""
        layer = self._layer_of(hook)
        reader, following = self.reader_of(layer), self.layers[layer + 1 :]
        activations = self.embed(inputs)
        for block in self.layers[: layer + 1]:
            activations = block(activations)

        def after(pre: Tensor) -> Tensor:
            if not following:
                return pre
            x = following[0].mlp(pre)
            for block in following[1:]:
                x = block(x)
            return self.unembed(x)

        weight = reader.weight
        bias = weight.new_zeros(weight.shape[1]) if reader.bias is None else reader.bias
        return Prefix(activations.detach(), after, weight, bias.expand(len(activations), -1))

    @torch.no_grad()
    def absorb(
        self, hook: str, scale: Float[Tensor, " neuron"], shift: Float[Tensor, " neuron"]
    ) -> HookedMLP:
        """A copy whose next layer reads ``activations * scale + shift``; see `HookedModel`."""
        layer = self._layer_of(hook)
        offset = shift @ self.reader_of(layer).weight
        activation = self.layers[0].mlp.activation if self.config.activation == "custom" else None
        config = replace(self.config, bias=self.config.bias or bool(offset.any()))
        edited = HookedMLP(config, self.vocab, self.n_outputs, self.n_tokens, activation_fn=activation)
        take_weights(edited, self)
        reader = edited.reader_of(layer)
        reader.weight.mul_(scale[:, None])
        if reader.bias is not None:
            reader.bias.add_(offset)
        return edited

    def reader_of(self, layer: int) -> Linear:
        """The matrix that reads a hidden layer's neurons."""
        following = self.layers[layer + 1 :]
        return following[0].linear or self.unembed if following else self.unembed

    def to_dict(self) -> dict[str, Any]:
        """Settings from which `from_dict` builds the same network, ready for JSON."""
        return {"kind": self.kind, **{size: getattr(self, size) for size in SIZES}, **asdict(self.config)}

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> HookedMLP:
        """Build an untrained network from `to_dict`; a `CheckpointError` if that is none of an MLP's."""
        sizes: dict[str, Any] = {key: settings.get(key) for key in SIZES}
        rest = {key: value for key, value in settings.items() if key not in ("kind", *SIZES)}
        try:
            return cls(MLPConfig(**rest), **sizes)
        except TypeError as error:
            raise CheckpointError(f"the stored model settings do not describe an MLP: {error}") from None

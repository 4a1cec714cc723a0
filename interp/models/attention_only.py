"""A transformer of attention layers alone, which predicts the next token at every position."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.errors import ConfigError, choose
from interp.models.layers import Linear, take_weights
from interp.models.protocol import NeuronSite, Prefix, check_site
from interp.models.transformer_parts import Attention, TransformerBlock, TransformerStack

PARTS = {"attn.hook_pattern": -3, "attn.hook_z": -2}
"""The hook points of a layer whose activations have an axis of heads, and which it is."""


@dataclass(frozen=True)
class AttentionOnlyConfig:
    """Shape of an `AttentionOnly`.

    Args:
        vocab: How many tokens there are, inputs and outputs alike.
        n_ctx: Tokens in a sequence.
        norm: ``"none"``, ``"layer"`` or ``"pre"`` before each layer and the output.
        embed_scale: Standard deviation of the initial embeddings; small ones make a plateau before induction heads.

    Raises:
        ConfigError: A value is out of range.
    """

    vocab: int = 32
    n_ctx: int = 32
    d_model: int = 64
    n_heads: int = 4
    d_head: int = 16
    n_layers: int = 2
    norm: str = "none"
    embed_scale: float = 1.0

    def __post_init__(self) -> None:
        choose("norm", self.norm, ("none", "layer", "pre"))
        for name, value in asdict(self).items():
            if name not in ("norm", "embed_scale") and value < 1:
                raise ConfigError(f"{name}={value} must be at least 1")
        if not 0 < self.embed_scale < float("inf"):
            raise ConfigError(f"embed_scale={self.embed_scale} must be above 0")


class AttentionOnly(TransformerStack):
    """Layers of causal attention from tokens to the logits of the next token at every position.

    Names of weights and hook points are TransformerLens': ``blocks.L.attn.hook_pattern`` ``(example, head, query,
    key)``, ``blocks.L.attn.hook_z`` ``(example, query, head, d_head)``. At both the heads are the neurons of a site, so
    that edits of heads are edits of neurons. Initial embeddings are normal, matrices uniform within 1/sqrt(fan-in).

    Example:
        >>> model = AttentionOnly(AttentionOnlyConfig(vocab=5, n_ctx=4))
        >>> hook = "blocks.0.attn.hook_pattern"
        >>> logits, cache = model.run_with_cache(torch.tensor([[0, 1, 2, 0]]), names_filter=hook)
        >>> tuple(logits.shape), tuple(cache[hook].shape)
        ((1, 4, 5), (1, 4, 4, 4))
    """

    def __init__(self, config: AttentionOnlyConfig, *, seed: int = 0) -> None:
        c = config
        blocks = (
            TransformerBlock(
                c.norm,
                Attention(c.d_model, c.n_heads, c.d_head, n_ctx=c.n_ctx, causal=True, coeff=1.0, bias=False),
            )
            for _ in range(c.n_layers)
        )
        super().__init__(c.vocab, c.n_ctx, blocks, c.norm, Linear("U", c.d_model, c.vocab, False))
        self.config = config
        self.initialise(seed, c.embed_scale, 1.0, W_O=c.n_heads * c.d_head)

    def forward(self, tokens: Int[Tensor, "example position"]) -> Float[Tensor, "example position output"]:
        """Logits of the token that follows each position."""
        return self._from(self.embedded(tokens), 0)

    def _from(self, resid: Tensor, layer: int) -> Tensor:
        """Logits, given the residual stream that enters a layer."""
        for block in self.layers[layer:]:
            resid = block(resid)
        return self.unembed(self.ln_final(resid))

    def neuron_sites(self) -> tuple[NeuronSite, ...]:
        """For each layer its heads, by their patterns and by what they gather."""
        last = {"attn.hook_z": self.config.n_ctx - 1}
        axes = {-3: ("example", "head", "query", "key"), -2: ("example", "position", "head", "dimension")}
        return tuple(
            NeuronSite(
                f"blocks.{layer}.{part}",
                self.config.n_heads,
                axis=axis,
                position=last.get(part),
                axes=axes[axis],
            )
            for layer in range(self.config.n_layers)
            for part, axis in PARTS.items()
        )

    def _layer_of(self, hook: str) -> tuple[int, str]:
        """The number of a site's layer, and the site's name in it."""
        check_site(hook, [site.hook for site in self.neuron_sites()], "heads")
        _, layer, part = hook.split(".", 2)
        return int(layer), part

    def prefix(self, hook: str, inputs: Int[Tensor, "example position"]) -> Prefix:
        """The forward pass up to a layer's heads; the rest of it gives the logits after the last position alone."""
        layer, part = self._layer_of(hook)
        block, at = self.layers[layer], f"blocks.{layer}"
        _, cache = self.run_with_cache(
            inputs, names_filter=[hook, f"{at}.hook_resid_pre", f"{at}.attn.hook_v"]
        )

        def after(activations: Tensor, resid: Tensor, v: Tensor) -> Tensor:
            heads = activations.movedim(-1, PARTS[part])
            z = torch.einsum("ehqk,ekhd->eqhd", heads, v) if part == "attn.hook_pattern" else heads
            return self._from(block.from_heads(z, resid), layer + 1)[:, -1]

        carried = (cache[f"{at}.hook_resid_pre"], cache[f"{at}.attn.hook_v"])
        return Prefix(cache[hook].movedim(PARTS[part], -1), after, carried=carried, has_positions=True)

    @torch.no_grad()
    def absorb(
        self, hook: str, scale: Float[Tensor, " neuron"], shift: Float[Tensor, " neuron"]
    ) -> AttentionOnly:
        """A copy whose heads write `scale` times as much; a `ConfigError` for a shift, as there are no biases."""
        layer, _ = self._layer_of(hook)
        if shift.any():
            raise ConfigError(
                "a head's shift cannot be saved: the network has no biases; scale heads instead"
            )
        twin = AttentionOnly(self.config)
        take_weights(twin, self)
        twin.layers[layer].attn.W_O.mul_(scale[:, None, None])
        return twin

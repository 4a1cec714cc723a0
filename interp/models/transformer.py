"""A small transformer of any depth, with or without norms, biases, causal or mixed attention."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from interp.errors import CheckpointError, ConfigError
from interp.models.folding import folded, last_block
from interp.models.layers import ACTIVATIONS, Linear, take_weights
from interp.models.mlp import MAX_PARAMETERS
from interp.models.prompt import Prompt
from interp.models.protocol import NeuronSite, Prefix, check_site, has_hooks
from interp.models.shapes import TransformerConfig
from interp.models.suffix import Suffix
from interp.models.transformer_parts import Attention, TransformerBlock, TransformerMLP, TransformerStack

OWN = ("kind", "vocab", "n_outputs", "prompt", "readout")  # settings that are no part of the shape
HEADS, NEURONS = "attn.hook_z", "mlp.hook_post"


class SmallTransformer(TransformerStack):
    """A transformer from operands to the logits at one position, with TransformerLens' hook points.

    Weights have TransformerLens 2's names and layout (``blocks.0.attn.W_Q`` is ``(head, d_model, d_head)``).

    Args:
        prompt: How operands become tokens; ``a b`` if None.
        readout: The position whose logits are the answer; -1 is the last.

    Attributes:
        readout_only: Compute the last block for the answer's position only. The logits are the same; what hooks of
            that block see has one position. Off unless set.

    Example:
        >>> model = SmallTransformer(TransformerConfig(), vocab=8, n_outputs=7, prompt=Prompt.parse("a b =", p=7))
        >>> logits, cache = model.run_with_cache(torch.tensor([[1, 2]]), names_filter="blocks.0.mlp.hook_post")
        >>> tuple(logits.shape), tuple(cache["blocks.0.mlp.hook_post"].shape)
        ((1, 7), (1, 3, 512))
    """

    kind = "transformer"

    def __init__(
        self,
        config: TransformerConfig,
        vocab: int,
        n_outputs: int,
        prompt: Prompt | None = None,
        *,
        readout: int = -1,
        seed: int = 0,
    ) -> None:
        prompt, c = prompt or Prompt(), config
        n_ctx = len(prompt)
        if not isinstance(readout, int) or not -n_ctx <= readout < n_ctx:
            raise ConfigError(f"readout={readout} is no position; the network reads {n_ctx} tokens, from 0")
        size = c.n_weights(vocab, n_outputs, n_ctx)
        if size > MAX_PARAMETERS or min(vocab, n_outputs) < 1:
            raise ConfigError(
                f"the network would have {size:,} weights, {vocab} tokens and {n_outputs} outputs; at most "
                f"{MAX_PARAMETERS:,} weights and at least one token and output are allowed"
            )
        blocks = (_block(config, n_ctx) for _ in range(c.n_layers))
        super().__init__(vocab, n_ctx, blocks, c.norm, Linear("U", c.d_model, n_outputs, c.bias))
        self.config, self.n_outputs, self.prompt = config, n_outputs, prompt
        self.readout, self.readout_only = readout % n_ctx, False
        self.initialise(seed, c.init_scale, c.init_scale, W_out=c.d_mlp)

    def forward(self, inputs: Int[Tensor, "example operand"]) -> Float[Tensor, "example output"]:
        """Logits of the answer."""
        return self._from(self.embedded(self.prompt(inputs)), 0, readout_only=self.readout_only)

    def _from(self, resid: Tensor, layer: int, *, readout_only: bool) -> Tensor:
        """Logits, given the residual stream that enters a layer."""
        for block in self.layers[layer:]:
            last = block is self.blocks[-1]
            resid = block(resid, self.readout if last and readout_only else None)
        return self._head(resid if resid.shape[1] == 1 else resid[:, [self.readout]])

    def _head(self, resid: Tensor) -> Tensor:
        """Logits, given the final stream at the answer's position."""
        return self.unembed(self.ln_final(resid)[:, 0])

    def neuron_sites(self) -> tuple[NeuronSite, ...]:
        """For each layer its attention heads and its neurons, first to last."""
        sites = []
        for layer, block in enumerate(self.layers):
            linear = layer == len(self.blocks) - 1 and self.config.norm == "none"
            readout = block.mlp.W_out @ self.unembed.weight if linear else None
            place: dict[str, Any] = {"position": self.readout, "axes": ("example", "position", "neuron")}
            neurons = NeuronSite(f"blocks.{layer}.{NEURONS}", self.config.d_mlp, readout=readout, **place)
            place |= {"axis": -2, "axes": ("example", "position", "head", "dimension")}
            heads = NeuronSite(f"blocks.{layer}.{HEADS}", self.config.n_heads, **place)
            sites += [heads, neurons]
        return tuple(sites)

    def _layer_of(self, hook: str) -> tuple[int, bool]:
        """The number of a site's layer, and True if the site is the layer's heads."""
        check_site(hook, [f"blocks.{i}.{part}" for i in range(len(self.blocks)) for part in (HEADS, NEURONS)])
        return int(hook.split(".")[1]), hook.endswith(HEADS)

    def prefix(self, hook: str, inputs: Int[Tensor, "example operand"]) -> Prefix:
        """The forward pass up to a layer's neurons or heads; in the last layer, at the answer's position only."""
        layer, heads = self._layer_of(hook)
        block, last = self.layers[layer], layer == len(self.blocks) - 1
        stream = f"blocks.{layer}.hook_resid_{'pre' if heads else 'mid'}"
        before, self.readout_only = self.readout_only, last
        try:
            _, cache = self.run_with_cache(inputs, names_filter=[hook, stream])
        finally:
            self.readout_only = before
        activations, resid = cache[hook], cache[stream]
        if last:
            resid = resid if resid.shape[1] == 1 else resid[:, [self.readout]]

        def after(resid: Tensor) -> Tensor:
            return self._head(resid) if last else self._from(resid, layer + 1, readout_only=True)

        if heads:

            def after_heads(z: Tensor, resid: Tensor) -> Tensor:
                z = z[:, None] if last else z
                return after(block.from_heads(z.transpose(-1, -2), resid))

            z = activations.transpose(-1, -2)
            return Prefix(z[:, 0] if last else z, after_heads, carried=(resid,), has_positions=not last)
        offset = resid if block.mlp.b_out is None else resid + block.mlp.b_out
        writes, suffix = block.mlp.W_out, self._suffix(layer)
        if not last:
            return Prefix(activations, after, writes, offset, has_positions=True, suffix=suffix)
        return Prefix(
            activations[:, 0], lambda stream: after(stream[:, None]), writes, offset[:, 0], suffix=suffix
        )

    @torch.no_grad()
    def _suffix(self, layer: int) -> Suffix | None:
        """The network after a layer in parts, where that is its last block or the logits alone, and without hooks."""
        following = self.layers[layer + 1 :]
        if len(following) > 1 or any(has_hooks(module) for module in self.modules()):
            return None
        head = folded(self.ln_final, self.unembed.weight, self.unembed.bias)
        return last_block(following[0], self.readout, head) if following else head

    @torch.no_grad()
    def absorb(
        self, hook: str, scale: Float[Tensor, " neuron"], shift: Float[Tensor, " neuron"]
    ) -> SmallTransformer:
        """A copy that reads ``activations * scale + shift`` of a layer's neurons or heads; see `HookedModel`."""
        layer, heads = self._layer_of(hook)
        reader, _ = _reader(self.layers[layer], heads)
        offset = shift @ (reader.sum(1) if heads else reader)
        config = replace(self.config, bias=self.config.bias or bool(offset.any()))
        edited = SmallTransformer(config, self.vocab, self.n_outputs, self.prompt, readout=self.readout)
        take_weights(edited, self)
        reader, bias = _reader(edited.layers[layer], heads)
        reader.mul_(scale.reshape(-1, *[1] * (reader.ndim - 1)))
        if bias is not None:
            bias.add_(offset)
        return edited

    def to_dict(self) -> dict[str, Any]:
        """Settings from which `from_dict` builds the same network, ready for JSON."""
        own = {name: getattr(self, name) for name in OWN} | {"prompt": str(self.prompt)}
        return {**own, **asdict(self.config)}

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> SmallTransformer:
        """Build an untrained network from `to_dict`; a `CheckpointError` if that is none of a transformer's."""
        rest = {key: value for key, value in settings.items() if key not in OWN}
        try:
            config = TransformerConfig(**rest)
            prompt = Prompt.parse(settings["prompt"], p=settings["n_outputs"])
            return cls(config, settings["vocab"], settings["n_outputs"], prompt, readout=settings["readout"])
        except (TypeError, KeyError, AttributeError) as error:
            raise CheckpointError(
                f"the stored model settings do not describe a transformer: {error!r}"
            ) from None


def _block(config: TransformerConfig, n_ctx: int) -> TransformerBlock:
    c = config
    attn = Attention(
        c.d_model, c.n_heads, c.d_head, n_ctx=n_ctx, causal=c.causal, coeff=c.attn_coeff, bias=c.bias
    )
    mlp = TransformerMLP(c.d_model, c.d_mlp, ACTIVATIONS[c.activation], c.bias)
    return TransformerBlock(c.norm, attn, mlp)


def _reader(block: TransformerBlock, heads: bool) -> tuple[nn.Parameter, nn.Parameter | None]:
    """The matrix that reads a block's heads or neurons, and its bias."""
    return (block.attn.W_O, block.attn.b_O) if heads else (block.mlp.W_out, block.mlp.b_out)

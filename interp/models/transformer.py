"""A small transformer of any depth, with or without norms, biases, causal or mixed attention."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformer_lens import HookedRootModule
from transformer_lens.hook_points import HookPoint

from interp.errors import CheckpointError, ConfigError, HookNameError, near_matches
from interp.models.attention import (
    Attention,
    Embedding,
    PositionEmbedding,
    TransformerBlock,
    TransformerMLP,
    make_norm,
)
from interp.models.layers import ACTIVATIONS, Linear, take_weights
from interp.models.mlp import MAX_PARAMETERS
from interp.models.prompt import Prompt
from interp.models.protocol import NeuronSite, Prefix, check_tokens
from interp.models.shapes import TransformerConfig


class SmallTransformer(HookedRootModule):
    """A transformer from operands to the logits at one position, with TransformerLens' hook points.

    Weights have TransformerLens 2's names and layout (``blocks.0.attn.W_Q`` is ``(head, d_model, d_head)``).

    Args:
        config: The network's shape.
        vocab: How many tokens there are.
        n_outputs: Number of classes.
        prompt: How operands become tokens; ``a b`` if None.
        readout: The position whose logits are the answer; -1 is the last.
        seed: Of the initial weights.

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
        super().__init__()
        self.config, self.vocab, self.n_outputs = config, vocab, n_outputs
        self.prompt = prompt or Prompt()
        n_ctx = len(self.prompt)
        if not -n_ctx <= readout < n_ctx:
            raise ConfigError(f"readout={readout} is no position; the network reads {n_ctx} tokens, from 0")
        self.readout, self.readout_only = readout % n_ctx, False
        per_layer = 4 * config.n_heads * config.d_head + 2 * config.d_mlp
        size = config.d_model * (vocab + n_outputs + n_ctx + config.n_layers * per_layer)
        if size > MAX_PARAMETERS or min(vocab, n_outputs) < 1:
            raise ConfigError(
                f"the network would have {size:,} weights, {vocab} tokens and {n_outputs} outputs; at most "
                f"{MAX_PARAMETERS:,} weights and at least one token and output are allowed"
            )
        self.embed, self.hook_embed = Embedding(vocab, config.d_model), HookPoint()
        self.pos_embed, self.hook_pos_embed = PositionEmbedding(n_ctx, config.d_model), HookPoint()
        self.blocks = nn.ModuleList(self._block(n_ctx) for _ in range(config.n_layers))
        self.ln_final = make_norm(config.d_model, config.norm)
        self.unembed = Linear("U", config.d_model, n_outputs, config.bias)
        self._initialise(torch.Generator().manual_seed(seed))
        self.setup()

    def _block(self, n_ctx: int) -> TransformerBlock:
        c = self.config
        attn = Attention(
            c.d_model, c.n_heads, c.d_head, n_ctx=n_ctx, causal=c.causal, coeff=c.attn_coeff, bias=c.bias
        )
        mlp = TransformerMLP(c.d_model, c.d_mlp, ACTIVATIONS[c.activation], c.bias)
        return TransformerBlock(c.norm, attn, mlp)

    @property
    def layers(self) -> list[TransformerBlock]:
        """The blocks, first to last."""
        return list(self.blocks)  # type: ignore[arg-type]

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator) -> None:
        """Weights as in PyTorch's own layers: embeddings normal, matrices uniform within 1/sqrt(fan_in)."""
        scale = self.config.init_scale
        for name, parameter in self.named_parameters():
            part = name.rsplit(".", 1)[-1]
            if part in ("W_E", "W_pos"):
                parameter.normal_(0, scale, generator=generator)
            elif part.startswith("W_"):
                fan_in = self.config.d_mlp if part == "W_out" else self.config.d_model
                parameter.uniform_(-scale * fan_in**-0.5, scale * fan_in**-0.5, generator=generator)

    def forward(self, inputs: Int[Tensor, "example operand"]) -> Float[Tensor, "example output"]:
        """Logits of the answer."""
        tokens = self.prompt(inputs)
        if tokens.device.type == "cpu" or not self.training:  # training never waits for a GPU
            check_tokens(tokens, self.vocab, len(self.prompt))
        resid = self.hook_embed(self.embed(tokens)) + self.hook_pos_embed(self.pos_embed(tokens))
        return self._from(resid, 0, readout_only=self.readout_only)

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
        found = []
        for layer in range(len(self.blocks)):
            linear = layer == len(self.blocks) - 1 and self.config.norm == "none"
            readout = self.layers[layer].mlp.W_out @ self.unembed.weight if linear else None
            at: dict[str, Any] = {"position": self.readout}
            found.append(NeuronSite(f"blocks.{layer}.attn.hook_z", self.config.n_heads, **at | {"axis": -2}))
            found.append(
                NeuronSite(f"blocks.{layer}.mlp.hook_post", self.config.d_mlp, **at | {"readout": readout})
            )
        return tuple(found)

    def _layer_of(self, hook: str) -> tuple[int, bool]:
        """Which layer a site belongs to, and whether it is the layer's heads."""
        names = [
            f"blocks.{i}.{part}" for i in range(len(self.blocks)) for part in ("attn.hook_z", "mlp.hook_post")
        ]
        if hook not in names:
            raise HookNameError(f"there are no neurons at {hook!r}; {near_matches(hook, names)}")
        return names.index(hook) // 2, names.index(hook) % 2 == 0

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
        if not last:
            return Prefix(activations, after, block.mlp.W_out, offset, has_positions=True)
        return Prefix(activations[:, 0], lambda stream: after(stream[:, None]), block.mlp.W_out, offset[:, 0])

    @torch.no_grad()
    def absorb(
        self, hook: str, scale: Float[Tensor, " neuron"], shift: Float[Tensor, " neuron"]
    ) -> SmallTransformer:
        """A copy whose next layer reads ``activations * scale + shift`` at every position; this model is unchanged.

        A shift in a network without biases gives a copy with biases.

        Raises:
            HookNameError: There are no such neurons; weights act alike at every position.
        """
        layer, heads = self._layer_of(hook)
        weight = self.layers[layer].attn.W_O if heads else self.layers[layer].mlp.W_out
        spread = weight.sum(1) if heads else weight
        offset = shift @ spread
        edited = self._copy(bias=self.config.bias or bool(offset.any()))
        block = edited.layers[layer]
        reader, bias = (block.attn.W_O, block.attn.b_O) if heads else (block.mlp.W_out, block.mlp.b_out)
        reader.mul_(scale.reshape(-1, *[1] * (reader.ndim - 1)))
        if bias is not None:
            bias.add_(offset)
        return edited

    def _copy(self, *, bias: bool) -> SmallTransformer:
        """The same network without any hooks, with biases if asked for."""
        config = replace(self.config, bias=bias)
        twin = SmallTransformer(config, self.vocab, self.n_outputs, self.prompt, readout=self.readout)
        take_weights(twin, self)
        return twin

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` needs to build the same network, ready for JSON."""
        return {
            "kind": self.kind,
            "vocab": self.vocab,
            "n_outputs": self.n_outputs,
            "prompt": str(self.prompt),
            "readout": self.readout,
            **asdict(self.config),
        }

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> SmallTransformer:
        """Build an untrained network from `to_dict`.

        Raises:
            CheckpointError: The settings do not describe a transformer. ConfigError: a value is out of range.
        """
        own = ("kind", "vocab", "n_outputs", "prompt", "readout")
        rest = {key: value for key, value in settings.items() if key not in own}
        try:
            config = TransformerConfig(**rest)
            prompt = Prompt.parse(settings["prompt"], p=settings["n_outputs"])
            return cls(config, settings["vocab"], settings["n_outputs"], prompt, readout=settings["readout"])
        except (TypeError, KeyError, AttributeError) as error:
            raise CheckpointError(
                f"the stored model settings do not describe a transformer: {error!r}"
            ) from None

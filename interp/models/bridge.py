"""A small transformer that TransformerLens runs: `TransformerBridge`, held by a model with our hook points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.func import functional_call
from transformer_lens import HookedRootModule

from interp.errors import CheckpointError, ConfigError, HookNameError
from interp.models.bridge_names import from_bridge_names, is_bias, to_bridge_names
from interp.models.layers import add_hook_points
from interp.models.prompt import Prompt
from interp.models.protocol import HookedModel, NeuronSite, Prefix, check_tokens, has_hooks, matching_hooks
from interp.models.shapes import TransformerConfig
from interp.models.transformer import SmallTransformer

ACTIVATIONS = ("relu", "gelu", "silu")
"""Activations of `TransformerBridge` that have the same names here."""
NORMS = {"none": None, "layer": "LN", "pre": "LNPre"}


def bridge_can_express(config: TransformerConfig) -> bool:
    """True if a `TransformerBridge` computes the same as a `SmallTransformer` of this shape.

    Example:
        >>> bridge_can_express(TransformerConfig()), bridge_can_express(TransformerConfig(attn_coeff=0.5))
        (True, False)
    """
    return config.attn_coeff == 1 and config.activation in ACTIVATIONS and config.norm in NORMS


class BridgedTransformer(HookedRootModule):
    """A `SmallTransformer` computed by a `TransformerBridge` that it holds.

    Hook points are those of a `SmallTransformer`. While any of them has hooks, the bridge's weights are run through its
    modules instead, which differ from the bridge's by rounding only. The bridge's own hook points are in
    ``bridge.hook_dict``; they act as long as none of these has hooks.

    Args:
        config: The network's shape; see `bridge_can_express`.
        vocab: How many tokens there are.
        n_outputs: Number of classes.
        prompt: How operands become tokens; ``a b`` if None.
        readout: The position whose logits are the answer; -1 is the last.
        seed: Of the initial weights, which are those of a `SmallTransformer`.

    Raises:
        ConfigError: A bridge cannot express the network.

    Example:
        >>> config = TransformerConfig(d_model=8, n_heads=2, d_head=4, d_mlp=16)
        >>> model = BridgedTransformer(config, vocab=8, n_outputs=7, prompt=Prompt.parse("a b =", p=7))
        >>> logits, cache = model.run_with_cache(torch.tensor([[1, 2]]), names_filter="blocks.0.attn.hook_z")
        >>> tuple(logits.shape), tuple(cache["blocks.0.attn.hook_z"].shape)
        ((1, 7), (1, 3, 2, 4))
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
        if not bridge_can_express(config):
            raise ConfigError(
                f"TransformerBridge has no attention mixture and only the activations {', '.join(ACTIVATIONS)}; "
                f"use SmallTransformer for activation={config.activation!r}, attn_coeff={config.attn_coeff}"
            )
        small = SmallTransformer(config, vocab, n_outputs, prompt, readout=readout, seed=seed)
        self.config, self.vocab, self.n_outputs = config, vocab, n_outputs
        self.prompt, self.readout = small.prompt, small.readout
        self.bridge = _boot(config, vocab, n_outputs, len(small.prompt))
        self.load_state_dict(small.state_dict())
        self.points = add_hook_points(self, list(small.hook_dict))

    def forward(self, inputs: Int[Tensor, "example operand"]) -> Float[Tensor, "example output"]:
        """Logits of the answer.

        Raises:
            HookNameError: Both this model and the bridge have hooks.
        """
        if any(map(has_hooks, self.points)):
            own = [name for name, point in self.bridge.hook_dict.items() if has_hooks(point)]
            if own:
                raise HookNameError(
                    f"the bridge's own {own[0]!r} has hooks too; put all of them on one of the two"
                )
            return functional_call(self._as_hooked_small(), self._weights(), (inputs,))
        tokens = self.prompt(inputs)
        check_tokens(tokens, self.vocab, len(self.prompt), training=self.training)
        return self.bridge(tokens)[:, self.readout, : self.n_outputs]

    def run_with_cache(self, *args: Any, names_filter: Any = None, **kwargs: Any) -> Any:
        """TransformerLens' `run_with_cache`; a `HookNameError` where a name or predicate matches nothing."""
        if names_filter:
            matching_hooks(self, names_filter)
        return super().run_with_cache(*args, names_filter=names_filter, **kwargs)

    def run_with_hooks(self, *args: Any, fwd_hooks: Any = (), **kwargs: Any) -> Any:
        """TransformerLens' `run_with_hooks`; a `HookNameError` where a name or predicate matches nothing."""
        for name, _ in fwd_hooks:
            matching_hooks(self, name)
        return super().run_with_hooks(*args, fwd_hooks=list(fwd_hooks), **kwargs)

    def _weights(self) -> dict[str, Tensor]:
        """The bridge's weights under the names of a `SmallTransformer`, with biases if there should be any."""
        weights = from_bridge_names(self.bridge.state_dict(keep_vars=True), self.config.n_heads)
        bias = self.config.bias or any(bool(t.any()) for name, t in weights.items() if is_bias(name))
        return {name: tensor for name, tensor in weights.items() if bias or not is_bias(name)}

    def as_small(self) -> SmallTransformer:
        """A `SmallTransformer` that shares the bridge's weights, without any hooks.

        It has biases if the config says so or the bridge, which always has them, has some that are not 0.
        """
        weights = self._weights()
        config = replace(self.config, bias=any(map(is_bias, weights)))
        small = SmallTransformer(config, self.vocab, self.n_outputs, self.prompt, readout=self.readout)
        small.to(weights["embed.W_E"].device)
        small.load_state_dict({name: tensor.detach() for name, tensor in weights.items()}, assign=True)
        for name, parameter in small.named_parameters():
            parameter.requires_grad_(weights[name].requires_grad or name == "unembed.b_U")
        return small.train(self.training)

    def _as_hooked_small(self) -> SmallTransformer:
        """The same with our hook points in the place of its own."""
        small = self.as_small()
        for name, point in self.hook_dict.items():
            parent, _, leaf = name.rpartition(".")
            setattr(small.get_submodule(parent), leaf, point)
        small.hook_dict, small.mod_dict = dict(self.hook_dict), dict(self.mod_dict)
        small.context_level = self.context_level
        return small

    def neuron_sites(self) -> tuple[NeuronSite, ...]:
        """For each layer its attention heads and its neurons, first to last."""
        return self.as_small().neuron_sites()

    def prefix(self, hook: str, inputs: Int[Tensor, "example operand"]) -> Prefix:
        """The forward pass up to a layer's neurons or heads; in the last layer, at the answer's position only."""
        return self._as_hooked_small().prefix(hook, inputs)

    def absorb(
        self, hook: str, scale: Float[Tensor, " neuron"], shift: Float[Tensor, " neuron"]
    ) -> SmallTransformer:
        """A copy that reads ``activations * scale + shift`` of a layer's neurons or heads; see `HookedModel`."""
        return self.as_small().absorb(hook, scale, shift)

    def to_dict(self) -> dict[str, Any]:
        """Settings of the same network as a `SmallTransformer`, ready for JSON."""
        return self.as_small().to_dict()

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """The weights under the names of a `SmallTransformer`."""
        return self.as_small().state_dict(*args, **kwargs)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Fill in the weights of a `SmallTransformer`; biases that it does not have become 0."""
        given = to_bridge_names(state_dict)
        for name, tensor in self.bridge.state_dict().items():
            if name.endswith(".bias") and ".ln" not in f".{name}":
                given.setdefault(name, torch.zeros_like(tensor))
        return self.bridge.load_state_dict(given, strict=strict, assign=assign)


def build_transformer(
    config: TransformerConfig,
    vocab: int,
    n_outputs: int,
    prompt: Prompt,
    weights: Mapping[str, Tensor],
    *,
    readout: int = -1,
) -> HookedModel:
    """A transformer with the given weights, in evaluation mode: bridged where a bridge can express it.

    Args:
        config: Its shape.
        vocab: How many tokens there are.
        n_outputs: Number of classes.
        prompt: How operands become tokens.
        weights: Under the names and in the layout of a `SmallTransformer`; biases may be missing, which means 0.
        readout: The position whose logits are the answer.

    Raises:
        CheckpointError: A tensor is missing, has another shape or does not belong; the message names it.
    """
    network = BridgedTransformer if bridge_can_express(config) else SmallTransformer
    model = network(config, vocab, n_outputs, prompt, readout=readout)
    wanted: dict[str, Tensor] = model.state_dict()
    filled = {name: tensor for name, tensor in wanted.items() if is_bias(name)} | dict(weights)
    for name in wanted.keys() | filled.keys():
        if name not in filled or name not in wanted:
            raise CheckpointError(
                f"{name!r} is {'missing' if name in wanted else 'no tensor of this network'}; it has "
                f"{', '.join(wanted)}"
            )
        if filled[name].shape != wanted[name].shape:
            raise CheckpointError(
                f"{name!r} has shape {tuple(filled[name].shape)}; expected {tuple(wanted[name].shape)}"
            )
    model.load_state_dict(filled)
    return model.eval()


def _boot(config: TransformerConfig, vocab: int, n_outputs: int, n_ctx: int) -> Any:
    """A bridge of this shape around a network of TransformerLens' own."""
    from transformer_lens.config import TransformerBridgeConfig  # imports most of transformers: 1.7 s
    from transformer_lens.model_bridge import TransformerBridge

    c = config
    return TransformerBridge.boot_native(  # type: ignore[attr-defined]
        TransformerBridgeConfig(
            d_model=c.d_model, n_heads=c.n_heads, d_head=c.d_head, d_mlp=c.d_mlp, n_layers=c.n_layers,
            n_ctx=n_ctx, d_vocab=vocab, d_vocab_out=n_outputs, act_fn=c.activation, eps=1e-5,
            normalization_type=NORMS[c.norm], attention_dir="causal" if c.causal else "bidirectional", seed=0,
        )
    )  # fmt: skip

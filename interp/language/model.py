"""A causal language model with hook points: what it reads, what it gives, and where its neurons are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from interp.language.sites import NEURONS, Site, Units, units_of


@dataclass(frozen=True, eq=False, repr=False)
class LanguageModel:
    """A causal model of `transformers` with hook points named as in TransformerLens; made by `open_language_model`.

    Its parameters have no gradients and it is in evaluation mode. `interp.hooks.hooked` works on it.

    Attributes:
        network: The model; calling it, or parts of it, runs its hook points.
        hook_dict: Its hook points by name.
        sites: Its neurons and heads, layer by layer.
        blocks: Its layers, in order.
        tokenizer: None if it came without.
        weights: Parameters and buffers by their names in the checkpoint.
        plain: The same model without hook points, of the same weights in memory: generates with a cache, and knows how
            a checkpoint is written.
        name: Where it came from.
        notes: How it was read, in sentences.
        via: ``"TransformerBridge"``, or ``"adopt"`` where TransformerLens does not know the architecture.
    """

    network: Any
    hook_dict: Mapping[str, nn.Module]
    sites: tuple[Site, ...]
    blocks: tuple[nn.Module, ...]
    tokenizer: Any
    weights: Mapping[str, Tensor]
    plain: Any
    name: str
    notes: tuple[str, ...]
    via: str

    def __repr__(self) -> str:
        return f"LanguageModel({self.name}, {len(self.units()):,} neurons in {len(self.blocks)} layers)"

    def units(self, kind: str = NEURONS) -> Units:
        """Its neurons, or its heads, of all layers."""
        return units_of(self.sites, kind)

    @property
    def device(self) -> torch.device:
        return next(iter(self.weights.values())).device

    @property
    def vocab(self) -> int:
        """Tokens that it has a logit for."""
        return int(self.head.weight.shape[0])

    @property
    def context(self) -> int | None:
        """Tokens that it can read at once; None if its configuration does not say."""
        return getattr(self.network.config, "max_position_embeddings", None)

    @cached_property
    def head(self) -> Any:
        """The layer that gives the logits."""
        return self.network.get_output_embeddings()

    @cached_property
    def _takes_positions(self) -> bool:
        return "position_ids" in signature(type(self.network.base_model).forward).parameters

    def hidden(
        self, ids: Int[Tensor, "row token"], mask: Bool[Tensor, "row token"]
    ) -> Float[Tensor, "row token stream"]:
        """The residual stream after the last layer and its norm, which the head reads; padding may be on either side.

        Args:
            ids: Tokens; anything where `mask` is False.
            mask: False at padding.
        """
        inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": mask.long(), "use_cache": False}
        if self._takes_positions:
            inputs["position_ids"] = (mask.long().cumsum(1) - 1).clamp_min(0)
        return self.network.base_model(**inputs).last_hidden_state

    def logits(self, hidden: Float[Tensor, "*axes stream"]) -> Float[Tensor, "*axes token"]:
        """Logits of rows of the residual stream, with the factors and caps that the configuration names."""
        logits = self.head(hidden)
        config = self.network.config
        if (factor := getattr(config, "logit_scale", None)) is not None:
            logits = logits * factor
        if (divisor := getattr(config, "logits_scaling", None)) is not None:
            logits = logits / divisor
        if (cap := getattr(config, "final_logit_softcapping", None)) is not None:
            logits = cap * torch.tanh(logits / cap)
        return logits

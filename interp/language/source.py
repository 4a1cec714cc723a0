"""Telling a language model's files from others, without reading them."""

from __future__ import annotations

import re
from pathlib import Path

from interp.errors import CheckpointError, ConfigError, GrokscopeError
from interp.files import read_json

HUB = "hf://"
"""Before a name on the hub: ``hf://ORGANISATION/NAME``."""
GGUF = ".gguf"
CONFIG = "config.json"
DECIDING = (".json", ".safetensors", ".bin", ".model", ".txt", ".jinja")
"""Ends of the names of files in a folder that decide what is opened."""
ASIDE = (
    "trainer_state.json",
    "training_args.bin",
    "optimizer.bin",
    "scheduler.bin",
    "generation_config.json",
)
TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json", "vocab.txt")
ENDINGS = (".jsonl", ".parquet", ".csv", ".txt")
"""Of files of sequences."""


def hub_name(source: Path | str) -> str | None:
    """The name on the hub that a source is; None if it is none.

    Example:
        >>> hub_name("hf://EleutherAI/pythia-14m"), hub_name(Path("hf://EleutherAI/pythia-14m")), hub_name("runs/r0")
        ('EleutherAI/pythia-14m', 'EleutherAI/pythia-14m', None)
    """
    match = re.fullmatch(r"hf:/{1,2}([^/].*)", str(source))
    return match and match[1]


def is_language_model(source: Path | str) -> bool:
    """True for a ``.gguf`` file, a name on the hub, and a folder whose ``config.json`` is of `transformers`.

    Example:
        >>> is_language_model("hf://EleutherAI/pythia-14m"), is_language_model("runs/r0/step-0001.safetensors")
        (True, False)
    """
    if hub_name(source):
        return True
    if "\0" in str(source):
        return False
    path = Path(source)
    if path.is_file():
        return path.suffix.lower() == GGUF
    config = path / CONFIG
    if not config.is_file():
        return False
    try:
        return "model_type" in read_json(config, dict)
    except GrokscopeError:
        return False


def has_tokenizer(source: Path | str) -> bool:
    """True if a language model comes with a tokenizer, by the names of its files: it was trained on texts.

    Example:
        >>> has_tokenizer("hf://EleutherAI/pythia-14m"), has_tokenizer("runs/r0")
        (True, False)
    """
    path = Path(source)
    return bool(hub_name(source)) or path.is_file() or any((path / name).is_file() for name in TOKENIZERS)


def deciding_files(source: Path | str) -> list[Path]:
    """The files that decide what is opened: the ``.gguf`` file, or a folder's weights, configuration and tokenizer.

    Raises:
        CheckpointError: The folder cannot be listed.
    """
    path = Path(source)
    try:
        files = [path] if path.is_file() else sorted(path.iterdir())
    except OSError as error:
        raise CheckpointError(f"cannot list {str(source)!r}: {error.strerror}") from None
    return [
        file
        for file in files
        if file.is_file() and file.suffix.lower() in (*DECIDING, GGUF) and file.name not in ASIDE
    ]


def check_ending(path: Path | str) -> None:
    """Refuse a file of sequences whose name does not say how it is written; a `ConfigError`."""
    if Path(path).suffix.lower() not in ENDINGS:
        raise ConfigError(
            f"the sequences {str(path)!r} should end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
        )

"""Calls of `transformers` without what it prints."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from interp.errors import CheckpointError, GrokscopeError


@contextmanager
def quiet() -> Iterator[None]:
    """Without the bars and the messages of `transformers`, which say nothing about the result."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@contextmanager
def reading(failed: str) -> Iterator[None]:
    """Calls of `transformers` in silence; an error of theirs, of any kind, is a `CheckpointError` that starts so."""
    try:
        with quiet():
            yield
    except (GrokscopeError, MemoryError):
        raise
    except Exception as error:  # spoilt files raise anything
        raise CheckpointError(f"{failed}: {_plainly(error)}") from None


KNOWN = {
    "No module named 'gguf'": "the package gguf is not installed (pip install gguf)",
    "gguf>=": "the package gguf is not installed (pip install gguf)",
    "Weights only load failed": "its .bin file is damaged, or holds more than tensors, which is not unpacked",
    "backend tokenizer": "its folder has no files of one",
    "ignore_mismatched_sizes": "the shapes of its tensors are not those that its config.json describes",
}
"""Messages of `transformers` that advise, or name, something that does not apply here."""


def _plainly(error: Exception) -> str:
    text = str(error).strip()
    for part, plain in KNOWN.items():
        if part in text:
            return plain
    lines = [line.strip() for line in text.splitlines()] or [type(error).__name__]
    return " ".join(lines[:2] if lines[0].endswith(":") else lines[:1]).rstrip(": ")

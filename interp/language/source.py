"""Telling a language model's files from others, without reading them."""

from __future__ import annotations

from pathlib import Path

from interp.errors import GrokscopeError
from interp.files import read_json

HUB = "hf://"
"""Before a name on the hub: ``hf://ORGANISATION/NAME``."""
GGUF = ".gguf"


def is_language_model(source: Path | str) -> bool:
    """True for a ``.gguf`` file, a name on the hub, and a folder whose ``config.json`` is of `transformers`.

    Example:
        >>> is_language_model("hf://EleutherAI/pythia-14m"), is_language_model("runs/r0/step-0001.safetensors")
        (True, False)
    """
    if str(source).startswith(HUB):
        return True
    if "\0" in str(source):
        return False
    path = Path(source)
    if path.is_file():
        return path.suffix.lower() == GGUF
    config = path / "config.json"
    if not config.is_file():
        return False
    try:
        return "model_type" in read_json(config, dict)
    except GrokscopeError:
        return False

"""Files that are written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from interp.errors import ConfigError


def write_whole(path: Path | str, write: Callable[[Path], Any]) -> Path:
    """Have `write` fill a temporary file beside `path`, then rename it there.

    If anything fails the old file, if there is one, stays as it was.

    Raises:
        ConfigError: The place cannot be written to.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise ConfigError(
            f"cannot write {str(path)!r}: {error.strerror or error}; choose another place"
        ) from None
    os.close(handle)
    part = Path(name)
    try:
        write(part)
        part.chmod(0o644)
        part.replace(path)
    except OSError as error:
        raise ConfigError(
            f"cannot write {str(path)!r}: {error.strerror or error}; choose another place"
        ) from None
    finally:
        part.unlink(missing_ok=True)
    return path


def write_text(path: Path | str, text: str) -> Path:
    """Write text, whole or not at all."""
    return write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def write_json(path: Path | str, value: Any) -> Path:
    """Write a value as indented JSON, whole or not at all; NaN is an error."""
    return write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")

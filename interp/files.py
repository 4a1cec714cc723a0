"""Files that are written whole or not at all, and TOML."""

from __future__ import annotations

import json
import os
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from interp.errors import ConfigError, near_matches


def write_whole(path: Path | str, write: Callable[[Path], Any], *, durable: bool = False) -> Path:
    """Have `write` fill a temporary file beside `path`, then rename it there.

    If anything fails the old file, if there is one, stays as it was.

    Args:
        path: Of the file.
        write: Fills the file whose path it is given.
        durable: Wait until the disk has the file, so that not even a power cut takes it away.

    Raises:
        ConfigError: The place cannot be written to.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        part = Path(name)
        try:
            write(part)
            part.chmod(0o644)
            if durable:
                _to_disk(part)
            part.replace(path)
            if durable:
                _to_disk(path.parent)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        message = f"cannot write {str(path)!r}: {error.strerror or error}; choose another place"
        raise ConfigError(message) from None
    return path


def check_place(path: Path | str) -> None:
    """Make sure, before long work, that a file can be written to `path`.

    Raises:
        ConfigError: It cannot.
    """
    path = Path(path)
    write_whole(path.with_name(f".{path.name}.place"), lambda part: None).unlink()


def beside_missing(path: Path) -> str:
    """Say which files beside a missing one resemble it, as the end of an error message."""
    folder = path.parent
    return near_matches(path.name, sorted(file.name for file in folder.iterdir()) if folder.is_dir() else [])


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path | str, text: str, *, durable: bool = False) -> Path:
    """Write text, whole or not at all."""
    return write_whole(path, lambda part: part.write_text(text, encoding="utf-8"), durable=durable)


def write_json(path: Path | str, value: Any, *, durable: bool = False) -> Path:
    """Write a value as indented JSON, whole or not at all; NaN is an error."""
    return write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n", durable=durable)


def read_toml(path: Path | str, kind: str) -> dict[str, Any]:
    """The content of a TOML file.

    Args:
        path: Of the file.
        kind: Noun for messages: "job", "grid".

    Raises:
        ConfigError: It cannot be read, or is no valid TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the {kind} {str(path)!r}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{str(path)!r} is no valid TOML: {error}") from None

"""The checkpoints of a training run, first to last: of a folder, or of a file that holds several."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from interp.checkpoints.files import is_native, series_files
from interp.checkpoints.native import Checkpoint
from interp.checkpoints.open import from_weights, load_checkpoint
from interp.checkpoints.options import OpenOptions
from interp.checkpoints.unwrap import read_series, read_weights


def load_series(
    path: Path | str, options: OpenOptions | None = None, *, most: int = 40
) -> Iterator[Checkpoint]:
    """Open the checkpoints of a training run, first to last.

    The reading of a stranger's files is decided by the last one, and kept for all.

    Args:
        path: A folder, or a file that holds several.
        options: What the checkpoints do not say of themselves.
        most: At most so many, evenly spaced, the first and the last among them.

    Raises:
        CheckpointError: One cannot be read.
    """
    options, path = options or OpenOptions(), Path(path)
    items: list[Any] = series_files(path) if path.is_dir() else [path]
    native = bool(items) and is_native(items[-1])
    if not native and not path.is_dir():
        items = list(read_series(path))
    if len(items) > most:
        items = [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]
    if native or not items:
        yield from (load_checkpoint(file, options) for file in items)
        return
    read = read_weights if path.is_dir() else lambda stored: stored
    reading = None if options.model else from_weights(read(items[-1]), options).settings["reading"]
    yield from (from_weights(read(item), options, reading) for item in items)

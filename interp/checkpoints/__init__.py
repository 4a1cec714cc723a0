"""Checkpoints: the native format, safe reading of strangers' files, and the dialects they are written in."""

from interp.checkpoints.native import (
    FORMAT,
    Checkpoint,
    checkpoint_files,
    is_native,
    load_native,
    read_settings,
    save_checkpoint,
    training_history,
    write_history,
)

__all__ = [
    "FORMAT",
    "Checkpoint",
    "checkpoint_files",
    "is_native",
    "load_native",
    "read_settings",
    "save_checkpoint",
    "training_history",
    "write_history",
]

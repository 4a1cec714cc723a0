"""Checkpoints: the native format, and opening a file or folder whatever it holds."""

from interp.checkpoints.native import (
    Checkpoint,
    checkpoint_files,
    load_checkpoint,
    read_settings,
    save_checkpoint,
    training_history,
    write_history,
)

__all__ = [
    "Checkpoint",
    "checkpoint_files",
    "load_checkpoint",
    "read_settings",
    "save_checkpoint",
    "training_history",
    "write_history",
]

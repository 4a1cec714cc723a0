"""An opened checkpoint, of whatever dialect."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from interp.checkpoints.options import OpenOptions
from interp.data import Task
from interp.models import HookedModel


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A network with what is known of how it came to be.

    Attributes:
        model: The network, in evaluation mode.
        task: What it was trained on.
        dialect: How its file was read.
        step: Training step, if known.
        path: The weights' file; None for a model in memory.
        settings: The JSON beside the weights.
        notes: What was assumed or chosen while reading a file that does not say it, in sentences.
        stored: Accuracies that the file itself records, by split.
        options: As the file was opened with, of one in a foreign dialect.
    """

    model: HookedModel
    task: Task
    dialect: str
    step: int | None = None
    path: Path | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    stored: dict[str, float] = field(default_factory=dict)
    options: OpenOptions | None = None

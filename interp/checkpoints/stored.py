"""The weights of one network, as a file holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor


@dataclass(frozen=True, eq=False)
class StoredWeights:
    """The weights of one network, as a file holds them.

    Attributes:
        tensors: By name, on the CPU and contiguous; numbers with a fraction are float32.
        extras: Plain data that the file holds beside them, such as accuracies.
        step: Training step, by what the file says or else by its name.
        beside: The settings in configuration files beside it; see `interp.checkpoints.configs`.
        left_out: Tensors that can be no weights of a known network, such as masks and complex tables.
        own: All tensors, under the names in the file.
        under: Keys of the dictionaries in which they lay, from outside to inside.
        asked: True if the user's choice of weights named one of those.
    """

    path: Path
    tensors: dict[str, Tensor]
    extras: dict[str, Any] = field(default_factory=dict)
    step: int | None = None
    beside: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    left_out: dict[str, Tensor] = field(default_factory=dict)
    own: dict[str, Tensor] = field(default_factory=dict)
    under: tuple[str, ...] = ()
    asked: bool = False

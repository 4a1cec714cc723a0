"""What a checkpoint does not say of itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from interp.data.operations import ORDERINGS
from interp.errors import choose


@dataclass(frozen=True)
class OpenOptions:
    """What a checkpoint does not say of itself; None where it does, or where measuring shall decide.

    Args:
        dialect: One of ``grokscope dialects``.
        activation: The activation function.
        attn_coeff: The attention mixture's coefficient.
        task: The operation, ``add`` and so on.
        p: The modulus.
        split_from: A file with the pairs that were trained on.
        table: A Parquet or CSV file that replaces the task's examples, labels and split.
        model: A factory ``file.py:build`` of the user's own module; its code is run.
        sites: Names of that module's neurons, as in `adopt`.
        tokens: How operands become that module's input tokens, such as ``"a b ="``.
        readout: The position that its output is read at.
        ordering: One of `ORDERINGS`: the order that periodicity is read in; the task's if None.

    Raises:
        ConfigError: There is no such ordering.
    """

    dialect: str | None = None
    activation: str | None = None
    attn_coeff: float | None = None
    task: str | None = None
    p: int | None = None
    split_from: Path | str | None = None
    table: Path | str | None = None
    model: str | None = None
    sites: tuple[str, ...] = ()
    tokens: str | None = None
    readout: int = -1
    ordering: str | None = None

    def __post_init__(self) -> None:
        if self.ordering is not None:
            choose("ordering", self.ordering, ORDERINGS)

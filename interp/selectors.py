"""Texts that choose neurons, such as ``label:memorizing``, read without PyTorch so that a mistake is told at once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from interp.errors import InterventionError
from interp.files import parse_json, read_bytes

MEMORY_METHODS = ("memory-set", "flip", "mask")
"""Methods that choose neurons by the memories that they hold, and say themselves how many."""


def parse_neurons(text: str, labels: Iterable[str]) -> tuple[str, str | float | list[int]]:
    """The kind of a choice of neurons, and its value.

    Args:
        text: ``label:NAME``; ``lowest:SHARE``, ``highest:SHARE`` or ``attribution:SHARE`` with a share from 0 to 1; one
            of `MEMORY_METHODS`; or ``@FILE`` (a JSON list, or numbers between spaces, commas or new lines).
        labels: The names that there are.

    Returns:
        ``"label"`` with a name, ``"lowest"``, ``"highest"`` or ``"attribution"`` with a share, ``"memory"`` with a
        method, or ``"@"`` with indices.

    Raises:
        InterventionError: The text or the file names no neurons.

    Example:
        >>> parse_neurons("lowest:0.5", ["memorizing"])
        ('lowest', 0.5)
    """
    kind, _, rest = text.partition(":")
    if text.startswith("@"):
        return "@", _read_indices(Path(text[1:]))
    names = list(labels)
    if kind == "label" and rest in names:
        return kind, rest
    if text in MEMORY_METHODS:
        return "memory", text
    if kind in ("lowest", "highest", "attribution"):
        try:
            share = float(rest)
        except ValueError:
            share = -1.0
        if 0 <= share <= 1:
            return kind, share
    raise InterventionError(
        f"cannot select neurons by {text!r}; expected label:{'|'.join(names)}, lowest:SHARE, highest:SHARE or "
        f"attribution:SHARE with a share from 0 to 1, {', '.join(MEMORY_METHODS)}, or @FILE with indices"
    )


def _read_indices(path: Path) -> list[int]:
    try:
        text = read_bytes(path, "file of neurons", error=InterventionError).decode("utf-8")
        if text.lstrip().startswith("["):
            return list(parse_json(text, list))
        return [int(x) for x in text.replace(",", " ").split()]
    except ValueError as error:
        raise InterventionError(f"{str(path)!r} holds no list of neuron indices: {error}") from None

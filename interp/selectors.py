"""Texts that choose neurons, such as ``label:memorizing``, read without PyTorch so that a mistake is told at once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from interp.errors import InterventionError
from interp.files import parse_json, read_bytes

MEMORY_METHODS = ("memory-set", "flip", "mask")
"""Methods that choose neurons by the memories that they hold, and say themselves how many."""
MOST_NEURONS = 1_000_000
"""So many indices at most are written as a list, so that a range such as 0-999999999 takes no memory."""
INDICES = "indices and ranges such as 3,5-9"
_PART = re.compile(r"(\d{1,18})(?:\s*-\s*(\d{1,18}))?")


def parse_neurons(text: str, labels: Iterable[str]) -> tuple[str, str | float | list[int]]:
    """The kind of a choice of neurons, and its value.

    Args:
        text: ``label:NAME``; ``lowest:SHARE``, ``highest:SHARE`` or ``attribution:SHARE`` with a share from 0 to 1; one
            of `MEMORY_METHODS`; indices and ranges such as ``3,5-9`` (both ends count); or ``@FILE`` with such (a JSON
            list, or separated by spaces, commas or new lines).
        labels: The names that there are.

    Returns:
        ``"label"`` with a name, ``"lowest"``, ``"highest"`` or ``"attribution"`` with a share, ``"memory"`` with a
        method, or ``"indices"`` with a list of them.

    Raises:
        InterventionError: The text or the file names no neurons.

    Example:
        >>> parse_neurons("lowest:0.5", ["memorizing"])
        ('lowest', 0.5)
        >>> parse_neurons("3, 5-7", ["memorizing"])
        ('indices', [3, 5, 6, 7])
    """
    kind, _, rest = text.partition(":")
    if text.startswith("@"):
        return "indices", _read_indices(Path(text[1:]))
    if text.strip()[:1].isdecimal():
        return "indices", indices_in(text)
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
        f"attribution:SHARE with a share from 0 to 1, {', '.join(MEMORY_METHODS)}, {INDICES}, or @FILE with them"
    )


def indices_in(text: str) -> list[int]:
    """The indices that a list of numbers and ranges names, in its order; separated by commas, spaces or new lines.

    Raises:
        InterventionError: A part is neither, a range runs backwards, or there are more than `MOST_NEURONS`.

    Example:
        >>> indices_in("9 0-2")
        [9, 0, 1, 2]
    """
    indices: list[int] = []
    for part in re.sub(r"\s*-\s*", "-", text).replace(",", " ").split():
        match = _PART.fullmatch(part)
        if match is None:
            raise InterventionError(f"{part[:40]!r} is no neuron; expected {INDICES}, counted from 0")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise InterventionError(
                f"the range {part!r} names no neuron, as it runs backwards; write {last}-{first}"
            )
        if len(indices) + last - first >= MOST_NEURONS:
            raise InterventionError(f"{part!r} names too many neurons; at most {MOST_NEURONS} are read")
        indices.extend(range(first, last + 1))
    return indices


def _read_indices(path: Path) -> list[int]:
    try:
        text = read_bytes(path, "file of neurons", error=InterventionError).decode("utf-8")
        if text.lstrip().startswith("["):
            return list(parse_json(text, list))
        return indices_in(text)
    except (ValueError, InterventionError) as error:
        raise InterventionError(f"{str(path)!r} holds no list of neuron indices: {error}") from None

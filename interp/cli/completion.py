"""Values that the shell completes options to; each list is loaded when it is asked for."""

from __future__ import annotations


def dialects(incomplete: str) -> list[str]:
    """Names of dialects that begin so.

    Example:
        >>> dialects("nat")
        ['native']
    """
    from interp.checkpoints.dialects import dialect_names
    from interp.checkpoints.options import NATIVE

    return _beginning(incomplete, [*dialect_names(), NATIVE])


def modes(incomplete: str) -> list[str]:
    """Modes of intervention that begin so, without the example of an argument.

    Example:
        >>> modes("s")
        ['scale=']
    """
    from interp.modes import spelled_modes

    return _beginning(incomplete, ["".join(mode.partition("=")[:2]) for mode in spelled_modes()])


def neurons(incomplete: str) -> list[str]:
    """Ways to choose neurons that begin so: by a label, by rank or by memory.

    Example:
        >>> neurons("label:m")
        ['label:memorizing']
    """
    from probes.labels import LABELS

    ranked = "lowest:", "highest:", "memory-set", "attribution:", "flip", "mask"
    return _beginning(incomplete, [*(f"label:{label}" for label in LABELS), *ranked])


def _beginning(start: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(start)]


OF_FIELDS = {"dialect": dialects}
"""Functions that list values, by the field that an option is made of."""

"""Parts of complex activations: which one is shown at a hook point, and what a change of it does to the rest."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from interp.errors import ConfigError, InterventionError, choose

PARTS = {"real": "the real parts", "imag": "the imaginary parts", "abs": "the magnitudes"}


def check_part(part: str | None) -> str | None:
    """The part if it is one of `PARTS` or None; a `ConfigError` if not."""
    return None if part is None else choose("part", part, PARTS)


def changed_part(tensor: Tensor, part: str | None, change: Callable[[Tensor], Tensor], name: str) -> Tensor:
    """A tensor with one part of its complex numbers changed, the other left as it is; the same object if none is.

    Args:
        tensor: Real or complex numbers.
        part: One of `PARTS`; None if the numbers are real.
        change: Given the part, or the tensor if it is real; it returns the same object where nothing is changed.
        name: Of the tensor, for messages.

    Raises:
        ConfigError: The numbers are complex and no part was chosen, or real and one was.
        InterventionError: Magnitudes would be changed, which have no phase of their own.

    Example:
        >>> changed_part(torch.tensor([3 + 4j]), "real", lambda real: 0 * real, "rope:output")
        tensor([0.+4.j])
    """
    kind = str(tensor.dtype).removeprefix("torch.")
    if not tensor.is_complex():
        if part is not None:
            raise ConfigError(
                f"{name!r} holds {kind} numbers, which have no part {part!r}; leave out part=… (--part)"
            )
        return change(tensor)
    if part is None:
        raise ConfigError(
            f"{name!r} holds {kind} numbers, of which one part can be scored; say which: part='real', 'imag' or 'abs' "
            "(--part real, --part imag, --part abs)"
        )
    shown = tensor.abs() if part == "abs" else getattr(tensor, part)
    changed = change(shown)
    if changed is shown:
        return tensor
    if part == "abs":
        if torch.equal(changed, shown):
            return tensor
        raise InterventionError(
            f"the magnitudes at {name!r} can be captured, and scored by batch --measure scores, but not changed, which "
            "effects and labels take: complex numbers have a phase too. Use part='real' or part='imag' (--part real, "
            "--part imag)"
        )
    both = (changed, tensor.imag) if part == "real" else (tensor.real, changed)
    return torch.complex(*both)

"""Tensors of a dialect's files: names and shapes, matched as a whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

_LAYER = re.compile(r"blocks\.(\d+)\.")
_AXIS = re.compile(r"(\d*)([A-Za-z]\w*)(?:\*(\w+))?")


@dataclass(frozen=True)
class Layout:
    """Names of tensors with their axes.

    Attributes:
        tensors: For each name its axes between spaces: a letter or word, which has one size in the whole file, a
            multiple of one (``2p``) or a product of two (``H*e``). A name that ends in ``?`` may be missing;
            ``blocks.L.`` stands for every layer.

    Example:
        >>> str(Layout({"fc1.weight": "N 2p", "fc1.bias?": "N"}))
        'fc1.weight (N, 2p), optional fc1.bias (N)'
    """

    tensors: Mapping[str, str]

    def __str__(self) -> str:
        def shown(optional: bool) -> str:
            return ", ".join(
                f"{name.removesuffix('?')} {_axes(axes)}"
                for name, axes in self.tensors.items()
                if name.endswith("?") is optional
            )

        return shown(False) + (f", optional {shown(True)}" if shown(True) else "")


class Unfit(Exception):
    """A file is not written in a dialect; the message says why."""


def fit(tensors: Mapping[str, Tensor], layout: Layout) -> dict[str, int]:
    """Match all tensors of a file with a layout; return the size of each axis, and under ``L`` the number of layers.

    Raises:
        Unfit: A tensor is missing, unexpected or of another shape.

    Example:
        >>> import torch
        >>> layout = Layout({"fc1.weight": "N 2p", "fc2.weight": "p N"})
        >>> fit({"fc1.weight": torch.zeros(9, 10), "fc2.weight": torch.zeros(5, 9)}, layout)
        {'p': 5, 'N': 9}
    """
    layers = {int(match[1]) for name in tensors if (match := _LAYER.match(name))}
    sizes: dict[str, int] = {"L": len(layers)} if layers else {}
    wanted = {
        name.replace("blocks.L.", f"blocks.{layer}."): axes
        for name, axes in layout.tensors.items()
        for layer in range(max(len(layers), 1))
    }
    for name in wanted:
        if name.removesuffix("?") not in tensors and not name.endswith("?"):
            raise Unfit(f"{name} {_axes(wanted[name])} is missing")
    known = {name.removesuffix("?"): axes for name, axes in wanted.items()}
    for name, tensor in tensors.items():
        if name not in known:
            raise Unfit(f"{name} {tuple(tensor.shape)} does not belong to it")
    # Plain axes say what a letter is, multiples and products follow.
    for name in sorted(tensors, key=lambda name: any(mark in known[name] for mark in "0123456789*")):
        shape, axes = tuple(tensors[name].shape), known[name].split()
        if len(shape) != len(axes) or not all(
            _matches(a, n, sizes) for a, n in zip(axes, shape, strict=True)
        ):
            raise Unfit(f"{name} has shape {shape}; expected {_axes(known[name])}{_with(known[name], sizes)}")
    return sizes


def _matches(axis: str, size: int, sizes: dict[str, int]) -> bool:
    """True if an axis can have that size; a name without one is given it."""
    match = _AXIS.fullmatch(axis)
    assert match is not None, axis
    times, name, other = int(match[1] or 1), match[2], match[3]
    if other is not None:
        return sizes[name] * sizes[other] == size
    if size % times:
        return False
    return sizes.setdefault(name, size // times) == size // times


def _axes(axes: str) -> str:
    return f"({', '.join(axes.split())})"


def _with(axes: str, sizes: Mapping[str, int]) -> str:
    """The sizes of the axes that are known."""
    names = [match[2] for axis in axes.split() if (match := _AXIS.fullmatch(axis))]
    known = ", ".join(f"{name}={sizes[name]}" for name in dict.fromkeys(names) if name in sizes)
    return f" with {known}" if known else ""

"""Tensors of a dialect's files: names and shapes, matched as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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
                f"{name.removesuffix('?')} ({', '.join(axes.split())})"
                for name, axes in self.tensors.items()
                if name.endswith("?") is optional
            )

        return shown(False) + (f", optional {shown(True)}" if shown(True) else "")


@dataclass(frozen=True)
class Fit:
    """The fit of a file's tensors to a layout.

    Attributes:
        sizes: Of each axis; ``L`` is the number of layers.
        problem: The tensor that is missing, unexpected or has another shape; None if all fit.
    """

    sizes: Mapping[str, int]
    problem: str | None = None


def fit(tensors: Mapping[str, Tensor], layout: Layout) -> Fit:
    """Match all tensors of a file with a layout: none may be missing, none may be left over.

    Example:
        >>> import torch
        >>> layout = Layout({"fc1.weight": "N 2p", "fc2.weight": "p N"})
        >>> fit({"fc1.weight": torch.zeros(9, 10), "fc2.weight": torch.zeros(5, 9)}, layout).sizes
        {'p': 5, 'N': 9}
        >>> fit({"fc1.weight": torch.zeros(9, 10), "fc2.weight": torch.zeros(5, 8)}, layout).problem
        'fc1.weight has shape (9, 10); expected (N, 2p) with N=8, p=5'
    """
    layers = {int(match[1]) for name in tensors if (match := _LAYER.match(name))}
    sizes: dict[str, int] = {"L": len(layers)} if layers else {}
    wanted = dict(_expanded(layout, max(len(layers), 1)))
    for name in wanted:
        if name.removesuffix("?") not in tensors and not name.endswith("?"):
            return Fit(sizes, f"{name} {_axes(wanted[name])} is missing")
    known = {name.removesuffix("?"): axes for name, axes in wanted.items()}
    for name, tensor in tensors.items():
        if name not in known:
            return Fit(sizes, f"{name} {tuple(tensor.shape)} does not belong to it")
    for name in sorted(tensors, key=lambda name: _is_derived(known[name])):  # plain axes say what a letter is
        shape, axes = tuple(tensors[name].shape), known[name].split()
        if len(shape) != len(axes) or not all(
            _matches(a, n, sizes) for a, n in zip(axes, shape, strict=True)
        ):
            return Fit(
                sizes, f"{name} has shape {shape}; expected {_axes(known[name])}{_with(known[name], sizes)}"
            )
    return Fit(sizes)


def _is_derived(axes: str) -> bool:
    """True for axes with a multiple or a product among them."""
    return any(mark in axes for mark in "0123456789*")


def _expanded(layout: Layout, n_layers: int) -> Iterator[tuple[str, str]]:
    """The layout's tensors, with one name for each layer."""
    for name, axes in layout.tensors.items():
        if name.startswith("blocks.L."):
            yield from ((name.replace("blocks.L.", f"blocks.{layer}."), axes) for layer in range(n_layers))
        else:
            yield name, axes


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

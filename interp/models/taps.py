"""Named taps: hook points in a network's own code, for tensors that no submodule takes or gives.

Fast weights, the output of a hypernetwork, memory slots and the state inside a Python loop are such tensors. One line
in the network makes each a site that `interp.adopt` knows as ``tap:NAME``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from torch import Tensor

from interp.errors import ConfigError

AXES = ("example", "time", "position", "segment", "slot", "head", "neuron")
"""Names that axes usually have; others are allowed."""


@dataclass(frozen=True)
class Tap:
    """One call of `tap`.

    Attributes:
        axes: Names of the value's axes, the first of which is ``example``.
        loop: Name of the axis that the calls of one forward pass count; None: there is one call.
    """

    name: str
    axes: tuple[str, ...]
    loop: str | None

    def check(self, value: Tensor) -> None:
        """Raise a `ConfigError` unless the axes are those of the value."""
        names = (*self.axes, *([self.loop] if self.loop else []))
        if not re.fullmatch(r"[A-Za-z_][\w.]*", self.name) or self.name in ("input", "output"):
            raise ConfigError(
                f"tap({self.name!r}) has no name that sites can have; write letters, digits, _ and dots, and neither "
                "input nor output"
            )
        if self.axes[:1] != ("example",) or len(set(names)) < len(names):
            raise ConfigError(
                f"tap({self.name!r}) has axes {' '.join(self.axes)!r} and loop={self.loop!r}; expected example first, "
                "and each name once. A tensor that all examples share can be tapped as "
                "value.expand(len(inputs), *value.shape)"
            )
        if value.ndim != len(self.axes):
            raise ConfigError(
                f"tap({self.name!r}) is given shape {tuple(value.shape)}, but names {len(self.axes)} axes, "
                f"{' '.join(self.axes)!r}; name as many"
            )


Listener = Callable[[Tap, Tensor], Tensor]
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def tap(name: str, value: Tensor, axes: str = "example neuron", *, loop: str | None = "time") -> Tensor:
    """Let hooks see a tensor and put another in its place; the tensor itself wherever nothing has adopted the network.

    Use the result: ``h = tap("hidden", h)``.

    Args:
        name: Of the site, which `interp.adopt` calls ``tap:NAME``; letters, digits, ``_`` and dots.
        value: The tensor, examples first.
        axes: Names of its axes, with a space between them.
        loop: Where the line runs once a step: the name of the axis that steps become in captures, such as ``time`` or
            ``segment``. None: it runs once in a forward pass.

    Example:
        >>> import torch
        >>> tap("memory", torch.ones(2, 3, 4), "example slot neuron", loop=None).shape
        torch.Size([2, 3, 4])
    """
    listener = _listener.get()
    if listener is None:
        return value
    call = Tap(name, tuple(axes.split()), loop)
    call.check(value)
    return listener(call, value)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Give every tap that is reached inside the block to a function; its result takes the value's place.

    Example:
        >>> import torch
        >>> with listening(lambda call, value: 2 * value):
        ...     tap("hidden", torch.ones(1, 2)).tolist()
        [[2.0, 2.0]]
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)

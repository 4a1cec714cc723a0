"""Contexts of a long computation: no denormal numbers, and an orderly end on Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_holding: list[Callable[[int, FrameType | None], None]] = []
"""Handlers of the blocks that hold Ctrl-C back now, outermost first."""


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Treat denormal numbers as 0: strong weight decay makes so many that a run is three times slower."""
    import torch  # an orderly end needs no PyTorch, which takes a second to import

    was_on = bool((torch.tensor([1e-40]) * 1.0 == 0).item())
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(was_on)


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Hold the first Ctrl-C back until the caller asks; a second one interrupts at once.

    Where one block is inside another, both are told.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    pressed = False

    def handle(signum: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True
        if before in _holding:
            before(signum, frame)

    before: Any = signal.signal(signal.SIGINT, handle)
    _holding.append(handle)
    try:
        yield lambda: pressed
    finally:
        _holding.remove(handle)
        signal.signal(signal.SIGINT, before)

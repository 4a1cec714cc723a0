"""Contexts of a long computation: no denormal numbers, memory that is kept, and an orderly end on Ctrl-C."""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Numbers of parameters of mallopt, from malloc.h."""
LARGEST_MMAP = 2**25
"""Bytes; the largest threshold that every version of the library takes."""

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
def kept_memory() -> Iterator[None]:
    """Keep memory that is freed for the next step, instead of giving it back to the system, until the end.

    The system clears each page that it gives, which is a fourth of the time of a training step. Nothing is done where
    the C library is not GNU's.
    """
    library: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not all(hasattr(library, name) for name in ("mallopt", "malloc_trim")):
        yield
        return
    library.mallopt(MMAP_THRESHOLD, LARGEST_MMAP)
    library.mallopt(TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        library.mallopt(TRIM_THRESHOLD, 2 * LARGEST_MMAP)  # as far as the library itself raises it
        library.malloc_trim(0)


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

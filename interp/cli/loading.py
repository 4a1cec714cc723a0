"""Loading what a command computes with."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from interp.cli.console import note


@contextmanager
def loading() -> Iterator[None]:
    """Import modules meanwhile; afterwards threads are as many as pay.

    Modules stay until the end. To look among them for garbage, while they load and at the end of the process, would
    take a third of the time of a short command.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
    from interp.threads import choose

    if (given_up := choose()) is not None:
        note(
            f"computing with one thread: {given_up} are no faster on this machine now "
            f"(with OMP_NUM_THREADS={given_up} they are used)"
        )

"""Studies are tested with one thread, as they measure: more threads change the last digits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from interp.threads import limited


@pytest.fixture(autouse=True, scope="module")
def single_thread() -> Iterator[None]:
    """One thread of every library."""
    with limited(1, everywhere=True):
        yield

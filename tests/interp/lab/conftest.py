"""Studies are tested with one thread, as they measure: more threads change the last digits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from interp.safeguards import one_thread


@pytest.fixture(autouse=True, scope="module")
def single_thread() -> Iterator[None]:
    """One thread of every library."""
    with one_thread(everywhere=True):
        yield

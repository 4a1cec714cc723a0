"""What is put around long computations is taken away again, and changes no number."""

from __future__ import annotations

import ctypes
import resource
import sys

import pytest
import torch

from interp.safeguards import kept_memory

SIZE = 2**22
"""Numbers of an array that the C library takes from the system and gives back by itself."""


def faults(times: int = 20) -> int:
    """Pages that the system gave while an array was made and freed so many times."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.ones(SIZE)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(sys.platform != "linux", reason="of GNU's C library")
def test_freed_memory_is_used_again() -> None:
    pages = 4 * SIZE // resource.getpagesize()
    with kept_memory():
        torch.ones(SIZE)
        assert faults() < 5 * pages  # of 20 arrays


@pytest.mark.parametrize("lacking", ["win32", "linux"])
def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    monkeypatch.setattr(sys, "platform", lacking)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    with kept_memory(), kept_memory():
        assert torch.ones(3).sum() == 3

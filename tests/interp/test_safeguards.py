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


def faults(times: int = 5) -> int:
    """Pages that the system gave while eight arrays were made and freed so many times."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        arrays = [torch.ones(SIZE) for _ in range(8)]
        del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(sys.platform != "linux", reason="of GNU's C library")
def test_freed_memory_is_used_again() -> None:
    faults(1)  # by now the library has set its own limits
    given_back = faults()
    with kept_memory():
        faults(1)
        assert faults() < given_back / 2


@pytest.mark.parametrize("lacking", ["win32", "linux"])
def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    monkeypatch.setattr(sys, "platform", lacking)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    with kept_memory(), kept_memory():
        assert torch.ones(3).sum() == 3

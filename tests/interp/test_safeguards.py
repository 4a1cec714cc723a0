"""What is put around long computations is taken away again."""

from __future__ import annotations

import numba
import pytest
import torch
from threadpoolctl import threadpool_info

from interp.safeguards import one_thread


def blas() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.mark.parametrize("everywhere", [False, True])
def test_one_thread_is_taken_and_the_others_given_back(everywhere: bool) -> None:
    before = torch.get_num_threads(), numba.get_num_threads(), blas()
    with one_thread(everywhere=everywhere):
        assert (torch.get_num_threads(), numba.get_num_threads()) == (1, 1)
        assert blas() == ({1} if everywhere else before[2])
    assert (torch.get_num_threads(), numba.get_num_threads(), blas()) == before

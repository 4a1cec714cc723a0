"""The number of threads: one where several are no faster now, as beside another busy process, and one for each worker.

Libraries take a thread for every processor, and wait for the slowest. Where a processor is taken by somebody else, two
threads can be three times slower than one, so that a command measures which is faster before it computes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count
from time import perf_counter

SHAPE = 2_048, 512, 128
"""Of the product that is timed, near those of training and measuring a network at p = 100."""
ROUNDS = 5
GAIN = 0.85
"""Several threads are used if they take at most this share of the time of one."""
HOPELESS = 1.5
"""Beyond this multiple of the time of one, no more is measured."""
VARIABLES = "OMP_NUM_THREADS", "MKL_NUM_THREADS"
"""Environment variables that decide the number; nothing is measured where one of them is set."""


@contextmanager
def limited(most: int, *, everywhere: bool = False) -> Iterator[None]:
    """Have PyTorch compute with at most so many threads.

    Args:
        everywhere: NumPy, SciPy and scikit-learn too; looking for their libraries takes some milliseconds.

    Example:
        >>> import torch
        >>> with limited(1):
        ...     torch.get_num_threads()
        1
    """
    import torch

    before = torch.get_num_threads()
    with ExitStack() as stack:
        if everywhere:
            from threadpoolctl import threadpool_limits

            stack.enter_context(threadpool_limits(min(most, before)))
        torch.set_num_threads(min(most, before))
        try:
            yield
        finally:
            torch.set_num_threads(before)


def shared(work: Callable[[Iterator[int], int], None]) -> int:
    """Call a function in as many threads as PyTorch has now, each of which computes alone, so that none waits.

    Args:
        work: Called with numbers from 0 without end, of which each goes to one thread, and the number of the thread; 0
            is the caller's. Once it has failed in one thread, or the user interrupts, no other gets a further number.

    Returns:
        The number of threads.

    Example:
        >>> results = []
        >>> def work(blocks, thread):
        ...     while (block := next(blocks)) < 3:
        ...         results.append(block)
        >>> n = shared(work)
        >>> sorted(results)
        [0, 1, 2]
    """
    import torch

    n, blocks = torch.get_num_threads(), _Blocks()
    if n == 1:
        work(blocks, 0)
        return n

    def own(thread: int) -> None:
        with blocks:
            work(blocks, thread)

    with (
        limited(1),
        ThreadPoolExecutor(n - 1, initializer=torch.set_num_threads, initargs=(1,)) as pool,
        blocks,
    ):
        others = [pool.submit(own, thread) for thread in range(1, n)]
        own(0)
        for other in others:
            other.result()
    return n


class _Ended(Exception):
    """Another thread has failed; a StopIteration would turn into an error of the generators that it passes."""


class _Blocks(Iterator[int]):
    """Numbers from 0 without end, as long as nothing has failed in a block that it is the context of."""

    def __init__(self) -> None:
        self.numbers, self.failed = count(), False

    def __next__(self) -> int:
        if self.failed:
            raise _Ended
        return next(self.numbers)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> bool:
        self.failed = self.failed or error is not None
        return isinstance(error, _Ended)


def choose() -> int | None:
    """Compute with `paying` threads from now on.

    Returns:
        The number that PyTorch would take, if it is given up; None if nothing changes.
    """
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    if (most := paying()) == before:
        return None
    threadpool_limits(most)
    torch.set_num_threads(most)
    return before


def paying(most: int | None = None) -> int:
    """As many threads as PyTorch would take, `most` of them at most; 1 where so many are no faster at this moment.

    Takes up to 0.1 s, and nothing where the environment says the number.

    Example:
        >>> paying(1)
        1
    """
    import torch

    n = min(most or torch.get_num_threads(), torch.get_num_threads())
    return n if n == 1 or any(os.environ.get(name) for name in VARIABLES) or faster(n) else 1


def faster(n: int) -> bool:
    """True if a matrix product is clearly faster with `n` threads than with one, at this moment."""
    import torch

    examples, width, classes = SHAPE
    left, right = torch.ones(examples, width), torch.ones(width, classes)
    before, spent = torch.get_num_threads(), {1: 0.0, n: 0.0}

    def time_of(threads: int) -> float:
        torch.set_num_threads(threads)
        start = perf_counter()
        torch.mm(left, right)
        return perf_counter() - start

    try:
        time_of(n)  # makes the threads
        for _ in range(ROUNDS):
            for threads in spent:
                spent[threads] += time_of(threads)
            if spent[n] > HOPELESS * spent[1]:
                break
    finally:
        torch.set_num_threads(before)
    return spent[n] <= GAIN * spent[1]

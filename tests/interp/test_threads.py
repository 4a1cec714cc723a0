"""As many threads as pay, unless somebody has said how many."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch
from threadpoolctl import threadpool_info

from interp import threads


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process with two threads, of whose number nobody has said anything."""
    for name in threads.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def clocked(monkeypatch: pytest.MonkeyPatch, share: float) -> list[int]:
    """Replace the clock: a product takes 1 with one thread, and this share of it with several. The threads measured."""
    now, asked = [0.0], list[int]()
    mm = torch.mm

    def timed(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        asked.append(torch.get_num_threads())
        now[0] += 1.0 if asked[-1] == 1 else share
        return mm(left[:1], right)

    monkeypatch.setattr(torch, "mm", timed)
    monkeypatch.setattr(threads, "perf_counter", lambda: now[0])
    return asked


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(("share", "kept"), [(0.5, 2), (0.8, 2), (0.9, 1), (1.1, 1), (9.0, 1)])
def test_several_are_kept_where_they_are_clearly_faster(monkeypatch, share: float, kept: int) -> None:
    asked = clocked(monkeypatch, share)
    assert threads.paying() == kept
    assert set(asked) == {1, 2}
    assert len(asked) <= 3 or share < threads.HOPELESS  # a slow one is not measured on
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two")
def test_the_number_is_given_up_for_good(monkeypatch) -> None:
    clocked(monkeypatch, 2.0)
    assert (threads.choose(), torch.get_num_threads()) == (2, 1)
    assert threads.choose() is None


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("name", threads.VARIABLES)
def test_the_environment_wins_and_nothing_is_measured(monkeypatch, name: str) -> None:
    monkeypatch.setenv(name, "2")
    asked = clocked(monkeypatch, 9.0)
    assert (threads.choose(), threads.paying(), threads.paying(5), asked) == (None, 2, 2, [])
    assert threads.paying(1) == 1


def blas() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("everywhere", [False, True])
def test_a_limit_holds_inside_and_only_there(everywhere: bool) -> None:
    before = blas()
    with threads.limited(1, everywhere=everywhere):
        assert torch.get_num_threads() == 1
        assert blas() == ({1} if everywhere else before)
        with threads.limited(2):
            assert torch.get_num_threads() == 1  # at most
    assert (torch.get_num_threads(), blas()) == (2, before)


@pytest.mark.parametrize("n", [1, 3])
def test_shared_work_is_done_once_and_each_thread_computes_alone(n: int) -> None:
    before = torch.get_num_threads()
    blocks_of_threads: dict[int, list[int]] = {}
    try:
        torch.set_num_threads(n)

        def work(blocks: Iterator[int], thread: int) -> None:
            assert torch.get_num_threads() == 1
            while (block := next(blocks)) < 50:
                blocks_of_threads.setdefault(thread, []).append(block)

        assert threads.shared(work) == n
        assert torch.get_num_threads() == n
    finally:
        torch.set_num_threads(before)
    assert sorted(block for blocks in blocks_of_threads.values() for block in blocks) == list(range(50))


def test_an_error_of_shared_work_is_raised() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)

        def work(blocks: Iterator[int], thread: int) -> None:
            if thread:
                raise ValueError("of the other thread")

        with pytest.raises(ValueError, match="of the other thread"):
            threads.shared(work)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("failing", [0, 1])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_threads_end_as_soon_as_one_has_failed(failing: int, error: type[BaseException]) -> None:
    """Through a generator too, which a work may take its numbers by."""
    before, many, done = torch.get_num_threads(), 3_000, []
    first = threading.Barrier(2, timeout=20)

    def work(blocks: Iterator[int], thread: int) -> None:
        for block in (next(blocks) for _ in range(many)):
            if len(done) < 2:
                done.append(block)
                first.wait()
            if thread == failing:
                raise error("of one thread")
            time.sleep(0.001)
            done.append(block)

    try:
        torch.set_num_threads(2)
        with pytest.raises(error, match="of one thread"):
            threads.shared(work)
    finally:
        torch.set_num_threads(before)
    assert len(done) < many / 2

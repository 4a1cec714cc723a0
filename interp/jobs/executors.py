"""Where the work runs: in this process, in a pool of processes, or on a Ray cluster. All call one function."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import wait as wait_for
from typing import Any

from interp.errors import ConfigError, choose
from interp.jobs.columns import Result
from interp.jobs.worker import Chunk, work
from interp.progress import hide_progress

ENGINES = ("local", "ray")
AHEAD = 3
"""Chunks that are handed out for each worker, so that none waits for the next."""
RETRIES = 3
POLL = 0.25
KNOCK = 5.0
OPEN = (
    "a Ray cluster of this machine's own listens on all its network addresses, and whoever reaches one can run code "
    "here; behind no firewall, take engine='local' (--engine local) or name a cluster that is protected"
)


@dataclass(frozen=True)
class Lost:
    """The outcome of a chunk whose worker died."""

    why: str


Finished = tuple[Chunk, list[Result] | Lost]


def cores() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def executor(engine: str, workers: int, address: str | None = None) -> Iterator[Executor]:
    """An executor, closed at the end; a `ConfigError` if there is no such engine or cluster.

    With one worker, the work is done in this process. Ray without an address starts a cluster of so many cores here,
    and warns of it, as Ray cannot be kept to this machine's own addresses.
    """
    if choose("engine", engine, ENGINES) == "ray":
        with _ray(workers, address) as ray:
            yield OnRay(ray)
    elif workers == 1:
        yield Executor()
    else:
        pool = Pool(workers)
        try:
            yield pool
        finally:
            end_pool(pool.pool, busy=bool(pool.running))


class Executor:
    """Takes chunks, and gives back their outcomes, in any order; this one does the work in this process, when asked."""

    def __init__(self) -> None:
        self.waiting: list[Chunk] = []

    @property
    def slots(self) -> int:
        """The number of chunks to hand out at a time."""
        return 1

    def submit(self, chunk: Chunk) -> None:
        self.waiting.append(chunk)

    def finished(self) -> list[Finished]:
        """Chunks that are done, after a short wait if there are none yet."""
        chunk = self.waiting.pop(0)
        return [(chunk, work(chunk))]


class Pool(Executor):
    """Processes on this machine. When one dies, all chunks that are out are lost, and a new pool starts."""

    def __init__(self, workers: int) -> None:
        self.running: dict[Future[list[Result]], Chunk] = {}
        self.workers, self.pool = workers, _pool(workers)

    @property
    def slots(self) -> int:
        return AHEAD * self.workers

    def submit(self, chunk: Chunk) -> None:
        try:
            future = self.pool.submit(work, chunk)
        except BrokenProcessPool:
            self.pool = _pool(self.workers)
            future = self.pool.submit(work, chunk)
        self.running[future] = chunk

    def finished(self) -> list[Finished]:
        return _finished(self.running, BrokenProcessPool, str)


class OnRay(Executor):
    """Tasks on a Ray cluster, which schedules them, and runs them again elsewhere if a node dies."""

    def __init__(self, ray: Any) -> None:
        self.ray, self.work = ray, ray.remote(num_cpus=1, max_retries=RETRIES)(work)
        self.running: dict[Future[list[Result]], Chunk] = {}

    @property
    def slots(self) -> int:
        return AHEAD * max(1, int(self.ray.cluster_resources().get("CPU", 1)))

    def submit(self, chunk: Chunk) -> None:
        self.running[self.work.remote(chunk).future()] = chunk

    def finished(self) -> list[Finished]:
        words = lambda error: f"{type(error).__name__}: {str(error).splitlines()[0]}"  # noqa: E731
        return _finished(self.running, self.ray.exceptions.RayError, words)


def _finished(
    running: dict[Future[list[Result]], Chunk], death: type[Exception], words: Callable[[Exception], str]
) -> list[Finished]:
    done, _ = wait(running, timeout=POLL, return_when=FIRST_COMPLETED)
    outcomes: list[Finished] = []
    for future in done:
        chunk = running.pop(future)
        try:
            outcomes.append((chunk, future.result()))
        except death as error:
            outcomes.append((chunk, Lost(words(error))))
    return outcomes


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=prepare_processes(), initializer=begin_worker)


def end_pool(pool: ProcessPoolExecutor, *, busy: bool) -> None:
    """End a pool's processes, and do not wait for those that are busy."""
    running = list((pool._processes or {}).values())
    pool.shutdown(wait=not busy, cancel_futures=True)
    if busy:
        for process in running:
            process.terminate()


def prepare_processes() -> Any:
    """The context to start workers in: forked from a process of its own, as threads cannot be forked safely."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["interp.jobs.worker"])
    forkserver.ensure_running()
    return context


def begin_worker() -> None:
    """Make a worker leave Ctrl-C and progress to its parent, and end with its parent however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    hide_progress()
    parent = multiprocessing.parent_process()

    def end(sentinel: int) -> None:
        wait_for([sentinel])
        os._exit(1)

    if parent is not None:
        threading.Thread(target=end, args=(parent.sentinel,), daemon=True).start()


@contextmanager
def _ray(workers: int, address: str | None) -> Iterator[Any]:
    try:
        import ray
    except ImportError:
        raise ConfigError(
            "the engine 'ray' needs Ray; install it with: pip install 'grokscope[ray]'"
        ) from None
    own = not ray.is_initialized()
    if own:
        _check_reachable(address)
        where: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
        where |= {"address": address} if address else {"num_cpus": workers, "include_dashboard": False}
        if not address:
            warnings.warn(OPEN, stacklevel=2)
        try:
            ray.init(**where)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ConfigError(f"cannot reach the Ray cluster at {address!r}: {error}") from None
    try:
        yield ray
    finally:
        if own:
            ray.shutdown()


def _check_reachable(address: str | None) -> None:
    """Knock at an address, as Ray itself waits for minutes where nobody answers."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=KNOCK).close()
    except OSError as error:
        raise ConfigError(f"cannot reach the Ray cluster at {address!r}: {error}") from None

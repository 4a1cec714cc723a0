"""Where the work runs: in this process, in a pool of processes, or on a Ray cluster. All call one function."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import wait as wait_for
from typing import Any, Protocol, runtime_checkable

from interp.errors import ConfigError, choose
from interp.jobs.settings import Settings
from interp.jobs.worker import Result, work

ENGINES = ("local", "ray")
AHEAD = 3
"""Chunks that are handed out for each worker, so that none waits for the next."""
RETRIES = 3
"""How often Ray runs a chunk again whose node or process died."""
POLL = 0.25
KNOCK = 5.0


@runtime_checkable
class Piece(Protocol):
    """Work that is handed out whole: what it is of, how that is measured, and how it divides."""

    @property
    def paths(self) -> tuple[str, ...]: ...

    @property
    def settings(self) -> Settings: ...

    def alone(self) -> Iterator[Any]: ...


Work = Callable[[Any], list[Result]]
"""What a worker does with a piece; a function that it can import."""


@dataclass(frozen=True)
class Lost:
    """A chunk whose worker died while it was measured."""

    why: str


Outcome = tuple[Piece, list[Result] | Lost]


@runtime_checkable
class Executor(Protocol):
    """Takes chunks, and gives back what became of them, in any order."""

    @property
    def slots(self) -> int:
        """How many chunks to hand out at a time."""
        ...

    def submit(self, chunk: Piece) -> None:
        """Hand out a chunk."""
        ...

    def finished(self) -> list[Outcome]:
        """Chunks that are done, after a short wait if there are none yet."""
        ...


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def executor(engine: str, workers: int, address: str | None = None, task: Work = work) -> Iterator[Executor]:
    """An executor, closed at the end.

    Args:
        engine: ``"local"`` or ``"ray"``.
        workers: Processes; with one, the work is done in this process. For Ray without an address, cores of the cluster
            that is started here.
        address: Of a Ray cluster.
        task: What a worker does with a piece.

    Raises:
        ConfigError: The engine is unknown or not installed, or the cluster cannot be reached.
    """
    if choose("engine", engine, ENGINES) == "ray":
        with _ray(workers, address, task) as opened:
            yield opened
    elif workers == 1:
        yield Serial(task)
    else:
        pool = Processes(workers, task)
        try:
            yield pool
        finally:
            pool.close()


class Serial:
    """Does the work in this process, when it is asked what is finished."""

    slots = 1

    def __init__(self, task: Work = work) -> None:
        self._task = task
        self._waiting: list[Piece] = []

    def submit(self, chunk: Piece) -> None:
        self._waiting.append(chunk)

    def finished(self) -> list[Outcome]:
        return [(chunk, self._task(chunk)) for chunk in (self._waiting.pop(0),)]


class Processes:
    """A pool of processes on this machine. When one dies, all chunks that are out are lost, and a new pool starts."""

    def __init__(self, workers: int, task: Work = work) -> None:
        self.slots = AHEAD * workers
        self._workers, self._task = workers, task
        self._running: dict[Future[list[Result]], Piece] = {}
        self._pool = self._start()

    def _start(self) -> ProcessPoolExecutor:
        context = prepare_processes()
        return ProcessPoolExecutor(self._workers, mp_context=context, initializer=begin_worker)

    def submit(self, chunk: Piece) -> None:
        try:
            future = self._pool.submit(self._task, chunk)
        except BrokenProcessPool:
            self._pool = self._start()
            future = self._pool.submit(self._task, chunk)
        self._running[future] = chunk

    def finished(self) -> list[Outcome]:
        done, _ = wait(self._running, timeout=POLL, return_when=FIRST_COMPLETED)
        outcomes: list[Outcome] = []
        for future in done:
            chunk = self._running.pop(future)
            try:
                outcomes.append((chunk, future.result()))
            except BrokenProcessPool as error:
                outcomes.append((chunk, Lost(str(error))))
        return outcomes

    def close(self) -> None:
        """End the processes; chunks that are still running are given up."""
        end_pool(self._pool, busy=bool(self._running))


def end_pool(pool: ProcessPoolExecutor, *, busy: bool) -> None:
    """End a pool's processes, and do not wait for those that are busy."""
    running = list((pool._processes or {}).values())
    pool.shutdown(wait=not busy, cancel_futures=True)
    if busy:
        for process in running:
            process.terminate()


def prepare_processes() -> Any:
    """Have the process that workers are forked from import what they need, without waiting for it.

    It is a process of its own, as PyTorch's and Arrow's threads in this one could not be forked safely.

    Returns:
        The context to start workers in.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["interp.jobs.worker"])
    forkserver.ensure_running()
    return context


def begin_worker() -> None:
    """Make a worker ignore Ctrl-C, which its parent handles, and end with its parent however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait_for([sentinel])
    os._exit(1)


class OnRay:
    """Tasks on a Ray cluster, which schedules them, and runs them again elsewhere if a node dies."""

    def __init__(self, ray: Any, task: Work = work) -> None:
        self._ray = ray
        self._task = ray.remote(num_cpus=1, max_retries=RETRIES)(task)
        self._running: dict[Any, Piece] = {}

    @property
    def slots(self) -> int:
        """As many as the cluster has processors for, now."""
        return AHEAD * max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def submit(self, chunk: Piece) -> None:
        self._running[self._task.remote(chunk)] = chunk

    def finished(self) -> list[Outcome]:
        done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=POLL)
        outcomes: list[Outcome] = []
        for reference in done:
            chunk = self._running.pop(reference)
            try:
                outcomes.append((chunk, self._ray.get(reference)))
            except self._ray.exceptions.RayError as error:
                outcomes.append((chunk, Lost(f"{type(error).__name__}: {str(error).splitlines()[0]}")))
        return outcomes


@contextmanager
def _ray(workers: int, address: str | None, task: Work) -> Iterator[OnRay]:
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
        try:
            ray.init(**where)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ConfigError(f"cannot reach the Ray cluster at {address!r}: {error}") from None
    try:
        yield OnRay(ray, task)
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

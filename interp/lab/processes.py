"""Measuring several seeds at once, each in a process of its own with one thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from interp.errors import ConfigError
from interp.jobs.executors import begin_worker, end_pool, prepare_processes
from interp.progress import Report

POLL = 0.25
"""Seconds between two looks at what the processes have told."""
_told: Any = None
"""In a worker: where it tells how far it has come."""


def measured_at_once(
    name: str, config: Any, seeds: Sequence[int], workers: int, report: Report
) -> Iterator[tuple[int, Any]]:
    """A study's seeds with what was measured, in the order that they are done.

    Args:
        name: Of the study.
        config: Its settings.
        seeds: One process is busy with each.
        workers: Processes.
        report: Told the sum of all steps done.

    Raises:
        ConfigError: A process died, for want of memory or by somebody's hand.
    """
    context = prepare_processes()
    told, done, said = context.Queue(), dict.fromkeys(seeds, 0), ""
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(told,))
    running = {pool.submit(_measure, name, config, seed): seed for seed in seeds}
    try:
        while running:
            finished, _ = wait(running, timeout=POLL, return_when=FIRST_COMPLETED)
            while not told.empty():
                seed, done[seed], note = told.get()
                said = of_seed(seed, note)
            report(sum(done.values()), said)
            for future in finished:
                yield running.pop(future), future.result()
    except BrokenProcessPool:
        raise ConfigError(
            "a process that measured a seed died, perhaps for want of memory; take fewer --workers"
        ) from None
    finally:
        end_pool(pool, busy=bool(running))


def of_seed(seed: int, note: str) -> str:
    """What is shown of a seed's progress.

    Example:
        >>> of_seed(2, "loss 0.1"), of_seed(2, "")
        ('seed 2, loss 0.1', 'seed 2')
    """
    return f"seed {seed}, {note}" if note else f"seed {seed}"


def _begin(told: Any) -> None:
    global _told
    begin_worker()
    _told = told


def _measure(name: str, config: Any, seed: int) -> Any:
    from interp.lab.study import study_called
    from interp.safeguards import one_thread

    with one_thread(everywhere=True):
        return study_called(name).measure(config, seed, lambda done, note="": _told.put((seed, done, note)))

"""Running a study for several seeds, one after another or in processes, and keeping the records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from interp.errors import ConfigError
from interp.held import held
from interp.jobs.executors import begin_worker, cores, end_pool, prepare_processes
from interp.lab.kept import KeptRecords
from interp.lab.study import Record, Study, StudyResult, study_called
from interp.progress import Report, progress, with_progress
from interp.safeguards import deferred_interrupt
from interp.threads import limited

POLL = 0.25  # seconds between two looks at the progress of the processes
_progress: Any = None  # in a worker: the queue for its progress


@with_progress("studying")
def run_study(
    name: str | Study,
    seeds: Sequence[int] = (0, 1, 2),
    *,
    out: Path | str | None = None,
    opened: Any = None,
    workers: int | None = None,
    show_progress: bool | None = None,
    **settings: Any,
) -> StudyResult:
    """Run a study: its smallest real experiment, or another with other settings.

    Args:
        name: One of `STUDIES`, or a study of your own.
        seeds: Everything is measured once for each; three or more give intervals.
        out: A folder where each seed's result is kept as ``seed-N.json``. Seeds that it holds are not measured again.
        opened: A checkpoint from `load_checkpoint` to look at, where the study can; its own networks if None.
        workers: Processes, each of which measures a seed with one thread; one for each processor if None. A checkpoint,
            or a study of your own, is measured in this process.
        show_progress: See `interp.show_progress`.
        settings: Of the study; see its ``Config``.

    Raises:
        ConfigError: There is no such study or setting, a seed is named twice, or `out` holds another study's results.

    Example:
        >>> result = run_study("lens", [0], p=13, width=32, steps=20, show_progress=False)
        >>> result.seeds
        (0,)
    """
    study = name if isinstance(name, Study) else study_called(name)
    config = study.settings(**settings)
    study = study if study.variant is None else study.variant(config)
    seeds = tuple(int(seed) for seed in seeds)
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise ConfigError(f"seeds={list(seeds)} are no seeds; give one or more different numbers from 0 on")
    if workers is not None and workers < 1:
        raise ConfigError(f"workers={workers} is no number of processes; give 1 or more")
    if opened is not None and study.inspect is None:
        raise ConfigError(f"the study {study.name!r} trains its own networks; it cannot look at a checkpoint")
    kept = KeptRecords(None if out is None else Path(out), study, asdict(config) | _fingerprint(opened))
    stored = {seed: kept.read(seed) for seed in seeds}
    waiting = [seed for seed in seeds if stored[seed] is None]
    alone = opened is not None or isinstance(name, Study)  # which other processes could not be given
    workers = 1 if alone else min(workers or cores(), max(1, len(waiting)))
    with held(out), progress(study.name, study.units(config) * len(waiting)) as report:
        for seed, record in _measured(study, opened, config, waiting, workers, report):
            stored[seed] = kept.write(seed, record)
    return StudyResult(study, config, seeds, tuple(stored[seed] for seed in seeds), opened is not None)  # type: ignore[misc]


def _measured(
    study: Study, opened: Any, config: Any, seeds: Sequence[int], workers: int, report: Report
) -> Iterator[tuple[int, Record]]:
    """Each seed's record as it is done, by one thread, so that its numbers do not depend on the workers."""
    measure = study.measure
    if opened is not None and study.inspect is not None:
        measure = partial(study.inspect, opened)
    with deferred_interrupt() as interrupted:

        def watched(done: int, note: str = "") -> None:
            if interrupted():
                raise KeyboardInterrupt
            report(done, note)

        if workers > 1:
            yield from _measured_at_once(study.name, config, seeds, workers, watched)
            return
        for place, seed in enumerate(seeds):
            before = place * study.units(config)

            def shifted(done: int, note: str = "", before: int = before, seed: int = seed) -> None:
                watched(before + done, _of_seed(seed, note))

            with limited(1, everywhere=True):
                record = measure(config, seed, shifted)
            if interrupted():  # what Ctrl-C ended early is not what was asked for
                raise KeyboardInterrupt
            yield seed, record


def _measured_at_once(
    name: str, config: Any, seeds: Sequence[int], workers: int, report: Report
) -> Iterator[tuple[int, Any]]:
    """Each seed's record, measured in a process of its own; `report` is given the sum of all steps done."""
    context = prepare_processes()
    queue, done, latest = context.Queue(), dict.fromkeys(seeds, 0), ""
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(queue,))
    running = {pool.submit(_measure, name, config, seed): seed for seed in seeds}
    try:
        while running:
            finished, _ = wait(running, timeout=POLL, return_when=FIRST_COMPLETED)
            while not queue.empty():
                seed, done[seed], note = queue.get()
                latest = _of_seed(seed, note)
            report(sum(done.values()), latest)
            for future in finished:
                yield running.pop(future), future.result()
    except BrokenProcessPool:
        raise ConfigError(
            "a process that measured a seed died, perhaps for want of memory; take fewer --workers"
        ) from None
    finally:
        end_pool(pool, busy=bool(running))


def _begin(queue: Any) -> None:
    global _progress
    begin_worker()
    _progress = queue


def _measure(name: str, config: Any, seed: int) -> Any:
    with limited(1, everywhere=True):
        return study_called(name).measure(
            config, seed, lambda done, note="": _progress.put((seed, done, note))
        )


def _of_seed(seed: int, note: str) -> str:
    return f"seed {seed}, {note}" if note else f"seed {seed}"


def _fingerprint(opened: Any) -> dict[str, Any]:
    """A checkpoint's weights and task, however it was opened: a result depends on them beside its settings."""
    if opened is None:
        return {}
    digest = sha256(json.dumps(opened.task.to_dict(), sort_keys=True, default=str).encode())
    digest.update(repr(opened.task.ordering).encode())
    for name, tensor in sorted(opened.model.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return {"checkpoint": f"{opened.path} {digest.hexdigest()[:12]}"}

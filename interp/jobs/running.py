"""Running a job: what is left to do, handing it out, storing what comes back, and saying how it went."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from rich.console import Console

from interp.errors import ConfigError
from interp.jobs.executors import Executor, Lost, cores, executor, prepare_processes
from interp.jobs.pages import write_overview
from interp.jobs.planning import chunks_of, items_of, plan
from interp.jobs.settings import Settings
from interp.jobs.spec import Group, Job, read_job
from interp.jobs.store import Store
from interp.jobs.worker import Chunk, Result, lost
from interp.progress import progress
from interp.safeguards import deferred_interrupt
from interp.unsaid import OpenAs

FIRST_WAIT, LONGEST_WAIT, WAIT_SHARE = 0.5, 10.0, 0.1
"""Results are stored after this many seconds: more seldom the longer a job runs, so that parts are few."""
HOPELESS = 3
"""So many deaths of workers before anything was measured mean that no worker can live here."""
COPIED = 64
"""Results that are read and stored again together."""
WORTH_A_POOL = 10.0
"""Seconds of work from which starting processes, which takes seconds itself, is worth it."""
MOST_NEURONS = 2**18
"""Neurons that are held before they are stored."""


@dataclass(frozen=True, eq=False)
class BatchResult:
    """How a job went.

    Attributes:
        store: All results.
        done: Checkpoints measured now.
        before: Checkpoints of this job that were stored already.
        failed: Checkpoints of this job that could not be measured, now or before.
        interrupted: Whether Ctrl-C ended the job before all was done.
        seconds: How long it took.
        overview: The HTML page.
    """

    store: Store
    done: int
    before: int
    failed: int
    interrupted: bool
    seconds: float
    overview: Path | None = None


def batch(
    paths: str | Path | list[str] | list[Path],
    out: Path | str | None = None,
    *,
    measure: str = "scores",
    how: OpenAs | None = None,
    site: str | None = None,
    seed: int = 0,
    n_random: int = 20,
    **options: Any,
) -> BatchResult:
    """Measure many checkpoints, and store one row a neuron and one row a checkpoint.

    What is stored already is not measured again, so the same call goes on where a former one was stopped.

    Args:
        paths: Files, folders and globs, also such as ``s3://bucket/runs/*.safetensors``; or one TOML file that
            describes the job, see `interp.jobs.spec.read_job`.
        out: The folder of the results; a TOML file may name it itself.
        measure: ``"scores"``, ``"labels"``, ``"causal"`` or ``"audit"``; see `interp.jobs.settings.Settings`.
        how: What the checkpoints do not say of themselves.
        site: Hook name of the neurons.
        seed: Of all draws.
        n_random: Random draws of every control.
        options: The other fields of `interp.jobs.spec.Job`: ``workers``, ``engine``, ``force``, ``retry_failed``, …

    Returns:
        The store, and how many were done, stored before, and failed. A checkpoint that fails is a row, not an error.

    Raises:
        ConfigError: Nothing matches the paths, an option cannot be used, or the results cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from interp.checkpoints import save_checkpoint
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> with TemporaryDirectory() as folder:
        ...     _ = save_checkpoint(f"{folder}/net.safetensors", analytic_mlp("add", p=31), ModularTask("add", p=31))
        ...     found = batch(f"{folder}/*.safetensors", f"{folder}/scored", workers=1, outliers=0)
        ...     found.done, found.failed, round(found.store.checkpoints["ipr_mean"][0].as_py(), 3)
        (1, 0, 1.0)
    """
    listed = [str(path) for path in ([paths] if isinstance(paths, (str, Path)) else paths)]
    if len(listed) == 1 and listed[0].endswith(".toml"):
        return run(read_job(listed[0], out=out, **options))
    if out is None:
        raise ConfigError("say where the results go: out='FOLDER'")
    settings = Settings(measure, how or OpenAs(), site, seed, n_random)
    return run(Job((Group(tuple(listed), (settings,)),), Path(out), **options))


def run(job: Job, console: Console | None = None) -> BatchResult:
    """Do what is left of a job; see `batch`.

    Args:
        job: What to do.
        console: Where to report progress; standard error if None.

    Raises:
        ConfigError: Nothing matches the paths, or the results cannot be written.
    """
    start = monotonic()
    store, items = Store(job.out), items_of(job)
    with store.locked(), deferred_interrupt() as stopped:
        if job.engine == "local" and (job.workers or 1) > 1:
            prepare_processes()
        todo = plan(items, job, store)
        job.record()
        for start in range(0, len(todo.copies), COPIED):
            store.add([store.copied(*copy) for copy in todo.copies[start : start + COPIED]])
        running = _Running(store, stopped)
        workers = job.workers or (cores() if todo.seconds > WORTH_A_POOL else 1)
        pieces = list(chunks_of(todo.pending, workers))
        with executor(job.engine, workers, job.ray_address) as where:
            running.measure(where, pieces, console)
            if running.done or running.failed or todo.copies:
                store.drop_superseded()
            page = None if running.interrupted else write_overview(job, store, where, stopped, console)
    failed = todo.failed + running.failed
    before = todo.done + len(todo.copies)
    return BatchResult(store, running.done, before, failed, running.interrupted, monotonic() - start, page)


@dataclass
class _Running:
    """The state of a job while its chunks are out."""

    store: Store
    stopped: Callable[[], bool]
    done: int = 0
    failed: int = 0
    died: int = 0
    interrupted: bool = False
    alone: bool = False
    held: list[Result] = field(default_factory=list)
    suspects: deque[Chunk] = field(default_factory=deque)
    start: float = field(default_factory=monotonic)
    stored: float = field(default_factory=monotonic)

    def measure(self, where: Executor, pieces: list[Chunk], console: Console | None) -> None:
        """Hand out all chunks, and store what comes back.

        When a process dies, nobody knows which chunk killed it: the checkpoints that were out are measured again one at
        a time, and one whose process dies then is a failure.
        """
        total, waiting, out = sum(len(piece.paths) for piece in pieces), deque(pieces), 0
        try:
            with progress("measuring checkpoints", total, console, after=0 if total else 1) as report:
                while (waiting or self.suspects or out) and not self.interrupted:
                    while waiting and not self.suspects and out < where.slots:
                        where.submit(waiting.popleft())
                        out += 1
                    if self.suspects and not out:
                        where.submit(self.suspects.popleft())
                        out, self.alone = 1, True
                    for chunk, outcome in where.finished():
                        out -= 1
                        self._take(chunk, outcome)
                        self.alone = False
                        report(self.done + self.failed, self._note())
                    self._store_if_due()
                    self.interrupted = self.stopped()
        finally:
            self._store()

    def _take(self, chunk: Chunk, outcome: list[Result] | Lost) -> None:
        if isinstance(outcome, Lost):
            if not self.alone:
                self.suspects.extend(chunk.alone())
                return
            self.died += 1
            if self.died >= HOPELESS and not self.done:
                raise ConfigError(
                    f"the workers die before they have measured anything ({outcome.why}); with workers=1 "
                    "(--workers 1) the work is done in this process, and shows what is wrong. A script that starts "
                    "workers must do so under: if __name__ == '__main__'"
                )
            outcome = [lost(path, chunk.settings, outcome.why) for path in chunk.paths]
        self.held += outcome
        failures = sum(result.row["status"] == "failed" for result in outcome)
        self.failed += failures
        self.done += len(outcome) - failures

    def _note(self) -> str:
        rate = (self.done + self.failed) / max(monotonic() - self.start, 1e-9)
        shown = f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
        return f"{shown}, {self.failed} failed"

    def _store_if_due(self) -> None:
        now = monotonic()
        wait = min(max(WAIT_SHARE * (now - self.start), FIRST_WAIT), LONGEST_WAIT)
        neurons = sum(len(result.neurons["neuron"]) for result in self.held if result.neurons is not None)
        if now - self.stored > wait or neurons > MOST_NEURONS:
            self._store()

    def _store(self) -> None:
        held, self.held = self.held, []
        self.store.add(held)
        self.stored = monotonic()

"""Running a job: what is left to do, handing it out, storing what comes back, and saying how it went."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from rich.console import Console

from interp.checkpoints.options import OpenOptions
from interp.errors import ConfigError
from interp.jobs.dispatch import Dispatch
from interp.jobs.executors import cores, executor, prepare_processes
from interp.jobs.pages import write_overview
from interp.jobs.planning import chunks_of, items_of, plan
from interp.jobs.settings import Settings
from interp.jobs.spec import Group, Job, read_job
from interp.jobs.store import Store
from interp.safeguards import deferred_interrupt

COPIED = 64
"""Results that are read and stored again together."""
WORTH_A_POOL = 10.0
"""Seconds of work from which starting processes, which takes seconds itself, is worth it."""


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
    options: OpenOptions | None = None,
    site: str | None = None,
    seed: int = 0,
    n_random: int = 20,
    **job: Any,
) -> BatchResult:
    """Measure many checkpoints, and store one row a neuron and one row a checkpoint.

    What is stored already is not measured again, so the same call goes on where a former one was stopped.

    Args:
        paths: Files, folders and globs, also such as ``s3://bucket/runs/*.safetensors``; or one TOML file that
            describes the job, see `interp.jobs.spec.read_job`.
        out: The folder of the results; a TOML file may name it itself.
        measure: ``"scores"``, ``"labels"``, ``"causal"`` or ``"audit"``; see `interp.jobs.settings.Settings`.
        options: What the checkpoints do not say of themselves.
        site: Hook name of the neurons.
        seed: Of all draws.
        n_random: Random draws of every control.
        job: The other fields of `interp.jobs.spec.Job`: ``workers``, ``engine``, ``force``, ``retry_failed``, …

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
        return run(read_job(listed[0], out=out, **job))
    if out is None:
        raise ConfigError("say where the results go: out='FOLDER'")
    settings = Settings(measure, options or OpenOptions(), site, seed, n_random)
    return run(Job((Group(tuple(listed), (settings,)),), Path(out), **job))


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
        running = Dispatch(store, stopped)
        workers = job.workers or (cores() if todo.seconds > WORTH_A_POOL else 1)
        pieces = list(chunks_of(todo.pending, workers))
        with executor(job.engine, workers, job.ray_address) as where:
            running.go(where, pieces, console)
            if running.done or running.failed or todo.copies:
                store.drop_superseded()
            page = None if running.interrupted else write_overview(job, store, where, stopped, console)
    failed = todo.failed + running.failed
    before = todo.done + len(todo.copies)
    return BatchResult(store, running.done, before, failed, running.interrupted, monotonic() - start, page)

"""Carrying out a workload: the plan of what is left to do, and the outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from interp.checkpoints.options import OpenOptions
from interp.errors import ConfigError
from interp.jobs.columns import Identity
from interp.jobs.dispatch import Dispatch
from interp.jobs.executors import Executor, executor, prepare_processes
from interp.jobs.overview import write_overview
from interp.jobs.settings import Settings
from interp.jobs.sources import content_of, is_remote, stamp_of
from interp.jobs.spec import Group, Job, Workload, read_job
from interp.jobs.store import Store
from interp.jobs.worker import key_of
from interp.progress import progress, with_progress
from interp.safeguards import deferred_interrupt

COPIED = 64


@dataclass
class Plan:
    """Each item of a workload, sorted by what is to be done.

    Attributes:
        copies: Stored under another path already: the part and the identity of that row, the new path, and its stamp.
    """

    pending: list[Any] = field(default_factory=list)
    copies: list[tuple[int, Identity, str, str]] = field(default_factory=list)
    done: int = 0
    failed: int = 0


def plan(work: Workload, items: dict[Identity, Any], store: Store) -> Plan:
    """Compare what is asked for with what is stored.

    A checkpoint is done if its row has the same settings and its files have not been written to since; if they have,
    or it is new here, its content decides. A failure is tried again once its file has changed.
    """
    if work.force:
        return Plan(pending=list(items.values()))
    known, result = store.known(), Plan()
    by_key = {row.key: (row.part, identity) for identity, row in known.items() if row.ok and row.key}
    measured = {settings for _, (_, settings) in by_key.values()}
    with progress("looking for what is stored", len(items)) as report:
        for i, ((path, settings), item) in enumerate(items.items()):
            row, comparable = known.get((path, settings)), settings in measured
            stamp = stamp_of(path) if row is not None or comparable else ""
            if row is not None and (row.stamp != stamp or (row.ok and not stamp)):
                row = None  # its files have changed, as far as is known
            compared = row is None and comparable and not is_remote(path)
            content = content_of(path) if compared else None
            same = by_key.get(key_of(content, settings)) if content is not None else None
            if (row is not None and row.ok) or (same is not None and same[1] == (path, settings)):
                result.done += 1
            elif same is not None:
                result.copies.append((*same, path, stamp))
            elif row is not None and not work.retry_failed:
                result.failed += 1
            else:
                result.pending.append(item)
            report(i + 1)
    return result


@dataclass(frozen=True, eq=False)
class Outcome:
    """Numbers of items done now, stored before, and failed now or before, unless Ctrl-C interrupted the work."""

    store: Store
    done: int
    before: int
    failed: int
    interrupted: bool
    seconds: float


@dataclass(frozen=True, eq=False)
class BatchResult(Outcome):
    """The outcome of a job, with its HTML page."""

    overview: Path | None = None


Kind = TypeVar("Kind", bound=Outcome)
Finish = Callable[[Dispatch, Executor], dict[str, Any]]


def carry_out(work: Workload, kind: type[Kind], finish: Finish) -> Kind:
    """Do what is left of a workload; `finish` gives what its kind of outcome has besides, once all is stored."""
    start = monotonic()
    store, items = Store(work.out), work.items()
    with store.locked(), deferred_interrupt() as stopped:
        if work.engine == "local" and (work.workers or 1) > 1:
            prepare_processes()
        todo = plan(work, items, store)
        work.record()
        for first in range(0, len(todo.copies), COPIED):
            store.add([store.copied(*copy) for copy in todo.copies[first : first + COPIED]])
        workers = work.processes(todo.pending)
        chunks = list(work.chunks(todo.pending, workers))
        dispatch = Dispatch(work, store, stopped)
        with executor(work.engine if chunks else "local", workers, work.ray_address) as where:
            dispatch.go(where, chunks)
            if dispatch.done or dispatch.failed or todo.copies:
                store.drop_superseded()
            more = finish(dispatch, where)
    return kind(
        store=store,
        done=dispatch.done,
        before=todo.done + len(todo.copies),
        failed=todo.failed + dispatch.failed,
        interrupted=dispatch.interrupted,
        seconds=monotonic() - start,
        **more,
    )


def batch(
    paths: str | Path | list[str] | list[Path],
    out: Path | str | None = None,
    *,
    measure: str = "scores",
    options: OpenOptions | None = None,
    site: str | None = None,
    seed: int = 0,
    n_random: int = 20,
    sequences: Path | str | None = None,
    prompt_tokens: int | None = None,
    since: Path | str | None = None,
    show_progress: bool | None = None,
    **job: Any,
) -> BatchResult:
    """Measure many checkpoints, and store one row a neuron and one row a checkpoint.

    Of language models, whose memory of sequences is measured, one row a sequence is stored in place of one a neuron.

    What is stored already is not measured again, so the same call goes on where a former one was stopped.

    Args:
        paths: Files, folders and globs, also such as ``s3://bucket/runs/*.safetensors``; or one TOML file that
            describes the job, see `interp.jobs.spec.read_job`.
        out: The folder of the results; a TOML file may name it itself.
        measure: ``"scores"``, ``"labels"``, ``"causal"``, ``"audit"`` or ``"memory"``; see
            `interp.jobs.settings.Settings`, also for options, site, seed, n_random, sequences, prompt_tokens and since.
        show_progress: See `interp.show_progress`.
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
        ...     result = batch(f"{folder}/*.safetensors", f"{folder}/scored", workers=1, outliers=0)
        ...     result.done, result.failed, round(result.store.checkpoints["ipr_mean"][0].as_py(), 3)
        (1, 0, 1.0)
    """
    listed = [str(path) for path in ([paths] if isinstance(paths, (str, Path)) else paths)]
    if len(listed) == 1 and listed[0].endswith(".toml"):
        described = read_job(listed[0], model=(options or OpenOptions()).model, out=out, **job)
        return run(described, show_progress=show_progress)
    if out is None:
        raise ConfigError("say where the results go: out='FOLDER'")
    texts = None if sequences is None else str(sequences)
    opening = options or OpenOptions()
    more: dict[str, Any] = {"sequences": texts, "prompt_tokens": prompt_tokens, "since": since and str(since)}
    settings = Settings(measure, opening, site, seed, n_random, **more)
    described = Job(Path(out), (Group(tuple(listed), (settings,)),), **job)
    return run(described, show_progress=show_progress)


@with_progress("measuring checkpoints")
def run(job: Job, *, show_progress: bool | None = None) -> BatchResult:
    """Do what is left of a job; see `batch`."""

    def finish(dispatch: Dispatch, where: Executor) -> dict[str, Any]:
        if dispatch.interrupted:
            return {}
        return {"overview": write_overview(job, dispatch.store, where, dispatch.stopped)}

    return carry_out(job, BatchResult, finish)

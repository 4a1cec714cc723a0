"""The overview of a store, with audits of the checkpoints that stand out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from rich.console import Console

from interp.jobs.executors import Executor, Lost
from interp.jobs.overview import outliers, overview
from interp.jobs.settings import Settings
from interp.jobs.spec import Job
from interp.jobs.store import Identity, Store
from interp.jobs.worker import Chunk, page_name
from interp.progress import progress

OVERVIEW = "overview.html"
PATIENCE = 1.0
UNLINKED = 12
"""Outliers that are listed where none is audited."""
MOST_NEURONS = 20_000
"""Networks with more neurons get no audit of their own: its page would be too large to be opened."""


def write_overview(
    job: Job, store: Store, where: Executor, stopped: Callable[[], bool], console: Console | None
) -> Path:
    """Write the page of a store, after auditing the most unusual checkpoints of the job that have no audit yet.

    Args:
        job: Says how many, and how its checkpoints are opened.
        store: Whose rows are shown.
        where: Runs the audits.
        stopped: Whether the user has had enough; what audits there are by then are linked.
        console: Where to report progress.
    """
    rows = store.checkpoints
    links = {identity: place for identity, place in _places(rows) if (store.folder / place).exists()}
    settings = {one.digest: one for group in job.groups for one in group.settings}
    wanted = {
        (path, audit.digest): (identity, Chunk((path,), audit))
        for identity, path, audit in _without_audit(rows, settings, links, job.outliers)
    }
    for _, chunk in wanted.values():
        where.submit(chunk)
    places, done = dict(_places(rows)), 0
    with progress("auditing what stands out", len(wanted), console, after=PATIENCE) as report:
        while done < len(wanted) and not stopped():
            for piece, outcome in where.finished():
                done += 1
                report(done)
                page = None if isinstance(outcome, Lost) else outcome[0].page
                if page is not None:
                    identity, _ = wanted[piece.paths[0], piece.settings.digest]
                    links[identity] = places[identity]
                    store.add_page(places[identity], page)
    store.add_page(
        OVERVIEW,
        overview(rows, f"Batch of {len(rows)} checkpoints", most=job.outliers or UNLINKED, links=links),
    )
    return store.folder / OVERVIEW


def _places(rows: pa.Table) -> Iterator[tuple[Identity, str]]:
    """Where each measured checkpoint's audit is, or would be."""
    columns = (rows[name].to_pylist() for name in ("checkpoint", "settings", "key", "status"))
    for path, settings, key, status in zip(*columns, strict=True):
        if status == "ok":
            yield (path, settings), page_name(path, key)


def _without_audit(
    rows: pa.Table, settings: dict[str, Settings], links: dict[Identity, str], most: int
) -> Iterator[tuple[Identity, str, Settings]]:
    """The most unusual checkpoints of a job that are still to be audited, with the settings of their audit."""
    names = ("checkpoint", "settings", "neurons")
    sizes = {(path, own): n for path, own, n in zip(*(rows[name].to_pylist() for name in names), strict=True)}
    for one in outliers(rows, most):
        identity = (one.checkpoint, one.settings)
        if identity not in links and one.settings in settings and (sizes[identity] or 0) <= MOST_NEURONS:
            yield identity, one.checkpoint, replace(settings[one.settings], measure="audit")

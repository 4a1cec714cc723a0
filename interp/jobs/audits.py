"""The overview of a store, with audits of the checkpoints that stand out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from interp.jobs.executors import Executor, Lost
from interp.jobs.outliers import outliers
from interp.jobs.overview import overview
from interp.jobs.result import Identity
from interp.jobs.spec import Job
from interp.jobs.store import Store
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

    Where the user stops it, the audits that there are by then are linked.
    """
    rows = store.checkpoints
    listed = rows.select(["checkpoint", "settings", "key", "status", "neurons"]).to_pylist()
    good = {(row["checkpoint"], row["settings"]): row for row in listed if row["status"] == "ok"}
    places = {identity: page_name(identity[0], row["key"]) for identity, row in good.items()}
    links = {identity: place for identity, place in places.items() if (store.folder / place).exists()}
    settings = {one.digest: one for group in job.groups for one in group.settings}
    wanted: dict[Identity, Identity] = {}
    for one in outliers(rows, job.outliers):
        identity = (one.checkpoint, one.settings)
        large = (good[identity]["neurons"] or 0) > MOST_NEURONS
        if identity not in links and one.settings in settings and not large:
            audit = replace(settings[one.settings], measure="audit")
            wanted[one.checkpoint, audit.digest] = identity
            where.submit(Chunk((one.checkpoint,), audit))
    done = 0
    with progress("auditing what stands out", len(wanted), console, after=PATIENCE) as report:
        while done < len(wanted) and not stopped():
            for chunk, outcome in where.finished():
                done += 1
                report(done)
                page = None if isinstance(outcome, Lost) else outcome[0].page
                if page is not None:
                    identity = wanted[chunk.paths[0], chunk.settings.digest]
                    links[identity] = places[identity]
                    store.add_page(places[identity], page)
    title, most = f"Batch of {len(rows)} checkpoints", job.outliers or UNLINKED
    store.add_page(OVERVIEW, overview(rows, title, most=most, links=links))
    return store.folder / OVERVIEW

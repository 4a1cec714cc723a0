"""What of a job is done, and what is left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from interp.jobs.settings import Settings
from interp.jobs.sources import content_of, find_sources, is_remote, stamp_of
from interp.jobs.spec import Job
from interp.jobs.store import Identity, Known, Store
from interp.jobs.worker import Chunk, key_of
from interp.progress import progress

CHUNKS = {"scores": 32, "labels": 4, "causal": 2, "audit": 1}
"""Checkpoints in one chunk, by what is measured: about a tenth of a second's work or one checkpoint's."""
SECONDS = {"scores": 0.004, "labels": 1.0, "causal": 1.5, "audit": 3.0}
"""Roughly what the paper's network takes one processor."""
CHUNK_BYTES = 2**26
PATIENCE = 2.0
Item = tuple[str, Settings]


@dataclass
class Plan:
    """What becomes of each checkpoint of a job.

    Attributes:
        pending: To be measured.
        copies: Stored under another path already: the part and the identity of that row, the new path, and its stamp.
        done: How many are stored.
        failed: How many failed before, and are not tried again.
    """

    pending: list[Item] = field(default_factory=list)
    copies: list[tuple[int, Identity, str, str]] = field(default_factory=list)
    done: int = 0
    failed: int = 0

    @property
    def seconds(self) -> float:
        """About how long the pending ones take one process."""
        return sum(SECONDS[settings.measure] for _, settings in self.pending)


def items_of(job: Job) -> dict[Identity, Item]:
    """Every checkpoint of a job under each of its settings, once.

    Raises:
        ConfigError: Nothing matches the job's paths.
    """
    items: dict[Identity, Item] = {}
    for group in job.groups:
        found = find_sources(group.paths)
        for settings in group.settings:
            items |= {(path, settings.digest): (path, settings) for path in found}
    return items


def plan(items: dict[Identity, Item], job: Job, store: Store) -> Plan:
    """Compare what a job asks for with what is stored.

    A checkpoint is done if its row has the same settings and its files have not been written to since; if they have,
    or it is new here, its content decides. What failed is tried again once its file has changed.
    """
    known, made = store.known(), Plan()
    by_key = {row.key: (row.part, identity) for identity, row in known.items() if row.ok and row.key}
    measured = {settings for _, (_, settings) in by_key.values()}
    with progress("looking for what is stored", len(items), after=PATIENCE) as report:
        for i, (identity, (path, settings)) in enumerate(items.items()):
            if job.force:
                made.pending.append((path, settings))
            else:
                stored_alike = by_key if settings.digest in measured else {}
                _place(made, identity, settings, known.get(identity), stored_alike, job.retry_failed)
            report(i + 1)
    return made


def _place(
    made: Plan,
    identity: Identity,
    settings: Settings,
    row: Known | None,
    by_key: dict[str, tuple[int, Identity]],
    retry_failed: bool,
) -> None:
    path, stamp = identity[0], stamp_of(identity[0])
    if row is not None and row.stamp == stamp and stamp:
        if row.ok:
            made.done += 1
        elif retry_failed:
            made.pending.append((path, settings))
        else:
            made.failed += 1
        return
    content = content_of(path) if by_key and not is_remote(path) else None
    same = by_key.get(key_of(content, settings)) if content is not None else None
    if same is None:
        made.pending.append((path, settings))
    elif same[1] == identity:
        made.done += 1
    else:
        made.copies.append((*same, path, stamp))


def chunks_of(items: list[Item], workers: int) -> Iterator[Chunk]:
    """The checkpoints in chunks of one setting each, small enough that every worker gets some."""
    for _, same in groupby(items, lambda item: item[1].digest):
        group = list(same)
        settings = group[0][1]
        most = max(1, min(CHUNKS[settings.measure], -(-len(group) // workers)))
        paths: list[str] = []
        size = 0
        for path, _ in group:
            own = _size(path)
            if paths and (len(paths) == most or size + own > CHUNK_BYTES):
                yield Chunk(tuple(paths), settings)
                paths, size = [], 0
            paths.append(path)
            size += own
        yield Chunk(tuple(paths), settings)


def _size(path: str) -> int:
    """Bytes of a local file; 0 if that is not known."""
    try:
        return 0 if is_remote(path) else os.stat(path).st_size
    except OSError:
        return 0

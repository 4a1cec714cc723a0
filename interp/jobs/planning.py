"""The plan of a workload: what is done, and what is left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from interp.jobs.result import Identity
from interp.jobs.sources import content_of, is_remote, stamp_of
from interp.jobs.spec import Workload
from interp.jobs.store import Known, Store
from interp.jobs.worker import key_of
from interp.progress import PATIENCE, progress


@dataclass
class Plan:
    """Each item of a workload, sorted by what is to be done.

    Attributes:
        pending: To be measured.
        copies: Stored under another path already: the part and the identity of that row, the new path, and its stamp.
        done: How many are stored.
        failed: How many failed before, and are not tried again.
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
    with progress("looking for what is stored", len(items), after=PATIENCE) as report:
        for i, (identity, item) in enumerate(items.items()):
            row, stamp = known.get(identity), stamp_of(identity[0])
            if row is not None and row.stamp == stamp and (stamp or not row.ok):
                _keep(result, row, item, work.retry_failed)
            else:
                alike = by_key if identity[1] in measured else {}
                _compare(result, identity, item, stamp, alike)
            report(i + 1)
    return result


def _keep(result: Plan, row: Known, item: Any, retry_failed: bool) -> None:
    """Place an item whose files are as they were."""
    if row.ok:
        result.done += 1
    elif retry_failed:
        result.pending.append(item)
    else:
        result.failed += 1


def _compare(
    result: Plan, identity: Identity, item: Any, stamp: str, by_key: dict[str, tuple[int, Identity]]
) -> None:
    """Place an item by its content."""
    content = content_of(identity[0]) if by_key and not is_remote(identity[0]) else None
    same = by_key.get(key_of(content, identity[1])) if content is not None else None
    if same is None:
        result.pending.append(item)
    elif same[1] == identity:
        result.done += 1
    else:
        result.copies.append((*same, identity[0], stamp))

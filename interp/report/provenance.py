"""Where a report comes from: the network, the conventions, the command and the versions that made it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from interp.markup import UNKNOWN, number
from interp.report.computing import stored_sentence
from interp.report.wording import model_sentence, task_sentence
from interp.versions import versions

if TYPE_CHECKING:
    from interp.results import AuditReport


def provenance(report: AuditReport) -> Iterator[tuple[str, str]]:
    """Where the report comes from and by which conventions: name and value."""
    meta = report.table.meta
    yield "checkpoint", report.checkpoint
    yield "dialect", report.dialect
    yield "step", UNKNOWN if report.step is None else str(report.step)
    yield "task", task_sentence(report)
    yield "network", model_sentence(report)
    yield "accuracy that the file records", stored_sentence(report)
    yield "neurons at", report.table.site_name
    yield "group ordering", str(meta.get("ordering") or "none known (natural order)")
    yield "Fourier convention", _settings(meta.get("convention"))
    yield "criteria of the labels", _settings(meta.get("criteria"))
    yield "null distribution", _settings(meta.get("null"))
    yield "random draws per control", str(report.removals["memorizing"].n_draws)
    yield "made by", report.command or "a call from Python: interp.audit(…)"
    yield "versions", _settings(versions())


def _settings(settings: Any) -> str:
    return ", ".join(f"{key} {_shown(value)}" for key, value in dict(settings or {}).items()) or UNKNOWN


def _shown(value: Any) -> str:
    if value is None or value == []:
        return UNKNOWN
    return number(value, 4) if isinstance(value, float) else str(value)

"""Where a report comes from: the network, the conventions, the command and the versions that made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interp.markup import UNKNOWN, number, percentage
from interp.report.wording import model_sentence, task_sentence
from interp.versions import versions

if TYPE_CHECKING:
    from interp.results import AuditReport


def provenance(report: AuditReport) -> list[tuple[str, str]]:
    """Where the report comes from and by which conventions: name and value."""
    meta = report.table.meta
    return [
        ("checkpoint", report.checkpoint),
        ("dialect", report.dialect),
        ("step", UNKNOWN if report.step is None else str(report.step)),
        ("task", task_sentence(report)),
        ("network", model_sentence(report)),
        ("accuracy that the file records", stored_sentence(report)),
        ("neurons at", report.table.site_name),
        ("group ordering", str(meta.get("ordering") or "none known (natural order)")),
        ("Fourier convention", _settings(meta.get("convention"))),
        ("criteria of the labels", _settings(meta.get("criteria"))),
        ("null distribution", _settings(meta.get("null"))),
        ("random draws per control", str(next(iter(report.removals.values())).n_draws)),
        ("made by", report.command or "a call from Python: interp.audit(…)"),
        ("versions", _settings(versions())),
    ]


def stored_sentence(report: AuditReport) -> str:
    """Accuracies that the file records of itself beside the measured ones; a dash if it records none."""
    shown = [
        f"{split} {percentage(value)} (measured: {percentage(report.accuracy[split])})"
        for split, value in report.stored.items()
    ]
    return ", ".join(shown) or UNKNOWN


def _settings(settings: Any) -> str:
    return ", ".join(f"{key} {_shown(value)}" for key, value in dict(settings or {}).items()) or UNKNOWN


def _shown(value: Any) -> str:
    if value is None or value == []:
        return UNKNOWN
    return number(value, 4) if isinstance(value, float) else str(value)

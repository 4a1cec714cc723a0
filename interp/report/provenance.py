"""Where a report comes from: the network, the conventions, the command and the versions that made it."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib import metadata
from typing import TYPE_CHECKING, Any

from interp.markup import UNKNOWN, number
from interp.report.computing import stored_sentence
from interp.report.wording import model_sentence, task_sentence

if TYPE_CHECKING:
    from interp.findings import AuditReport

PACKAGES = ("torch", "numpy", "transformer-lens", "plotly")
"""What the numbers and the figures depend on."""


def versions() -> dict[str, str]:
    """Versions of Grokscope, Python, the packages that matter, and the system; a dash where one is not installed."""
    installed = {package: _version(package) for package in PACKAGES}
    own = {"grokscope": _version("grokscope"), "python": platform.python_version()}
    return own | installed | {"system": platform.platform()}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return UNKNOWN


def made_by(report: AuditReport) -> dict[str, Any]:
    """The command (None if the report was made from Python) and the versions, ready for JSON."""
    return {"command": report.command, "versions": versions()}


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
    yield "random draws per control", str(report.without_memorizing.n_draws)
    yield "made by", report.command or "a call from Python: interp.audit(…)"
    yield "versions", _settings(versions())


def _settings(settings: Any) -> str:
    return ", ".join(f"{key} {_shown(value)}" for key, value in dict(settings or {}).items()) or UNKNOWN


def _shown(value: Any) -> str:
    if value is None or value == []:
        return UNKNOWN
    return number(value, 4) if isinstance(value, float) else str(value)

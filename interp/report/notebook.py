"""What a notebook shows of an audit: its verdict, accuracies and warnings, without a style sheet or a script."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from interp.markup import LINE, html_table
from interp.report.markdown import ACCURACY_HEADER, accuracy_rows
from interp.report.page import bullets
from probes.labels import LABELS

if TYPE_CHECKING:
    from interp.results import AuditReport

WARNING = "#D98200"


def summary_html(report: AuditReport) -> str:
    """The report in a few lines of HTML; colours are inherited, so that it shows on light and on dark ground.

    Example:
        >>> from interp.audit import audit
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> shown = summary_html(audit(analytic_mlp("add", p=31), ModularTask("add", p=31), n_random=2))
        >>> "<strong>200</strong> generalizing" in shown
        True
    """
    phase = escape((report.phase.name or "phase cannot be told").capitalize())
    chips = "".join(
        f'<span style="display:inline-block;margin:0 0.5em 0.3em 0;padding:0.1em 0.6em;border:{LINE};'
        f'border-left:5px solid {LABELS[label].colour};border-radius:4px">'
        f"<strong>{count}</strong> {escape(label)}</span>"
        for label, count in report.table.counts().items()
        if label != "total"
    )
    parts = [
        f"<p>Audit of <code>{escape(report.checkpoint)}</code></p>",
        f'<p style="font-size:1.2em;font-weight:600;margin:0.3em 0">{phase}</p>',
        f"<div>{chips}</div>",
        bullets(report.verdict),
        html_table("Accuracy before and after", ACCURACY_HEADER, accuracy_rows(report), inline=True),
    ]
    if report.warnings:
        style = f"border-left:5px solid {WARNING};padding-left:0.8em;margin:0.5em 0"
        parts.append(f'<div style="{style}"><strong>Warnings</strong>{bullets(report.warnings)}</div>')
    return "\n".join(parts)

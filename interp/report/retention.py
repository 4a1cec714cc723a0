"""Retention of injected sequences as one HTML page that needs no network."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from interp.markup import number, percentage
from interp.plots.retention import CAPTION
from interp.report.page import bullets, data_table, figure_block, page
from interp.terminal import printable

if TYPE_CHECKING:
    from interp.language.retention_records import Retention

LISTED = 200
"""Sequences in the table of a page."""


def retention_page(result: Retention) -> str:
    """Findings, the figure, and one row a sequence."""
    span = f"steps {result.steps[0]} to {result.steps[-1]}"
    header = f"<p>{len(result.last)} sequences, {len(result.steps)} checkpoints, {span}.</p>"
    return page("Retention of injected sequences", result.source, header, _sections(result))


def _sections(result: Retention) -> Iterator[tuple[str, str, str]]:
    notes = f"<p>{escape(' '.join(f'{note}.' for note in result.notes))}</p>" if result.notes else ""
    yield "findings", "Findings", bullets(result.sentences) + notes
    yield "curves", "Curves", figure_block("curves", "Retention", result.plot(), CAPTION)
    for name in result.depths:
        title = f"Sequences: {name}"
        yield f"table-{name}", title, data_table(title, HEADER, retention_rows(result, name, LISTED))


HEADER = (
    "row",
    "text",
    "injected",
    "jump (nats)",
    "left at the end",
    "slope",
    "95 % interval",
    "life (steps)",
)


def retention_rows(result: Retention, name: str, most: int) -> list[tuple[str, ...]]:
    """One row a sequence for tables, as texts: those with the highest jump first, controls at the end."""
    depth = result.depths[name]
    order = np.lexsort((-np.nan_to_num(depth.effectivity, nan=-np.inf), result.control))
    rows: list[tuple[str, ...]] = []
    for row in order[:most].tolist():
        line = depth.lines[row]
        step = "never" if result.control[row] else "–" if result.last[row] < 0 else str(result.last[row])
        known = np.isfinite(line.slope)
        rows.append(
            (
                str(row),
                printable(result.begins[row]),
                step,
                number(depth.effectivity[row]),
                percentage(depth.left[row, -1]) if np.isfinite(depth.left[row, -1]) else "–",
                number(line.slope),
                f"{line.low:+.3f} to {line.high:+.3f}" if known else "–",
                f"{10**line.life:.3g}" if known and line.life < 15 else "–",
            )
        )
    return rows

"""Tables and figures as pages and notebooks show them, and how their cells show numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

import numpy as np

UNKNOWN = "–"
LINE = "1px solid rgba(127,127,127,0.35)"
"""A line that shows on light and on dark ground."""
INLINE = (
    "border-collapse:collapse;margin:0.5em 0;color:inherit;font-size:inherit",
    "text-align:left;padding:0.3em 0;color:inherit",
    f"text-align:left;vertical-align:top;padding:0.2em 0.7em;border-bottom:{LINE}",
)
"""Styles of a table, its caption and its cells, where there is no style sheet."""


@dataclass(frozen=True)
class Link:
    """A cell of a table that leads to another page.

    Attributes:
        text: What is shown.
        place: The page, as a path from the folder of this one.
    """

    text: str
    place: str


def html_table(
    caption: str, header: Sequence[str], rows: Iterable[Sequence[str | Link]], *, inline: bool = False
) -> str:
    """A table whose first column names the rows; every cell is escaped.

    Args:
        caption: What the table shows.
        header: Titles of the columns.
        rows: Their cells.
        inline: Whether the style is written into the elements, for notebooks; else a page's style sheet has it.
            Colours are inherited, so that it shows on light and on dark ground.

    Example:
        >>> html_table("Two <b>", ("name", "value"), [("a", "1")]).splitlines()[1]
        '<caption>Two &lt;b&gt;</caption>'
    """
    table, title, cell = (f' style="{style}"' if inline else "" for style in INLINE)
    head = "".join(f'<th scope="col"{cell}>{escape(name)}</th>' for name in header)
    body = "\n".join(_row(row, cell) for row in rows)
    return (
        f"<table{table}>\n<caption{title}>{escape(caption)}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"
    )


def _row(row: Sequence[str | Link], style: str) -> str:
    first, *others = map(_cell, row)
    cells = "".join(f"<td{style}>{cell}</td>" for cell in others)
    return f'<tr><th scope="row"{style}>{first}</th>{cells}</tr>'


def _cell(cell: str | Link) -> str:
    if isinstance(cell, Link):
        return f'<a href="{quote(cell.place)}">{escape(cell.text)}</a>'
    return escape(cell)


def number(value: float | np.number | None, digits: int = 3) -> str:
    """A number to so many significant digits, or a dash where it is None, NaN or infinite.

    Example:
        >>> number(1 / 3), number(None), number(float("nan"))
        ('0.333', '–', '–')
    """
    return UNKNOWN if value is None or not np.isfinite(value) else f"{value:.{digits}g}"


def amount(value: float | np.number | None) -> str:
    """A number as `number` shows it, but without an exponent from a thousand to a billion.

    Example:
        >>> amount(4130.2), amount(0.5), amount(None)
        ('4,130', '0.5', '–')
    """
    large = value is not None and 1000 <= abs(float(value)) < 1e9
    return f"{value:,.0f}" if large else number(value)


def brief_share(value: float) -> str:
    """A fraction as a percentage with two significant digits.

    Example:
        >>> brief_share(0.000499), brief_share(0.2083), brief_share(1.0)
        ('0.05 %', '21 %', '100 %')
    """
    shown = 100 * value
    return f"{shown:.0f} %" if shown >= 10 else f"{shown:.2g} %"


def percentage(value: float | np.number | None) -> str:
    """A fraction as a percentage with one decimal, or a dash where it is None, NaN or infinite.

    Example:
        >>> percentage(0.5), percentage(None)
        ('50.0 %', '–')
    """
    return UNKNOWN if value is None or not np.isfinite(value) else f"{100 * value:.1f} %"

"""An audit report as one HTML page that needs no network, and its summary in a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from interp.markup import LINE, html_table
from interp.report.documents import document
from interp.report.page import bullets, data_table, figure_block, page, prose
from interp.report.parts import HTML, Bullets, Chart, Definitions, Document, Markup, Part, Table, Text

if TYPE_CHECKING:
    from interp.report.documents import AnyReport

WARNING = "#D98200"


def to_html(report: AnyReport) -> str:
    """The report as one HTML page of 5 to 8 MB, most of it Plotly's library.

    It fetches nothing, is legible from 390 pixels up, follows the reader's light or dark setting, and prints.

    Example:
        >>> from interp import audit
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> page = to_html(audit(analytic_mlp("add", p=31), ModularTask("add", p=31), n_random=2))
        >>> page[:15], "Accuracy before and after" in page
        ('<!DOCTYPE html>', True)
    """
    shown = document(report)
    header = (
        f'<p class="path"><code>{escape(shown.name)}</code> ({escape(shown.origin)})</p>\n'
        f"<p>{escape(shown.description)}</p>"
    )
    content = {"verdict": ("Verdict", list(_verdict(shown)))}
    for section in shown.sections():
        if HTML in section.forms:
            _, blocks = content.setdefault(section.within or section.name, (section.title, []))
            blocks += map(render, section.parts_in(HTML))
    joined = ((name, title, "\n".join(blocks)) for name, (title, blocks) in content.items())
    return page("Grokscope report", shown.name, header, joined, shown.footer)


def render(part: Part) -> str:
    """One part of a section as HTML."""
    match part:
        case Text():
            return f"<p>{prose(part.sentence)}</p>"
        case Bullets():
            return bullets(part.sentences)
        case Chart():
            heading = f"<h3>{escape(part.heading)}</h3>\n" if part.heading else ""
            return heading + figure_block(part.name, part.label, part.draw(), part.caption)
        case Table():
            table = data_table(part.caption, part.header, part.rows)
            summary = f"<summary>{escape(part.caption)}</summary>"
            return f"<details>{summary}{table}</details>" if part.folded else table
        case Definitions():
            words = (f"<dt>{prose(word)}</dt><dd>{prose(text)}</dd>" for word, text in part.meanings.items())
            return f'<dl class="words">{"".join(f"<div>{word}</div>" for word in words)}</dl>'
        case Markup():
            return part.html()


def _verdict(shown: Document) -> Iterator[str]:
    yield f'<p class="phase">{_headline(shown)}</p>'
    yield f'<ul class="chips" aria-label="{escape(shown.chips_label)}">{_chips(shown, "li")}</ul>'
    yield bullets(shown.verdict)
    if shown.note:
        yield f"<p>{escape(shown.note)}</p>"
    if shown.warnings:
        listed = f"<h3>Warnings</h3>{bullets(shown.warnings)}"
        yield f'<div class="warnings" role="note" aria-label="Warnings">{listed}</div>'


def _headline(shown: Document) -> str:
    return escape(shown.headline[:1].upper() + shown.headline[1:])


def _chips(shown: Document, tag: str, style: str = "") -> str:
    return "".join(
        f'<{tag} style="{style}border-left-color:{chip.colour}">{_count(chip.count)} {escape(chip.name)}</{tag}>'
        for chip in shown.chips
    )


def _count(count: str) -> str:
    return f"<strong>{escape(count)}</strong>" if count else "not testable:"


def summary_html(report: AnyReport) -> str:
    """The report in a few lines of HTML without a style sheet or a script, for notebooks on light or dark ground.

    Example:
        >>> from interp import audit
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> shown = summary_html(audit(analytic_mlp("add", p=31), ModularTask("add", p=31), n_random=2))
        >>> "<strong>200</strong> generalizing" in shown
        True
    """
    chip = (
        "display:inline-block;margin:0 0.5em 0.3em 0;padding:0.1em 0.6em;"
        f"border:{LINE};border-left-width:5px;border-radius:4px;"
    )
    shown = document(report)
    table = shown.summary
    parts = [
        f"<p>Audit of <code>{escape(shown.name)}</code></p>",
        f'<p style="font-size:1.2em;font-weight:600;margin:0.3em 0">{_headline(shown)}</p>',
        f"<div>{_chips(shown, 'span', chip)}</div>",
        bullets(shown.verdict),
        html_table(table.caption, table.header, table.rows, inline=True),
    ]
    if shown.warnings:
        style = f"border-left:5px solid {WARNING};padding-left:0.8em;margin:0.5em 0"
        parts.append(f'<div style="{style}"><strong>Warnings</strong>{bullets(shown.warnings)}</div>')
    return "\n".join(parts)

"""An audit report as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from interp.report.documents import document
from interp.report.parts import MARKDOWN, Bullets, Definitions, Part, Section, Table, Text
from interp.terminal import printable

if TYPE_CHECKING:
    from interp.report.documents import AnyReport


MARKS = re.compile(r"[\\`*<>|\[\]&$~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
LINKS = re.compile(r"@(?=\w)|#(?=\d)|\w:(?=//)|www(?=\.)", re.I)
"""Texts that GitHub makes links of: @name, #number and addresses."""
UNSEEN = "&#8203;"
"""A space of no width, which keeps it from doing so."""


def to_markdown(report: AnyReport) -> str:
    """The report as a Markdown document that ends with a newline; values that are not known show as a dash.

    Example:
        >>> from interp import audit
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> text = to_markdown(audit(analytic_mlp("add", p=31), ModularTask("add", p=31), n_random=2))
        >>> text.splitlines()[0]
        '# Grokscope report'
    """
    return "\n".join(_lines(report)) + "\n"


def _lines(report: AnyReport) -> Iterator[str]:
    shown = document(report)
    yield from ("# Grokscope report", "", f"Checkpoint: {_cell(shown.name)}", "", "## Verdict", "")
    headline = f"**{_cell(shown.headline[:1].upper() + shown.headline[1:])}.**"
    yield from (headline, "", *_rendered(Bullets(shown.verdict)))
    warnings = [Section("warnings", "Warnings", [Bullets(shown.warnings)])] if shown.warnings else []
    for section in (*warnings, *shown.sections()):
        parts = section.parts_in(MARKDOWN)
        if parts:
            yield from ("", f"## {_cell(section.short or section.title)}")
        for part in parts:
            yield from ("", *_rendered(part))


def _rendered(part: Part) -> Iterator[str]:
    match part:
        case Text():
            yield _cell(part.sentence)
        case Bullets():
            yield from (f"- {_cell(sentence)}" for sentence in part.sentences)
        case Table():
            for row in (part.header, ["---"] * len(part.header), *part.rows):
                yield f"| {' | '.join(map(_cell, row))} |"
        case Definitions():
            yield from (f"- **{_cell(word)}**: {_cell(text)}" for word, text in part.meanings.items())


def _cell(text: str) -> str:
    """Text that no reader takes for Markdown, HTML, mathematics, a mention or a link, on one line."""
    text = MARKS.sub(lambda match: f"\\{match[0]}", text)
    text = LINKS.sub(lambda match: f"{match[0]}{UNSEEN}", text)
    return printable(" ".join(text.splitlines()))

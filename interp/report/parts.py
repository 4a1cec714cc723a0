"""Sections of a report and their parts, before any form (page, Markdown, terminal) is given to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

HTML, MARKDOWN, CONSOLE = FORMS = ("html", "markdown", "console")
Row = tuple[str, ...]


@dataclass(frozen=True)
class Text:
    """A sentence, and the forms that show it."""

    sentence: str
    forms: Sequence[str] = (HTML, MARKDOWN)


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    sentences: Sequence[str]
    forms = FORMS


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows; title, brief header and rows are for the terminal."""

    caption: str
    header: Row
    rows: Sequence[Row]
    title: str = ""
    brief: tuple[Row, Sequence[Row]] | None = None
    folded: bool = False
    forms = FORMS


@dataclass(frozen=True)
class Chart:
    """A figure by the function that draws it, with an id, a label for those who cannot see it, and a caption."""

    name: str
    label: str
    draw: Callable[[], Figure]
    caption: str
    heading: str = ""
    forms = (HTML,)


@dataclass(frozen=True)
class Markup:
    """Finished HTML."""

    html: str
    forms = (HTML,)


@dataclass(frozen=True)
class Definitions:
    """Words with their meanings."""

    meanings: Mapping[str, str]
    forms = (HTML, MARKDOWN)


Part = Text | Bullets | Table | Chart | Markup | Definitions


@dataclass(frozen=True)
class Section:
    """Parts under a heading.

    Attributes:
        parts: In reading order; a form that shows none of them leaves the section out.
        short: The title in other forms than a page, if another.
        within: The section that a page shows it in, without a heading of its own.
    """

    name: str
    title: str
    parts: Sequence[Part]
    short: str = ""
    forms: Sequence[str] = (HTML, MARKDOWN)
    within: str = ""

    def parts_in(self, form: str) -> list[Part]:
        return [part for part in self.parts if form in part.forms] if form in self.forms else []

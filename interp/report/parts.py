"""Sections of a report and their parts, before any form (page, Markdown, terminal) is given to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
    """HTML, by the function that writes it: no other form waits for it."""

    html: Callable[[], str]
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


@dataclass(frozen=True)
class Chip:
    """A count with its name and colour, as a page shows it below the headline; an empty count is not testable."""

    count: str
    name: str
    colour: str


@dataclass(frozen=True)
class Document:
    """A report of any kind, before any form is given to it.

    Attributes:
        name: The checkpoint (untrusted).
        origin: How it was read, in a few words (untrusted).
        description: Network and examples in a sentence.
        headline: The verdict in a few words.
        chips: Counts, and what they count.
        verdict, warnings: Sentences.
        note: A sentence below the verdict of a page.
        summary: The table that a notebook shows.
        footer: The last line of a page.
        sections: Gives all sections but the verdict, in reading order.
    """

    name: str
    origin: str
    description: str
    headline: str
    chips: Sequence[Chip]
    chips_label: str
    verdict: Sequence[str]
    warnings: Sequence[str]
    note: str
    summary: Table
    footer: str
    sections: Callable[[], Iterable[Section]]

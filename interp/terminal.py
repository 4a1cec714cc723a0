"""A terminal that shows what comes from files, and never obeys it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from textwrap import wrap
from typing import Any

from rich.console import Console
from rich.segment import Segment
from rich.text import Text

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that move the cursor, set colours or titles, or turn the direction of writing; not tabs and line ends."""

PIPE_CLOSED = 141
"""The exit code of a process that SIGPIPE ends."""


def printable(text: str) -> str:
    """A text whose control characters are written out, so that no terminal or page obeys them.

    Example:
        >>> print(printable("runs/" + chr(27) + "[31mred"))
        runs/\\x1b[31mred
    """
    return CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def broken(text: str, width: int) -> list[str]:
    """The lines of a text, broken between words; words that are longer, such as paths, stay whole.

    Example:
        >>> broken("wrote runs/r0/report.html, and more", 12)
        ['wrote', 'runs/r0/report.html,', 'and more']
    """
    how: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False, "replace_whitespace": False}
    return [part for line in text.split("\n") for part in wrap(line, width, **how) or [""]]


class Terminal(Console):
    """A Rich console on which control characters are printed as text; Rich's own, for colours and bars, are kept."""

    def on_broken_pipe(self) -> None:
        """End quietly once the reader of a pipe has seen enough; Rich would exit with 1, as --fail-if does."""
        try:
            super().on_broken_pipe()
        except SystemExit:
            raise SystemExit(PIPE_CLOSED) from None

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)  # before lines are broken, which have a width

    def render(self, *given: Any, **options: Any) -> Iterable[Segment]:
        for segment in super().render(*given, **options):
            if segment.control or not CONTROL.search(segment.text):
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)

"""An extension of Griffe that reads the docstrings as they are written here."""

from __future__ import annotations

import re
from typing import Any

import griffe
from site_pages.names import public

SEVERAL = re.compile(
    r"^ {4}(?P<names>\*{0,2}\w+(?:, \*{0,2}\w+)+)(?P<rest>:.*(?:\n {5,}\S.*)*)$", re.MULTILINE
)
"""An entry that explains several parameters at once: ``low, high: Ends of the interval.``"""
ERROR = re.compile(r"(?<=\.)\s+(?=[A-Z]\w*Error: )")
"""Where the entry of another error begins in the same line."""
EXAMPLE = re.compile(r"^Example:$", re.MULTILINE)
NAME = re.compile(r"(?<![`\[])`([A-Za-z_][\w.]*)`(?![`\]])")


class Docstrings(griffe.Extension):
    """Gives each of several parameters its own entry, takes examples as code, and links names that are documented."""

    def __init__(self) -> None:
        names = public()
        classes = {place.rpartition(".")[2]: place for place in names.values()}
        self._places = names | {name: place for name, place in classes.items() if name[0].isupper()}

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Prepare the docstring of one module, class, function or attribute."""
        if obj.docstring is not None:
            text = ERROR.sub("\n    ", EXAMPLE.sub("Examples:", obj.docstring.value))
            text = SEVERAL.sub(_one_by_one, text)
            obj.docstring.value = NAME.sub(self._linked, text)

    def _linked(self, name: re.Match[str]) -> str:
        place = self._places.get(name[1])
        return name[0] if place is None else f"[{name[0]}][{place}]"


def _one_by_one(entry: re.Match[str]) -> str:
    return "\n".join(f"    {name}{entry['rest']}" for name in entry["names"].split(", "))

"""Links between files of the repository, as GitHub follows them, and the pages of the site for these files."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
GUIDE = "notebooks/guide"
PLACES = {
    "README.md": "README.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CITATION.cff": "project/cite.md",
    "LICENSE": "project/license.md",
    "notebooks/README.md": "notebooks/index.md",
    "notebooks/results/studies": "studies/index.md",
}
"""Pages of the site, by the file or folder of the repository that each stands for."""
MOVED = (
    (re.compile(rf"{GUIDE}/(.+)"), r"\1"),
    (re.compile(r"(notebooks/\w+)\.ipynb"), r"\1.md"),
)
LINK = re.compile(
    r"(?P<code>^```.*?^```|`[^`\n]*`)|(?P<text>\]\()(?!\w+:|#)(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?(?=\))",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Page:
    """A page that is made when the site is built.

    Attributes:
        name: Its file, in the folder of its kind.
        text: Markdown.
        pictures: Its other files, by their places in the site.
    """

    name: str
    title: str
    text: str
    pictures: Mapping[str, str | bytes] = field(default_factory=dict)


def wide(table: str) -> str:
    """A table that narrow screens scroll rather than squeeze."""
    return f'<div class="wide" markdown="1">\n\n{table}\n</div>\n'


def place_of(path: str) -> str:
    """Where the site has a file of the repository: a page that stands for it, or else the file itself."""
    if path in PLACES:
        return PLACES[path]
    for pattern, replacement in MOVED:
        if pattern.fullmatch(path):
            return pattern.sub(replacement, path)
    return "files/" + re.sub(r"(^|/)\.", r"\1", path)  # MkDocs leaves out names that begin with a dot


def rewritten(markdown: str, source: str, place: PurePosixPath) -> str:
    """Markdown of a file of the repository, with its relative links as a page of the site needs them.

    Args:
        markdown: The file's text; links in code are left as they are.
        source: The file, from the root of the repository.
        place: The page, from the root of the site.
    """

    def moved(match: re.Match[str]) -> str:
        if match["code"] is not None:
            return match[0]
        target = place_of(_target(match["path"], source))
        return f"{match['text']}{posixpath.relpath(target, place.parent)}{match['anchor'] or ''}"

    return LINK.sub(moved, markdown)


def linked_files(markdown: str, source: str) -> dict[str, bytes]:
    """Files that the text links to and for which no page stands, by their place in the site."""
    return {
        place_of(path): (ROOT / path).read_bytes()
        for path in _targets(markdown, source)
        if place_of(path).startswith("files/") and (ROOT / path).is_file()
    }


def _targets(markdown: str, source: str) -> Iterator[str]:
    return (_target(match["path"], source) for match in LINK.finditer(markdown) if match["code"] is None)


def _target(path: str, source: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), path))


def transcribed(path: str, place: str) -> Page:
    """The page that shows a Markdown file of the repository, with the files that it links to."""
    text = (ROOT / path).read_text(encoding="utf-8")
    title = text.partition("\n")[0].removeprefix("# ")
    shown = rewritten(text, path, PurePosixPath(place))
    return Page(posixpath.basename(place), title, shown, linked_files(text, path))

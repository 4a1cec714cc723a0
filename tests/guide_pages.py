"""Pages of the documentation, and the blocks of code on them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "notebooks" / "guide"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "notebooks" / "README.md",
    *sorted(GUIDE.glob("*.md")),
]


def read(page: Path) -> str:
    """The text of a page."""
    return page.read_text(encoding="utf-8")


def every_block(page: Path) -> list[tuple[str, str]]:
    """Language and code of each fenced block of a page, in order; the language is empty where none is named."""
    return re.findall(r"^```(\w*)\n(.*?)^```", read(page), re.DOTALL | re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    """The code of one language on a page."""
    return [code for name, code in every_block(page) if name == language]


def named(page: Path) -> str:
    """A page's id in a test's name."""
    return page.relative_to(ROOT).as_posix()

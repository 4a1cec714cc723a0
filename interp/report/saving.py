"""Writing a report to a file, whose suffix decides what it becomes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from interp.errors import ConfigError
from interp.files import write_json, write_text
from interp.report.html import to_html
from interp.report.markdown import to_markdown

if TYPE_CHECKING:
    from interp.report.documents import AnyReport


def save(report: AnyReport, path: Path | str) -> Path:
    """Write a report, whole or not at all; the suffix decides: ``.json``, ``.md`` or ``.html``.

    Returns:
        The path.

    Raises:
        ConfigError: The suffix is none of these, or the place cannot be written to.
    """
    path = Path(path)
    match path.suffix.lower():
        case ".json":
            return write_json(path, report.to_dict())
        case ".md":
            return write_text(path, to_markdown(report))
        case ".html":
            return write_text(path, to_html(report))
    raise ConfigError(
        f"a report cannot be written as {path.suffix!r}, the suffix of {str(path)!r}; use .json, .md or .html"
    )

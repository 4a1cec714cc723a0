"""Hooks of MkDocs for the documentation site: pages that are made of the packages, and links that leave the guide."""

from __future__ import annotations

import re
import sys
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

NOTEBOOKS = Path(__file__).parents[1]
sys.path[:0] = map(str, (NOTEBOOKS.parent, NOTEBOOKS, NOTEBOOKS / "guide"))  # MkDocs takes them away again

from site_pages import api, commands, data_pages, notebook_pages, project, studies  # noqa: E402
from site_pages.assets import assets  # noqa: E402
from site_pages.names import exported  # noqa: E402
from site_pages.repository import GUIDE, linked_files, rewritten  # noqa: E402

ROW, CODE = re.compile(r"^\|.*$", re.MULTILINE), re.compile(r"`[^`\n]+`")
SHORT_CODE = re.compile(r"<code>(?=[^<\n]{1,30}</code>)")
"""Code that stays on one line, so that an option is not broken after its dashes."""
MAKERS = {
    "reference/commands/": commands.pages,
    "reference/api/": api.pages,
    "reference/probes/": api.probe_pages,
    "reference/data/": data_pages.pages,
    "notebooks/": notebook_pages.pages,
    "studies/": studies.pages,
    "project/": project.pages,
}
"""The pages of each folder that the navigation names: title, and Markdown with links within the site."""


def on_files(files: Files, config: Any) -> Files:
    """Add every made page with its pictures, and the files of the repository that pages link to."""
    contents: dict[str, str | bytes] = dict(assets())
    titles: dict[str, dict[str, str]] = {}
    for folder, make in MAKERS.items():
        made = make()
        titles[folder] = {f"{folder}{page.name}": page.title for page in made}
        for page in made:
            contents[f"{folder}{page.name}"] = page.text
            contents |= page.pictures
    for file in files.documentation_pages():
        contents |= linked_files(file.content_string, f"{GUIDE}/{file.src_uri}")
    for name, content in contents.items():
        files.append(File.generated(config, name, content=content))
    config.nav = _filled(config.nav, titles)
    return files


def _filled(nav: list[Any], titles: dict[str, dict[str, str]]) -> list[Any]:
    """A navigation in which every folder is replaced by its pages; a `KeyError` if no pages are made for one."""
    entries: list[Any] = []
    for entry in nav:
        if isinstance(entry, str):
            entries += [{name: page} for page, name in titles[entry].items()]
            continue
        ((title, place),) = entry.items()
        if isinstance(place, list):
            entries.append({title: _filled(place, titles)})
        elif place.endswith("/"):
            entries.append({title: _filled([place], titles)})
        else:
            entries.append(entry)
    return entries


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:
    """Let links to a name, as packages export it, lead to the entry of its definition; mark short code."""
    for name, place in exported().items():
        if f'id="{place}"' in html:
            config.plugins["autorefs"].register_anchor(page, name, place, primary=True)
    return SHORT_CODE.sub('<code class="short">', html)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Read Markdown as GitHub does: the guide's links to files lead to their pages, ``\\|`` in code is a bar."""
    text = ROW.sub(lambda row: CODE.sub(lambda code: code[0].replace("\\|", "|"), row[0]), markdown)
    if page.file.generated_by is not None:
        return text
    return rewritten(text, f"{GUIDE}/{page.file.src_uri}", PurePosixPath(page.file.src_uri))

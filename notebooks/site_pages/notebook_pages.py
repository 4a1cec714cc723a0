"""Pages of the notebooks as they are committed, with their figures; nothing is run."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import nbformat
from nbconvert import MarkdownExporter
from site_pages.repository import PLACES, ROOT, Page, rewritten, transcribed

STYLE = re.compile(r"<style scoped>.*?</style>\n?", re.DOTALL)
PANDAS = re.compile(r'<table border="1" class="dataframe">')
"""Of pandas' tables, which the site shows as its own."""
INDEX = "notebooks/README.md"


def pages() -> list[Page]:
    """A page for each notebook, after the list of notebooks and recipes."""
    listed = transcribed(INDEX, PLACES[INDEX])
    index = Page(listed.name, "Overview", listed.text, listed.pictures)
    return [index, *(_page(file) for file in sorted((ROOT / "notebooks").glob("*.ipynb")))]


def _page(file: Path) -> Page:
    source, name = file.relative_to(ROOT).as_posix(), f"{file.stem}.md"
    notebook = nbformat.read(file, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = rewritten(cell.source, source, PurePosixPath("notebooks", name))
    text, resources = MarkdownExporter().from_notebook_node(
        notebook, {"output_files_dir": file.stem, "unique_key": "figure"}
    )
    title = re.search(r"^# (.*)$", text, re.MULTILINE)
    if title is None:
        raise ValueError(f"{source} has no heading of the first level")
    pictures = {f"notebooks/{place}": content for place, content in resources["outputs"].items()}
    return Page(name, title[1], PANDAS.sub("<table>", STYLE.sub("", text)), pictures)

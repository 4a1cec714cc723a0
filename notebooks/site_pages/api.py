"""Pages of the Python interface: every public name, and the class of what it returns, from their docstrings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import tables
from site_pages.names import public, results, value_at
from site_pages.repository import Page

import probes

TOPICS = {
    "audit": (
        "Open, score and audit",
        ("audit", "demo", "checkpoints", "subject", "scoring", "explorer", "report", "results"),
    ),
    "data": ("Tasks and examples", ("data",)),
    "models": ("Networks", ("models",)),
    "training": ("Training", ("training",)),
    "interventions": (
        "Hooks, interventions and measures",
        ("hooks", "interventions", "edits", "modes", "time_scope", "measuring"),
    ),
    "analysis": ("Analyses", ("analysis",)),
    "language": ("Language models", ("language",)),
    "jobs": ("Batch jobs", ("jobs",)),
    "studies": ("Studies and grids", ("lab",)),
    "errors": ("Errors and progress", ("errors", "progress")),
}
"""Title of each page, and the parts of `interp` whose names it shows."""
WHOLE = "# {0}\n\n::: {0}\n    options:\n      show_root_heading: false\n      show_root_toc_entry: false\n"


def pages() -> list[Page]:
    """A page for each topic of `interp`, and an index of all public names."""
    places = public()
    made = [
        Page(f"{name}.md", title, _topic(title, _of(parts, places)))
        for name, (title, parts) in TOPICS.items()
    ]
    text = "".join(page.text for page in made)
    for place in places.values():
        if place.startswith("interp.") and f"::: {place}\n" not in text:
            raise KeyError(f"no page of the Python API shows {place!r}; add its part to TOPICS in {__file__}")
    return [Page("index.md", "All names", _index(places)), *made]


def probe_pages() -> list[Page]:
    """A page for each module of `probes`."""
    files = (file for folder in probes.__path__ for file in sorted(Path(folder).glob("*.py")))
    names = [file.stem for file in files if file.stem != "__init__"]
    return [Page(f"{name}.md", name, WHOLE.format(f"probes.{name}")) for name in names]


def _of(parts: Iterable[str], places: dict[str, str]) -> dict[str, str]:
    """Names of these parts of `interp` by their places, and the classes of what any name of it returns."""
    names = {place: name for name, place in places.items() if _part(place) in parts}
    kinds = {kind for place in places.values() for kind in results(place) if _part(kind) in parts}
    return names | {kind: kind for kind in sorted(kinds - names.keys())}


def _part(place: str) -> str:
    """The part of `interp` that a name is defined in; empty for another package's."""
    package, part, *_ = place.split(".")
    return part if package == "interp" else ""


def _topic(title: str, names: dict[str, str]) -> str:
    return f"# {title}\n\n" + "\n".join(_entry(name, place) for place, name in names.items())


def _entry(name: str, place: str) -> str:
    """A name with its documentation, which links find under the name as well as under the place."""
    if name == place:
        return f"::: {place}\n"
    options = f"    options:\n      heading: {name}\n      toc_label: {name.rpartition('.')[2]}\n"
    return f"[](){{#{name}}}\n\n::: {place}\n{options}"


def _index(places: dict[str, str]) -> str:
    rows = (
        (f"[`{name}`][{place}]", tables._sentence(value_at(place)))
        for name, place in sorted(places.items(), key=lambda one: one[0].lower())
    )
    return (
        "# Python API\n\nNames of `interp` act on networks; those of `probes` take arrays and return arrays. "
        f"[Python](../../python.md) shows them in use.\n\n{tables.table(('name', 'purpose'), rows)}"
    )

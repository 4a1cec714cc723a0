"""Pages of the project: its history, how to contribute, and how to cite it."""

from __future__ import annotations

import yaml
from site_pages.repository import PLACES, ROOT, Page, transcribed


def pages() -> list[Page]:
    """Change log, contributing, citation and licence."""
    return [
        Page("cite.md", "How to cite", _citation()),
        *(transcribed(path, PLACES[path]) for path in ("CONTRIBUTING.md", "CHANGELOG.md")),
        Page(
            "license.md",
            "License",
            f"# License\n\n```text\n{(ROOT / 'LICENSE').read_text(encoding='utf-8')}\n```\n",
        ),
    ]


def _citation() -> str:
    """The citation file in words and as BibTeX."""
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    cited = yaml.safe_load(text)
    own = {
        "title": cited["title"],
        "author": _authors(cited["authors"]),
        "version": cited["version"],
        "note": f"{cited['license']} licence",
    }
    entries = [_bibtex("software", "grokscope", own)]
    for one in cited["references"]:
        (number,) = [identifier["value"].removeprefix("arXiv:") for identifier in one["identifiers"]]
        key = one["authors"][0]["family-names"].lower() + str(one["year"])
        fields = {
            "title": one["title"],
            "author": _authors(one["authors"]),
            "year": one["year"],
            "booktitle": one["collection-title"],
            "eprint": number,
            "archiveprefix": "arXiv",
        }
        entries.append(_bibtex("inproceedings", key, fields))
    return (
        f"# How to cite\n\n{cited['message']}\n\n```bibtex\n" + "\n\n".join(entries) + "\n```\n\n"
        "## Citation file\n\nCITATION.cff, as GitHub and reference managers read it.\n\n"
        f"```yaml\n{text}```\n"
    )


def _authors(authors: list[dict[str, str]]) -> str:
    """Persons by family and given name; the name of a group in braces, so that BibTeX does not take it apart."""
    return " and ".join(
        f"{{{one['name']}}}" if "name" in one else f"{one['family-names']}, {one['given-names']}"
        for one in authors
    )


def _bibtex(kind: str, key: str, fields: dict[str, object]) -> str:
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@{kind}{{{key},\n{lines}}}"

"""The documentation site: it builds without a warning, links lead somewhere, and nothing is loaded from elsewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import pytest

import interp
import probes
from interp.cli.application import COMMANDS
from interp.jobs.columns import CHECKPOINTS
from interp.lab import STUDIES
from interp.language.columns import MEMORY_COLUMNS
from interp.report.schemas import SCHEMAS, schema_of
from probes.columns import COLUMNS

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
MOST_BYTES = 60_000_000
LOADED = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src", "video": "src"}
"""Elements whose file a browser fetches by itself."""
CLICKS = 2


@dataclass
class Seen(HTMLParser):
    """Ids, links and loaded files of a page."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif LOADED.get(tag) in given and given.get("rel") not in ("canonical", "next", "prev"):
            self.loaded.append(given[LOADED[tag]])


@cache
def seen(file: Path) -> Seen:
    parser = Seen()
    parser.feed(file.read_text(encoding="utf-8"))
    return parser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built anew."""
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "-f",
        NOTEBOOKS / "mkdocs.yml",
        "-d",
        folder,
    ]
    # MkDocs Material announces its successor before every build.
    settings = os.environ | {"NO_MKDOCS_2_WARNING": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr, done.stderr
    return folder


def targets(folder: Path, file: Path) -> Iterator[tuple[Path, str]]:
    """File and anchor of each link of a page that stays within the site."""
    here = file.relative_to(folder).as_posix()
    for link in seen(file).links:
        parts = urlsplit(urljoin(here, link))
        if not parts.scheme and not parts.netloc:
            # Those of 404.html, which a server shows anywhere, begin at the site's root.
            yield folder / unquote(parts.path or here).lstrip("/"), unquote(parts.fragment)


def load_repository() -> Any:
    """The module that rewrites links."""
    spec = spec_from_file_location("site_repository", NOTEBOOKS / "site_pages" / "repository.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["site_repository"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


repository = load_repository()


class TestLinks:
    """Links as GitHub has them, on pages of the site."""

    @pytest.mark.parametrize(
        ("link", "there"),
        [
            ("audit.md#exit-codes", "audit.md#exit-codes"),
            ("../README.md#recipes", "notebooks/index.md#recipes"),
            ("../08_gallery_of_studies.ipynb", "notebooks/08_gallery_of_studies.md"),
            ("../../CONTRIBUTING.md", "project/contributing.md"),
            ("../images/report.png", "files/notebooks/images/report.png"),
            ("../../.ci/lowest.txt", "files/ci/lowest.txt"),
        ],
    )
    def test_a_link_of_the_guide_leads_to_the_page_that_stands_for_its_file(
        self, link: str, there: str
    ) -> None:
        text = repository.rewritten(f"[a]({link})", "notebooks/guide/batch.md", PurePosixPath("batch.md"))
        assert text == f"[a]({there})"

    def test_links_are_taken_from_the_folder_of_the_page(self) -> None:
        place = PurePosixPath("notebooks/index.md")
        text = repository.rewritten("[a](guide/batch.md)", "notebooks/README.md", place)
        assert text == "[a](../batch.md)"

    @pytest.mark.parametrize(
        "text", ["`[a](b.md)`", "```python\nx[0](y)\n```", "[a](https://x.org/b.md)", "[a](#b)"]
    )
    def test_code_and_other_links_stay(self, text: str) -> None:
        assert repository.rewritten(text, "CHANGELOG.md", PurePosixPath("project/changelog.md")) == text


def test_every_page_of_the_guide_is_in_the_navigation() -> None:
    places = re.findall(
        r": ([\w-]+\.md)$", (NOTEBOOKS / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(places) == sorted(file.name for file in (NOTEBOOKS / "guide").glob("*.md"))


@pytest.mark.slow
@pytest.mark.xdist_group("site")
@pytest.mark.timeout(1200)
class TestSite:
    """The built pages."""

    def test_it_is_small(self, site: Path) -> None:
        assert sum(file.stat().st_size for file in site.rglob("*") if file.is_file()) < MOST_BYTES

    def test_every_link_and_anchor_leads_somewhere(self, site: Path) -> None:
        broken = set()
        for file in site.rglob("*.html"):
            for target, anchor in targets(site, file):
                if not target.is_file():
                    broken.add(f"{file.relative_to(site)}: {target.relative_to(site)}")
                elif anchor and target.suffix == ".html" and anchor not in seen(target).ids:
                    broken.add(f"{file.relative_to(site)}: {target.relative_to(site)}#{anchor}")
        assert broken == set()

    def test_what_pages_load_lies_in_the_site(self, site: Path) -> None:
        for file in site.rglob("*.html"):
            for link in seen(file).loaded:
                parts = urlsplit(urljoin(file.relative_to(site).as_posix(), link))
                assert parts.scheme in ("", "data"), f"{file.relative_to(site)} loads {link}"
                assert not parts.netloc, f"{file.relative_to(site)} loads {link}"
                place = site / unquote(parts.path).lstrip("/")
                assert parts.scheme or place.is_file(), f"{file.relative_to(site)}: no {link}"
        for file in site.rglob("*.css"):
            assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", file.read_text(encoding="utf-8")), (
                file
            )

    def test_every_public_name_has_an_entry(self, site: Path) -> None:
        shown = {
            name
            for folder in ("api", "probes")
            for file in (site / "reference" / folder).glob("*.html")
            for name in seen(file).ids
        }
        assert {f"interp.{name}" for name in interp.__all__} <= shown
        for name in probes.__all__:
            assert f"{getattr(probes, name).__module__}.{name}" in shown

    def test_every_command_and_every_study_has_a_page(self, site: Path) -> None:
        commands = {file.stem for file in (site / "reference" / "commands").glob("*.html")}
        assert commands == {"index", "study", *(name.replace("_", "-") for name in COMMANDS)}
        assert {file.stem for file in (site / "studies").glob("*.html")} == {"index", *STUDIES}

    def test_every_column_is_explained(self, site: Path) -> None:
        ids = seen(site / "reference" / "data" / "columns.html").ids
        for level, columns in (
            ("neurons", COLUMNS),
            ("checkpoints", CHECKPOINTS),
            ("sequences", MEMORY_COLUMNS),
        ):
            for name in columns:
                assert f"{level}-{re.sub('[^a-z0-9_]', '-', name).strip('-')}" in ids, name

    def test_every_schema_is_explained_and_is_a_file(self, site: Path) -> None:
        folder = site / "reference" / "data"
        assert set(SCHEMAS) <= seen(folder / "json.html").ids
        for name in SCHEMAS:
            assert json.loads((folder / "schemas" / f"{name}.json").read_text(encoding="utf-8")) == schema_of(
                name
            )

    def test_every_question_is_answered_within_two_clicks(self, site: Path) -> None:
        text = (NOTEBOOKS / "guide" / "questions.md").read_text(encoding="utf-8")
        questions = re.findall(r"^- \[([^\]]+\?)\]\(([\w-]+)\.md(?:#([\w-]+))?\)", text, re.MULTILINE)
        assert len(questions) >= 12
        reached = {(site / "index.html", "")}
        for _ in range(CLICKS):
            reached |= {
                target for file, _ in reached if file.suffix == ".html" for target in targets(site, file)
            }
        for question, place, anchor in questions:
            page = "index" if place == "README" else place
            assert (site / f"{page}.html", anchor) in reached, question

    @pytest.mark.parametrize("width", [1280, 390])
    def test_pages_fit_the_screen_and_load_nothing_else(self, site: Path, page: Any, width: int) -> None:
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        page.set_viewport_size({"width": width, "height": 900})
        for place in (
            "index.html",
            "studies/clamp.html",
            "reference/api/audit.html",
            "reference/commands/audit.html",
            "reference/data/columns.html",
            "notebooks/02_find_periodic_neurons.html",
        ):
            page.goto((site / place).as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width, place
        assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []

    def test_a_figure_is_drawn_and_the_search_answers_from_a_folder(self, site: Path, page: Any) -> None:
        page.goto((site / "studies" / "clamp.html").as_uri())
        page.locator(".study-figure").first.scroll_into_view_if_needed()
        page.locator(".study-figure[data-drawn] .main-svg path.js-line").first.wait_for()
        page.goto((site / "index.html").as_uri())
        page.locator("input[name=query]").fill("inconclusive")
        page.locator(".md-search-result__link").first.wait_for()

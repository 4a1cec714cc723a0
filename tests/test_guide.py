"""README and the guide: their tables are made from data, and what they name exists."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from documented import names_in, resolve
from guide_pages import GUIDE, PAGES, ROOT, blocks, named, read

import interp
from interp.cli import app
from interp.data.splits import SPLITS, Split
from interp.jobs.columns import CHECKPOINTS
from interp.lab import STUDIES, study_called
from interp.modes import MODES
from probes.columns import COLUMNS, Column
from probes.labels import LABELS

MOST_LINES = 180
NATIVE_OPTIONS = {"--help", "--version"}


def load_tables() -> Any:
    """The script that writes the guide's tables."""
    spec = spec_from_file_location("guide_tables", GUIDE / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tables = load_tables()
every_page = pytest.mark.parametrize("page", PAGES, ids=named)


class TestTables:
    """What stands between the markers."""

    @pytest.mark.parametrize("page", tables.PAGES, ids=named)
    def test_the_committed_page_is_what_the_script_writes(self, page: Path) -> None:
        text = read(page)
        assert tables.filled(text) == text, "run python notebooks/guide/tables.py and commit the page"

    def test_every_table_stands_on_one_page(self) -> None:
        used = [name for page in tables.PAGES for name in re.findall(r"<!-- table: ([\w-]+) -->", read(page))]
        assert sorted(used) == sorted(tables.TABLES)

    def test_a_table_that_does_not_exist_is_an_error(self) -> None:
        with pytest.raises(KeyError, match="nosuch"):
            tables.filled("<!-- table: nosuch -->\n<!-- end -->")

    def test_a_new_column_appears(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(COLUMNS, "curvature", Column("curvature", "rad", "How bent it is."))
        assert "| `curvature` | curvature | rad |  | How bent it is. |" in tables.columns()

    def test_a_new_label_appears(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(LABELS, "rivalling", replace(LABELS["dead"], meaning="Works against the others."))
        assert "| **rivalling** | Works against the others. |" in tables.labels()

    def test_a_new_split_appears(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(SPLITS, "seen", Split(("clean",), True, "seen before", "#000", "Those seen."))
        assert "| `seen` | seen before | as trained on | Those seen. |" in tables.splits()

    def test_a_new_mode_appears(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(MODES, "flip", replace(MODES["scale"], help="turn them round", argument="TIMES"))
        assert "| `flip=TIMES` | turn them round | no | yes |" in tables.modes()

    def test_a_new_dialect_appears(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        from interp.checkpoints import dialects

        (tmp_path / "nobody.py").write_text(
            "from dataclasses import replace\nfrom interp.checkpoints.dialects.he import DIALECT as HE\n"
            "DIALECT = replace(HE, name='nobody', summary='of no paper')\n"
        )
        monkeypatch.setattr(dialects, "__path__", [*dialects.__path__, str(tmp_path)])
        assert "| `nobody` | of no paper (arXiv 2602.16849) |" in tables.dialects()

    def test_a_new_study_appears(self, monkeypatch: pytest.MonkeyPatch) -> None:
        study = replace(study_called("clamp"), name="dice", about="Dice are thrown (arXiv 1234.56789).")
        monkeypatch.setitem(STUDIES, "dice", "Eyes of a die.")
        monkeypatch.setitem(sys.modules, "interp.lab.dice.study", SimpleNamespace(STUDY=study))
        assert "| `dice` | Eyes of a die. | 1234.56789 |" in tables.studies()


class TestText:
    """What the pages name, show and link to."""

    def test_readme_is_short(self) -> None:
        assert len(read(ROOT / "README.md").splitlines()) <= MOST_LINES

    def test_every_page_of_the_guide_is_in_its_index_and_in_readme(self) -> None:
        index, readme = read(GUIDE / "README.md"), read(ROOT / "README.md")
        for page in GUIDE.glob("*.md"):
            assert f"notebooks/guide/{page.name})" in readme
            assert page.name == "README.md" or f"({page.name})" in index

    def test_a_dozen_questions_are_each_a_link_to_an_anchor(self) -> None:
        lines = [line for line in read(GUIDE / "questions.md").splitlines()[1:] if line]
        assert len(lines) >= 12
        assert all(re.fullmatch(r"- \[[^]]+\?\]\([\w-]+\.md#[\w-]+\)", line) for line in lines)
        assert "(questions.md)" in read(GUIDE / "README.md").split("## ")[0]

    @every_page
    def test_links_lead_somewhere(self, page: Path) -> None:
        for link in re.findall(r"\]\((?!https?:)([^)]+)\)", read(page)):
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link

    @every_page
    def test_python_compiles_and_its_names_exist(self, page: Path) -> None:
        for block in blocks(page, "python"):
            for name in names_in(block):
                resolve(name)
        for name in re.findall(r"`((?:interp|probes)(?:\.\w+)+)[`(]", read(page)):
            resolve(name)

    def test_the_files_that_contributing_names_exist(self) -> None:
        text = read(ROOT / "CONTRIBUTING.md")
        for path in re.findall(r"(?<![\w/.])((?:interp|probes|tests|notebooks)/[\w/.-]*)", text):
            assert (ROOT / path).exists(), path

    def test_contributing_explains_every_layer_of_the_contract(self) -> None:
        contract = tomllib.loads(read(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"][0]
        rows = re.findall(
            r"^\| `([^`]*)` \| ", read(ROOT / "CONTRIBUTING.md").split("## Layers")[1], re.MULTILINE
        )
        assert [row.replace("\\|", "|") for row in rows] == contract["layers"][:-1]  # the last are leaves

    def test_every_name_of_the_package_is_on_the_page_for_python(self) -> None:
        text = read(GUIDE / "python.md")
        assert not [name for name in interp.__all__ if f"`interp.{name}`" not in text]

    @pytest.mark.parametrize("script", sorted((ROOT / "tests" / "benchmarks").glob("*.py")), ids=named)
    def test_names_in_benchmarks_exist(self, script: Path) -> None:
        for name in names_in(read(script)):
            resolve(name)

    @every_page
    def test_commands_and_their_options_exist(self, page: Path) -> None:
        for line in command_lines(page):
            known = options_of(line)
            for word in line:
                if word.startswith("--"):
                    assert word in known, f"{shlex.join(line)}: no option {word}"

    @pytest.mark.parametrize("command", [name for name, _ in tables._commands()])
    def test_every_command_is_used_on_a_page(self, command: str) -> None:
        assert [line for page in PAGES for line in command_lines(page) if line[1] == command]

    def test_every_stored_column_is_explained_once(self) -> None:
        listed = re.findall(r"`([a-z_0-9<> ]+)`", re.sub(r"\([^)]*\)", "", tables.stored_checkpoints()))
        assert sorted(listed) == sorted(CHECKPOINTS)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", read(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def command_lines(page: Path) -> Iterator[list[str]]:
    """The words of each line of shell code that runs the command."""
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["grokscope"]:
                yield words


def options_of(line: list[str]) -> set[str]:
    """The options of the command that a line runs."""
    command: Any = typer.main.get_command(app)
    words = line[1:]
    while words and hasattr(command, "resolve_command"):
        _, command, words = command.resolve_command(command.context_class(command), words)
    given = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    return given | NATIVE_OPTIONS

"""Every block of code of the documentation is run, in small, in a folder with the files that it reads."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from guide_files import MORE_FILES, make_files
from guide_pages import GUIDE, PAGES, blocks, every_block, named
from guide_small import EXITS, NOT_RUN, OPTIONS, PRELUDES, PYTHON, SHELL, SHOWN
from typer.testing import CliRunner

import interp
from interp.cli import app
from interp.report.schemas import schema_of
from probes.plugins import GROUPS

RUN = {"python", "sh", "sql", "toml", "yaml", "json"}
WITH_CODE = [page for page in PAGES if RUN & {language for language, _ in every_block(page)}]


def command_lines(code: str) -> Iterator[str]:
    """Commands of a block of shell code, one by one, without comments."""
    for line in code.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=False, punctuation_chars=False)
        lexer.whitespace_split, lexer.commenters = True, "#"
        for command in " ".join(lexer).split(" && "):
            if command:
                yield command.removeprefix(".venv/bin/")


def reason_not_to_run(command: str) -> str | None:
    """The beginning of `NOT_RUN` that a command has."""
    return next((start for start in NOT_RUN if command.startswith(start)), None)


def steps_of(workflow: Any) -> Iterator[str]:
    """Every ``run`` of a workflow, or of a part of one."""
    if isinstance(workflow, dict):
        for name, value in workflow.items():
            if name == "run" and isinstance(value, str):
                yield value
            else:
                yield from steps_of(value)
    elif isinstance(workflow, list):
        for part in workflow:
            yield from steps_of(part)


def shell_code(page: Path) -> Iterator[str]:
    """Blocks of shell code, and those in workflows."""
    for language, code in every_block(page):
        if language == "sh":
            yield code
        elif language == "yaml":
            yield from steps_of(yaml.safe_load(code))


def all_commands() -> list[str]:
    """Every command of every page."""
    return [line for page in PAGES for code in shell_code(page) for line in command_lines(code)]


def replaced(code: str, substitutions: dict[str, str]) -> str:
    """The code with one text after another put in another's place."""
    for old, new in substitutions.items():
        code = code.replace(old, new)
    return code


class TestData:
    """What is replaced and left out is on the pages, and nothing else is left out."""

    @pytest.mark.parametrize("page", PAGES, ids=named)
    def test_every_block_is_of_a_language_that_is_run(self, page: Path) -> None:
        assert {language for language, _ in every_block(page)} <= RUN | set(SHOWN)

    def test_a_command_is_run_or_listed_with_a_reason(self) -> None:
        commands = all_commands()
        not_run = [command for command in commands if not command.startswith("grokscope ")]
        assert not [command for command in not_run if reason_not_to_run(command) is None]

    def test_every_entry_is_of_use(self) -> None:
        commands = all_commands()
        assert {reason_not_to_run(command) for command in commands} - {None} == set(NOT_RUN)
        text = "\n".join(
            code for page in PAGES for language, code in every_block(page) if language == "python"
        )
        assert [old for old in PYTHON if old not in text] == []
        assert [old for old in SHELL if not any(old in command for command in commands)] == []
        patterns = [*EXITS, *(f"^grokscope {kind}" for kind, _ in OPTIONS)]
        assert [one for one in patterns if not any(re.search(one, command) for command in commands)] == []
        assert set(SHOWN) <= {language for page in PAGES for language, _ in every_block(page)}
        assert set(PRELUDES) | set(MORE_FILES) <= {page.stem for page in WITH_CODE}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages read."""
    folder = tmp_path_factory.mktemp("files")
    make_files(folder)
    return folder


@pytest.fixture
def page_runner(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """A copy of these files as the working directory; pages that are served end at once."""
    folder = tmp_path / "folder"
    shutil.copytree(files, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("werkzeug.serving.BaseWSGIServer.serve_forever", lambda self: None)
    monkeypatch.setattr("webbrowser.open", lambda url: True)
    return Runner(folder)


class Runner:
    """Code of one page, block by block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "page", "interp": interp}

    def python(self, code: str) -> None:
        exec(compile(replaced(code, PYTHON), "<page>", "exec"), self.names)

    def sh(self, code: str) -> None:
        for command in command_lines(code):
            if reason_not_to_run(command) is None:
                self.command(command)

    def command(self, line: str) -> None:
        """Run one command line in this process; redirections are left out."""
        small = replaced(line, SHELL)
        words = shlex.split(small)[1:]
        redirection = [i for i, word in enumerate(words) if word.startswith((">", "|", "2>"))]
        words = words[: redirection[0]] if redirection else words
        if words[0] == "train":  # the page trains it itself
            shutil.rmtree(words[words.index("--out") + 1], ignore_errors=True)
        more = next((more for kind, more in OPTIONS if re.search(f"^grokscope {kind}", small)), "")
        done = CliRunner().invoke(app, [*words, *more.split()], catch_exceptions=False)
        expected = next((code for part, code in EXITS.items() if re.search(part, line)), 0)
        assert done.exit_code == expected, f"{line}\n{done.output}"

    def sql(self, code: str) -> None:
        assert duckdb.sql(code).fetchall(), code

    def toml(self, code: str) -> None:
        """A grid of runs is trained, a job is kept for the commands that name it, entry points are of known groups."""
        content = tomllib.loads(code)
        if "project" in content:
            assert set(content["project"]["entry-points"]) <= set(GROUPS)
        elif "files" in content:
            (self.folder / "job.toml").write_text(code)
            self.command("grokscope batch job.toml")
        else:
            (self.folder / "grid.toml").write_text(
                code.replace("steps = 1000", "steps = 20\np = 11\nwidth = 30")
            )
            interp.run_grid("grid.toml", out="grid", workers=1)

    def json(self, code: str) -> None:
        content, schema = json.loads(code), schema_of(json.loads(code)["schema"])["properties"]
        assert content.keys() <= schema.keys()
        assert content["schema_version"] == schema["schema_version"]["const"]

    def yaml(self, code: str) -> None:
        for step in steps_of(yaml.safe_load(code)):
            self.sh(step)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", WITH_CODE, ids=named)
def test_every_block_of_a_page_runs(page: Path, page_runner: Runner) -> None:
    if page.stem in MORE_FILES:
        MORE_FILES[page.stem](page_runner.folder)
    page_runner.python(PRELUDES.get(page.stem, ""))
    for language, code in every_block(page):
        if language in RUN:
            getattr(page_runner, language)(code)


NUMBER = re.compile(r"\d+(?:\.\d+)?")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_answers_that_pages_show_are_those_of_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the words of the command; numbers within 3, as another processor rounds otherwise."""
    monkeypatch.chdir(tmp_path)
    output = CliRunner().invoke(app, ["demo", "--out", "runs/r0"], catch_exceptions=False).output
    answer = " ".join(output.split())
    for page in ("README", "howto-audit"):
        excerpts = [part for block in blocks(GUIDE / f"{page}.md", "") for part in block.split("…")]
        assert excerpts
        for excerpt in (" ".join(part.split()) for part in excerpts):
            words = re.escape(NUMBER.sub("#", excerpt)).replace(r"\#", NUMBER.pattern)
            place = re.search(words, answer)
            assert place, f"{page}: {excerpt}"
            shown, measured = (map(float, NUMBER.findall(text)) for text in (excerpt, place[0]))
            assert list(shown) == pytest.approx(list(measured), abs=3)

"""Conventions of every command: where results go, what is shown beside them, and how wide and in which colours."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.cells import cell_len
from typer.testing import CliRunner

from interp.analysis.community_records import HEADER
from interp.cli import app
from interp.cli.console import print_table
from interp.cli.places import FORMATS

Command = Callable[..., str]
ROOT = typer.main.get_command(app)
STUDY = "lens"
FOLDERS, NETWORKS = {"--out"}, {"--save"}


def every_command() -> dict[str, Any]:
    """All commands by name, with one of the studies."""
    known = {name: command for name, command in ROOT.commands.items() if name != "study"}
    context = typer.Context(ROOT)
    return known | {f"study {STUDY}": ROOT.commands["study"].resolve_command(context, [STUDY])[1]}


COMMANDS = every_command()
each_command = pytest.mark.parametrize("name", COMMANDS)


def invoke(*words: object, **environment: str) -> Any:
    return CliRunner().invoke(app, [str(one) for one in words], env=environment, catch_exceptions=False)


def too_wide(text: str, width: int = 80) -> list[str]:
    """Lines of several words that are wider."""
    return [line for line in text.splitlines() if cell_len(line) > width and " " in line.strip()]


@each_command
def test_every_command_has_the_shared_options_and_names_of_places(name: str) -> None:
    options = {spelling: one for one in COMMANDS[name].params for spelling in one.opts}
    assert {"--quiet", "--progress"} <= set(options)
    for spelling, option in options.items():
        writes = option.metavar in ("FILE|-", "FOLDER", "FILE")
        assert writes == (spelling[2:] in FORMATS or spelling in FOLDERS | NETWORKS), spelling


@each_command
def test_help_keeps_to_80_columns(name: str) -> None:
    text = invoke(*name.split(), "--help", COLUMNS="80").output
    assert "--no-progress" in text
    assert "\x1b" not in text
    assert [line for line in text.splitlines() if cell_len(line) > 80] == []


@pytest.mark.parametrize("words", ["audit nosuch", "score --help"])
def test_a_terminal_gets_colours_unless_its_user_has_none(words: str) -> None:
    def colours(**environment: str) -> list[str]:
        kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}
        call = [sys.executable, "-m", "interp.cli", *words.split()]
        own = {"FORCE_COLOR": "1", "TERM": "xterm", **environment}
        done = subprocess.run(call, capture_output=True, text=True, env=kept | own, check=False)
        return re.findall(r"\x1b\[[\d;]*\b(?:3|4|9|10)\d[\d;]*m", done.stdout + done.stderr)

    assert colours()
    assert colours(NO_COLOR="1") == colours(TERM="dumb") == []


def test_help_is_as_wide_as_columns_says() -> None:
    widths = {max(map(cell_len, invoke("score", "-h", COLUMNS=n).output.splitlines())) for n in ("60", "120")}
    assert widths == {60, 120}


@pytest.fixture(scope="module")
def shown(series: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """What commands print on the small series, at 80 columns; run from a folder of its own."""
    folder = tmp_path_factory.mktemp("shown")

    def run(words: str) -> str:
        before = Path.cwd()
        os.chdir(folder)
        try:
            result = invoke(*words.replace("RUN", str(series)).split(), COLUMNS="80")
        finally:
            os.chdir(before)
        assert result.exit_code == 0, result.output
        return result.output

    return run


@pytest.mark.parametrize(
    "words",
    [
        "train --out new --p 7 --width 8 --steps 2",
        "score RUN --csv neurons.csv",
        "ablate RUN --random 2",
        pytest.param("audit RUN --random 2 --json report.json", marks=pytest.mark.slow),
        "dose RUN --random 2 --points 3",
        "describe RUN --neurons 0-9",
        "dynamics RUN",
        "communities RUN",
        "overlap RUN highest:0.2 lowest:0.2",
        "unlearn RUN --random 2",
        "batch RUN --out scored --outliers 0 --workers 1",
        "dialects",
        "doctor",
        "study lens --p 13 --width 16 --steps 5 --seeds 1 --workers 1",
    ],
)
def test_output_keeps_to_80_columns_without_colour_or_progress(
    shown: Callable[[str], str], words: str
) -> None:
    text = shown(words)
    assert text.strip()
    assert "\x1b" not in text
    assert too_wide(text) == []


def test_quiet_leaves_the_result_and_nothing_beside_it(series: Path, tmp_path: Path) -> None:
    words = ("score", series, "--top", 2)
    loud = invoke(*words, "--csv", tmp_path / "a.csv")
    assert loud.stderr.split() == f"wrote {tmp_path}/a.csv".split()
    for quiet in ((*words, "--quiet"), (*words, "-q"), ("--quiet", *words)):
        result = invoke(*quiet, "--csv", tmp_path / "b.csv")
        assert (result.stdout, result.stderr) == (loud.stdout, "")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_progress_is_shown_in_a_pipe_only_if_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail: Command
) -> None:
    monkeypatch.setattr("interp.progress.PATIENCE", 0.0)
    words = ("--p", 7, "--width", 8, "--steps", 3)

    def errors(name: str, *more: str) -> str:
        return invoke(*more[:1], "train", "--out", tmp_path / name, *words, *more[1:]).stderr

    assert "training 3/3" in errors("a", "--progress")
    assert "training 3/3" in errors("b", "--no-progress", "--progress")
    for number, given in enumerate(([], ["--no-progress"], ["--quiet"])):
        assert "training 3" not in errors(str(number), *given)
    assert "--quiet and --progress exclude each other" in fail("--quiet", "doctor", "--progress")


@pytest.mark.parametrize("format", ["json", "csv"])
def test_a_dash_is_standard_output_with_nothing_beside_it(series: Path, tmp_path: Path, format: str) -> None:
    command = ("describe", series, "--neurons", "0-3", f"--{format}")
    result = invoke(*command, "-")
    assert result.stderr == ""
    invoke(*command, tmp_path / f"d.{format}")
    assert result.stdout == (tmp_path / f"d.{format}").read_text()


@pytest.mark.slow
def test_bytes_go_to_standard_output_too(series: Path) -> None:
    words = [sys.executable, "-m", "interp.cli", "score", str(series), "--parquet", "-"]
    done = subprocess.run(words, capture_output=True, check=True)
    assert (done.stdout[:4], done.stdout[-4:], done.stderr) == (b"PAR1", b"PAR1", b"")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("score RUN --csv none/n.csv", "there is no folder 'none' for --csv 'none/n.csv'; make it"),
        ("score RUN --csv there.csv", "--csv 'there.csv' is a folder; expected the name of a file in it"),
        ("dose RUN --json file/x.json", "'file' is a file, so --json 'file/x.json' can be no file in it"),
        ("dynamics RUN --html x.htm", "--html 'x.htm' should end in .html, or be - for standard output"),
        ("audit RUN --json - --markdown -", "2 results are asked for on standard output"),
        ("ablate RUN --save none/net", "there is no folder 'none' for --save 'none/net'"),
        ("train --out file", "'file' is a file, so --out 'file' can be no folder"),
        ("batch RUN --out file/a/b", "file' is a file, so --out 'file/a/b' can be no folder"),
        ("demo --out file", "'file' is a file"),
        ("sweep grid.toml --out file", "'file' is a file"),
        ("explore RUN --out file", "'file' is a file"),
        (f"study {STUDY} --out file", "'file' is a file"),
        ("audit RUN --sequences x.txt --out file", "'file' is a file"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_any_work(
    fail: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, message: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "there.csv").mkdir()
    monkeypatch.chdir(tmp_path)
    assert message in fail(*words.split())  # RUN is no checkpoint: the place is looked at first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "there.csv"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_leave_to_write_is_refused(
    fail: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o500)
    monkeypatch.chdir(tmp_path)
    assert "cannot write" in fail("score", "RUN", "--csv", "n.csv")
    assert "cannot be written to" in fail("train", "--out", "run")


@pytest.mark.slow
def test_a_dash_means_json_for_a_whole_audit(series: Path) -> None:
    result = invoke("audit", series, "--random", 2, "--json", "-")
    assert json.loads(result.stdout)["accuracy"]
    assert result.stderr == ""


@pytest.mark.parametrize("words", [("train", "--out", "-"), ("ablate", "nosuch", "--save", "-")])
def test_standard_output_is_for_results_alone(fail: Command, words: tuple[str, ...]) -> None:
    assert f"{words[-2]} cannot be - for standard output" in fail(*words)


def test_results_replace_no_file_of_another_kind(
    fail: Command, run: Command, series: Path, tmp_path: Path
) -> None:
    described = series / "step-00000120.json"
    before = described.read_bytes()
    assert "no result of grokscope" in fail("audit", series, "--json", described)
    assert described.read_bytes() == before
    table = tmp_path / "table.csv"
    table.write_text("a,b,label\n0,1,1\n")
    assert "is a file that the command reads" in fail("score", series, "--table", table, "--csv", table)
    assert table.read_text() == "a,b,label\n0,1,1\n"
    for _ in range(2):  # a result replaces one
        run("dialects", "--json", tmp_path / "d.json")


def test_a_full_disk_is_no_mistake_of_grokscope() -> None:
    with open("/dev/full", "w") as full:
        call = [sys.executable, "-m", "interp.cli", "dialects", "--json", "-"]
        done = subprocess.run(call, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot write to standard output: No space left on device")


def test_no_column_of_a_table_is_lost_at_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    row = ("40000", "100.0%", "500", "12", *["0.123"] * 6)
    print_table("", HEADER, [row])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines if line.strip()][::2] == [list(HEADER), list(row)]
    assert too_wide("\n".join(lines)) == []
    print_table(
        "", ("neuron", "label", "evidence"), [("3", "inconclusive", "a long text " * 9)], left=(0, 1, 2)
    )
    assert "inconclusive" in capsys.readouterr().out

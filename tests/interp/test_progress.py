"""A line for a person, a few lines for a log that asks for them, nothing for what is quick."""

import subprocess
import sys
from io import StringIO
from time import monotonic, sleep

import pytest
from rich.console import Console

from interp import progress as module
from interp.progress import Phase, described, progress, show_progress, silent, with_progress


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.0)


def console(*, terminal: bool = False) -> Console:
    return Console(file=StringIO(), force_terminal=terminal, width=100)


def shown_on(place: Console) -> str:
    assert isinstance(place.file, StringIO)
    return place.file.getvalue()


def plain(total: int, steps, title: str = "training", note: str = "") -> list[str]:
    """The lines that a pipe receives, without the time left."""
    place = console()
    with show_progress(True), progress(title, total, place) as report:
        for step in steps:
            report(step, note)
    return [line.split(" 0:00 left")[0] for line in shown_on(place).splitlines()]


@pytest.mark.parametrize("total", [10, 100, 1600, 12345])
def test_a_pipe_gets_about_ten_lines(total):
    lines = plain(total, range(total + 1))
    steps = [int(line.split()[1].split("/")[0].replace(",", "")) for line in lines]
    assert steps == [-(-total * i // 10) for i in range(11)]
    assert lines[-1] == f"training {total:,}/{total:,}"


@pytest.mark.parametrize(
    ("total", "steps", "expected"), [(3, [1, 2, 3], 4), (3, [3], 2), (1, [0, 1], 2), (0, [0], 1)]
)
def test_short_and_jumping_jobs(total, steps, expected):
    assert len(plain(total, steps)) == expected


@pytest.mark.parametrize(
    "text", ["[add]", "a[/b]", "[red]x", ":smile:", "runs/[bold]/1.safetensors", "word " * 30]
)
def test_brackets_are_text_and_no_markup(text):
    assert plain(1, [1], title=text, note=text)[-1] == f"{text} 1/1 {text}"


def test_a_terminal_gets_one_line_that_is_gone_at_the_end():
    place = console(terminal=True)
    with progress("training", 3, place) as report:
        report(2, "test [.5]")
        assert isinstance(module._line.output, module._Bar)
        module._line.output.live.refresh()
        assert "training 2/3" in shown_on(place)
        assert "test [.5]" in shown_on(place)
    assert shown_on(place).endswith("\x1b[1A\x1b[2K")
    assert module._line.output is None


def test_a_line_is_no_wider_than_the_terminal():
    place = Console(file=StringIO(), force_terminal=True, width=40, color_system=None)
    with progress("a long title of a phase " * 5, 3, place) as report:
        report(1, "note " * 20)
        module._line.output.live.refresh()
    assert "\n" not in shown_on(place).split("long title", 1)[1].split("…", 1)[0]


def test_a_dumb_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    place = Console(file=StringIO(), force_terminal=True, width=80)
    with progress("training", 2, place) as report:
        report(2)
    assert shown_on(place).splitlines() == ["training 0/2", "training 2/2"]


def test_the_time_left_is_that_of_the_steps_that_are_left():
    assert Phase("training", 100, done=25, started=monotonic() - 10).left() == "0:30 left"
    assert Phase("training", 100, done=1, started=monotonic() - 60).left() == "1:39:00 left"
    assert [Phase("training", 100, done=done).left() for done in (0, 100)] == ["", ""]
    assert described(Phase("opening", 0, done=3)) == "opening …"


def test_of_nested_phases_the_outermost_with_steps_is_shown():
    place = console()
    with show_progress(True), progress("auditing", 0, place):
        with progress("effects", 2) as effects, progress("kernels"):
            effects(2)
            with progress("chunks", 5) as chunks:
                chunks(5)
        with progress("writing"):
            pass
    expected = ["auditing …", "effects 0/2", "effects 2/2", "writing …"]
    assert shown_on(place).splitlines() == expected


def test_nothing_is_shown_of_what_is_quick(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    for terminal in (False, True):
        place = console(terminal=terminal)
        with show_progress(True), progress("training", 2, place) as report:
            report(2)
        assert shown_on(place) == ""
    sleep(0.4)
    assert module._line.output is None


def test_work_that_reports_nothing_is_shown_too(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    place = console()
    with show_progress(True), progress("opening", 0, place):
        deadline = monotonic() + 10
        while not shown_on(place) and monotonic() < deadline:
            sleep(0.01)
    assert shown_on(place) == "opening …\n"


def test_a_pipe_gets_nothing_unless_it_is_asked_for(capsys):
    with progress("training", 1) as report:
        report(1)
    assert capsys.readouterr() == ("", "")
    with show_progress(True), progress("training", 1) as report:
        report(1)
    assert capsys.readouterr() == ("", "training 0/1\ntraining 1/1\n")


def test_the_inner_choice_holds_and_the_outer_one_comes_back(capsys):
    @with_progress("working")
    def work(*, show_progress: bool | None = None) -> str:
        return "done"

    with show_progress(True):
        assert work(show_progress=False) == "done"
        assert capsys.readouterr().err == ""
        assert work() == "done"
    assert work() == "done"
    assert capsys.readouterr().err == "working …\n"


def test_an_error_inside_passes_and_ends_the_phase():
    with pytest.raises(KeyError), progress("training", 1, console(terminal=True)):
        raise KeyError
    assert module._line.phases == []


def test_a_notebook_gets_a_line_that_is_empty_at_the_end():
    code = """
from unittest.mock import patch
import IPython.display
from interp import progress as module
from rich.console import Console
module.PATIENCE, lines = 0.0, []
class Handle:
    def update(self, data, raw): lines.append(data["text/plain"])
with patch.object(IPython.display, "display", lambda *given, **how: Handle()):
    with module.progress("training", 4, Console(force_jupyter=True)) as report:
        report(4)
print(lines)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "['training 0/4', '']\n", done.stderr


def test_silent_reports_nothing(capsys):
    assert silent(1, "note") is None
    assert capsys.readouterr() == ("", "")

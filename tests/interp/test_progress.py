"""A bar for a person, a few lines for a log."""

from io import StringIO

import pytest
from rich.console import Console

from interp.progress import progress, silent


def plain(total: int, steps, title: str = "training", note: str = "") -> list[str]:
    """The lines that a pipe receives."""
    file = StringIO()
    with progress(title, total, Console(file=file, force_terminal=False, width=40)) as report:
        for step in steps:
            report(step, note)
    return file.getvalue().splitlines()


@pytest.mark.parametrize("total", [10, 100, 1600, 12345])
def test_a_pipe_gets_about_ten_lines(total):
    lines = plain(total, range(total + 1))
    assert len(lines) == 11
    assert [int(line.split()[1].split("/")[0]) for line in lines] == [-(-total * i // 10) for i in range(11)]
    assert lines[-1] == f"training {total}/{total}"


@pytest.mark.parametrize(
    ("total", "steps", "expected"),
    [(3, [1, 2, 3], 3), (3, [3], 1), (100, [5, 6, 7, 50, 51], 2), (1, [0, 1], 2), (0, [0], 1), (5, [], 0)],
)
def test_short_and_jumping_jobs(total, steps, expected):
    assert len(plain(total, steps)) == expected


def test_notes_and_long_lines_are_kept():
    assert plain(1, [1], note="test .5") == ["training 1/1 test .5"]
    long = "word " * 30 + "end"
    assert plain(1, [1], note=long) == [f"training 1/1 {long}"]


@pytest.mark.parametrize("text", ["[add]", "a[/b]", "[red]x", ":smile:", "runs/[bold]/1.safetensors"])
def test_brackets_are_text_and_no_markup(text):
    assert plain(1, [1], title=text, note=text) == [f"{text} 1/1 {text}"]
    file = StringIO()
    with progress(text, 2, Console(file=file, force_terminal=True, width=120)) as report:
        report(1, text)
    assert text in file.getvalue()


def test_a_terminal_gets_a_bar():
    file = StringIO()
    with progress("training", 3, Console(file=file, force_terminal=True, width=100)) as report:
        report(2, "test .5")
    text = file.getvalue()
    assert "training" in text
    assert "2/3" in text
    assert "test .5" in text


def test_standard_output_stays_free(capsys):
    with progress("training", 1) as report:
        report(1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "training 1/1\n"


def test_an_error_inside_passes():
    with pytest.raises(KeyError), progress("training", 1, Console(file=StringIO(), force_terminal=True)):
        raise KeyError


def test_silent_says_nothing(capsys):
    assert silent(1, "note") is None
    assert capsys.readouterr() == ("", "")

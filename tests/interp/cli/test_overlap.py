"""``grokscope overlap``: the numbers of Python, and mistakes that are told before a network is opened."""

from __future__ import annotations

import json
from pathlib import Path

import interp


def test_neurons_and_examples_are_compared_as_in_python(run, series: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "overlap.json", tmp_path / "overlap.html"
    shown = run("overlap", series, "0-9", "5-14", "--json", out, "--html", page)
    result = interp.overlap(interp.load_checkpoint(series), first=range(10), second=range(5, 15))
    assert json.loads(out.read_text())["shared"] == [5, 6, 7, 8, 9]
    assert json.loads(out.read_text())["p_value"] == result.p_value
    assert "share 5 of 60 neurons" in " ".join(shown.split())
    assert "Overlap" in page.read_text()
    run(
        "overlap",
        series,
        "examples:train",
        "examples:test",
        "--by",
        "activation",
        "--draws",
        "99",
        "--json",
        out,
    )
    found = json.loads(out.read_text())
    expected = interp.example_overlap(
        interp.load_checkpoint(series),
        first="examples:train",
        second="examples:test",
        by="activation",
        draws=99,
        seed=0,
    )
    assert found["first"]["mean"] == expected.first.mean
    assert found["kind"] == "examples"


def test_options_of_examples_are_refused_for_neurons(fail, series: Path) -> None:
    assert "--by is of examples" in fail("overlap", series, "0-9", "5-14", "--by", "activation")
    assert "examples and neurons" in fail("overlap", series, "0-9", "examples:clean")
    assert "runs backwards" in fail("overlap", series, "9-0", "1")

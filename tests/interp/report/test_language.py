"""Every form of a report on a language model's memory against its numbers, with hostile names and nothing known."""

import io
import json
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from language_reports import HOSTILE, language_report
from pages import Page
from rich.console import Console

from interp import report as reports
from interp.language.records import CONTROLS, SAME_GROUP, VERDICTS
from interp.markup import percentage

SECTIONS = ["verdict", "reading", "memory", "group-0", "provenance", "words"]
CHARTS = ["memory", "layers-0", "removal-0", "tradeoff-0", "doses-0", "relearning-0"]


@pytest.fixture(scope="module")
def report():
    return language_report()


@pytest.fixture(scope="module")
def page(report):
    return Page(reports.to_html(report))


@pytest.fixture(scope="module")
def empty(report):
    """Nothing was memorised or located, and every optional value is missing."""
    columns = dict(report.memory.columns)
    for name in ("guessed", "recalled", "exposure"):
        del columns[name]
    columns["verdict"] = np.full(10, "inconclusive")
    columns["nll"] = columns["perplexity"] = np.full(10, np.nan)
    memory = replace(report.memory, columns=columns)
    return replace(
        report,
        groups=(),
        memory=memory,
        model={},
        settings={},
        notes=(),
        warnings=(),
        seconds=None,
        verdict=(),
    )


@pytest.fixture(scope="module")
def located_in_vain(report):
    """A group that no method beats random units on."""
    group = replace(
        report.groups[0],
        best=None,
        removed=np.array([], dtype=np.int64),
        doses=(),
        relearning=None,
        crossfitted=False,
    )
    return replace(report, groups=(group,))


def printed(report, **options):
    stream = io.StringIO()
    reports.print_report(report, Console(file=stream, width=80, **options))
    return stream.getvalue()


def test_the_page_is_whole_and_fetches_nothing(page):
    assert page.open == []
    assert [one["id"] for one in page.all("section")] == SECTIONS
    ids = [one["id"] for _, one in page.elements if "id" in one]
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    assert list(page.figures()) == [f"plot-{name}" for name in CHARTS]
    for tag, attributes in page.elements:
        assert not {"src", "srcset"} & set(attributes)
        assert tag not in ("link", "iframe", "object", "img")


def test_names_are_text_everywhere(report, page):
    assert page.text("code") == [HOSTILE]
    assert not any("alert(1)" in script for script in page.scripts() if "Plotly.newPlot" not in script)
    markdown = reports.to_markdown(report)
    assert "<script" not in markdown.replace("\\<", "")
    assert HOSTILE in " ".join(printed(report).split())
    assert "<script" not in report._repr_html_()


def test_json_holds_every_number_and_no_nan(report, tmp_path):
    text = report.save(tmp_path / "r.json").read_text()
    assert "NaN" not in text
    held = json.loads(text)
    assert held["sequences"] == {"total": 10, **{name: report.memory.count(name) for name in VERDICTS}}
    assert [row["accuracy"] for row in held["memory"]] == report.memory["accuracy"].tolist()
    for row, one in enumerate(held["tokens"]):
        assert one["logprob"] == report.logprob[row].tolist()
        assert one["pieces"] == list(report.pieces[row])
    (group,) = held["groups"]
    own = report.groups[0]
    assert group["without"][3] == own.without[3].tolist()
    assert group["without_best"]["accuracy"] == dict(own.curves["gradient"][0].accuracy)
    assert (
        group["curves"]["zero-out"][1]["random_nll"][CONTROLS]["low"]
        == own.curves["zero-out"][1].random_nll[CONTROLS].low
    )
    units = group["units"]
    assert units["total"] == len(units["layer"]) == 48
    assert units["scores"]["gradient"] == own.scores.scores["gradient"].tolist()


def test_flat_values_have_the_names_of_groups(report):
    flat = report.flat()
    assert flat["sequences.memorised"] == 6
    assert flat[f"groups.{HOSTILE}.without_best.nll.controls"] == report.groups[0].best_point.nll[CONTROLS]
    assert not any(isinstance(value, (list, dict)) for value in flat.values())


def test_save_writes_the_form_that_the_suffix_names(report, tmp_path):
    assert report.save(tmp_path / "r.md").read_text(encoding="utf-8") == reports.to_markdown(report)
    assert "<title>Grokscope report" in report.save(tmp_path / "r.html").read_text(encoding="utf-8")


def test_the_console_fits_80_columns_and_shows_the_numbers(report):
    text = printed(report)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "6 of 10 sequences are memorised" in text
    for row in range(10):
        assert percentage(report.memory["accuracy"][row]) in text
    point = report.groups[0].best_point
    line = next(one for one in text.splitlines() if "gradient × activation" in one and SAME_GROUP in one)
    assert percentage(point.accuracy[SAME_GROUP]) in line
    assert "Warning: Beware of 50 % <b>." in text


@pytest.mark.parametrize("case", ["empty", "located_in_vain"])
def test_every_form_survives_what_is_not_known(case, request, tmp_path):
    report = request.getfixturevalue(case)
    page = Page(reports.to_html(report))
    shown = (
        reports.to_markdown(report),
        printed(report),
        " ".join(text for tag, text in page.texts if tag in ("td", "p")),
    )
    for text in shown:
        assert "None" not in text
        assert not re.search(r"\bnan\b", text, re.IGNORECASE)
    json.loads(report.save(tmp_path / "r.json").read_text())
    assert report._repr_html_()


def test_an_empty_report_says_so(empty):
    assert (
        reports.to_markdown(empty)
        .split("\n## ")[1]
        .startswith("Verdict\n\n**0 of 10 sequences are memorised")
    )


def test_a_choice_that_was_not_crossfitted_is_owned_up_to(located_in_vain):
    text = reports.to_markdown(located_in_vain)
    assert "chosen and measured on the same sequences" in text
    assert "tokens are not coloured" in text
    assert "No removal takes more of this memory than random neurons do" in text


def test_words_explain_methods_and_columns(report):
    text = reports.to_markdown(report)
    assert "arXiv 2311.09060" in text
    for column in ("exposure (bits)", "teacher-forced", "zero-out"):
        assert f"- **{column}**" in text

"""The data of a report's slider against the record; how it moves is tested in a browser."""

import json
import re
from dataclasses import replace

import pytest
from language_reports import language_report
from pages import Page

from interp.report.language_slider import slider_html


@pytest.fixture(scope="module")
def report():
    return language_report()


def test_the_slider_holds_every_step_of_the_shown_sequences(report):
    group = report.groups[0]
    text = slider_html(report, group, 3, "<p>text</p>")
    assert Page(f"<main>{text}</main>").open == []
    held = json.loads(re.search(r'id="steps-3">(.*?)</script>', text, re.S)[1])
    assert [step["label"] for step in held["steps"]] == ["2 neurons (4.2 %)", "10 neurons (21 %)"]
    for step, shown in zip(group.steps, held["steps"], strict=True):
        assert set(shown["rows"]) == {str(row) for row in range(10)}
        for row, one in shown["rows"].items():
            assert one["rank"] == step.rank_without[int(row)].tolist()
            assert [float(value) for value in one["after"]] == pytest.approx(step.without[int(row)], rel=1e-2)
    assert 'value="0"' in text


def test_there_is_no_slider_of_one_step(report):
    group = replace(report.groups[0], steps=report.groups[0].steps[:1])
    assert slider_html(report, group, 0, "text") == "text"

"""Tables and figures in notebooks: what they hold, that names are escaped, and where only text is shown."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from plotly import io

from interp.analysis.portrait import Spectrum
from interp.audit import audit
from interp.data import ModularTask
from interp.markup import Link, html_table, number, percentage
from interp.measuring.cached_pass import cached_pass
from interp.measuring.doses import dose_response
from interp.measuring.evaluation import SplitValues
from interp.models import analytic_mlp, planted_mlp
from interp.results import AuditReport
from interp.scoring.table import NeuronTable

HOSTILE = '<script>alert(1)</script>&"x"'
FIGURE = "application/vnd.plotly.v1+json"


@pytest.fixture(scope="module")
def report() -> AuditReport:
    task = ModularTask("add", p=13, corrupt_fraction=0.2)
    found = audit(planted_mlp(task, generalizing=20, memorizing=20, dead=2).model, task, n_random=2)
    return replace(found, checkpoint=HOSTILE, warnings=(f"Beware of {HOSTILE}.",))


@pytest.fixture
def jupyter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(io.renderers, "_default_renderers", [io.renderers["plotly_mimetype"]])
    monkeypatch.setattr(io.renderers, "_default_name", "plotly_mimetype")


class Cells(HTMLParser):
    """Rows of cells; checks that tags are nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert tag != "script"
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def test_tables_escape_every_cell() -> None:
    for inline in (False, True):
        text = html_table(HOSTILE, (HOSTILE, "b"), [(HOSTILE, Link(HOSTILE, 'a b"c'))], inline=inline)
        assert Cells(text).rows == [[HOSTILE, "b"], [HOSTILE, HOSTILE]]
        assert 'href="a%20b%22c"' in text
        assert ("style=" in text) == inline
        assert "color:#" not in text


def test_numbers_in_words() -> None:
    assert [number(v) for v in (0.12345, np.float32(2), None, float("inf"))] == ["0.123", "2", "–", "–"]
    assert [percentage(v) for v in (0.12345, 1, None, float("nan"))] == ["12.3 %", "100.0 %", "–", "–"]


def test_a_table_of_neurons_shows_the_strongest_and_the_counts(report: AuditReport) -> None:
    table = report.table
    shown = table._repr_html_()
    header, *rows = Cells(shown).rows
    assert header == [
        "neuron",
        "label",
        "IPR",
        "frequency",
        "held-out effect",
        "corrupted effect",
        "evidence",
    ]
    strongest = np.argsort(-table["strength"], kind="stable")[:10]
    assert [int(row[0]) for row in rows] == strongest.tolist()
    assert [row[1] for row in rows] == table["label"][strongest].tolist()
    assert f"{table.counts()['memorizing']} memorizing" in shown
    bare = NeuronTable({"neuron": np.arange(3)}, HOSTILE)
    assert bare._repr_html_().startswith("<pre>NeuronTable(&lt;script&gt;alert")
    assert "<script" not in bare._repr_html_()


def test_an_audit_shows_verdict_accuracies_and_warnings(report: AuditReport) -> None:
    shown = report._repr_html_()
    rows = {row[0]: row[1:] for row in Cells(shown).rows}
    assert rows["test"][0] == percentage(report.accuracy.test)
    assert report.phase.name is not None
    assert f"(phase: {report.phase.name})" in shown
    for label, count in report.table.counts().items():
        assert label == "total" or f"<strong>{count}</strong> {label}" in shown
    assert "Warnings" in shown
    assert "Warnings" not in replace(report, warnings=())._repr_html_()


def test_removals_and_values_of_splits_are_tables(report: AuditReport) -> None:
    removal = report.removals["memorizing"]
    rows = {row[0]: row[1:] for row in Cells(removal._repr_html_()).rows}
    assert rows["test"][:2] == [percentage(removal.before.test), percentage(removal.after.test)]
    values = Cells(SplitValues(0.5, None, 1.0, 0.25, 0.125, 1.0)._repr_html_()).rows
    assert values[1:3] == [["train", "0.5"], ["clean", "–"]]


def things(report: AuditReport) -> list[Any]:
    """One of everything that is shown as a figure."""
    cached = cached_pass(analytic_mlp("add", p=13, width=20), ModularTask("add", p=13))
    portrait = next(iter(report.portraits.values()))
    dose = dose_response(cached, range(3), [0, 1], n_random=0)
    return [report.curves[0], portrait, portrait.spectrum, Spectrum.of(a=np.arange(5.0)), dose]


@pytest.mark.usefixtures("jupyter")
def test_figures_are_shown_as_plotly_shows_them(report: AuditReport) -> None:
    for thing in things(report):
        shown = thing._repr_mimebundle_()
        assert shown["text/plain"] == repr(thing)
        assert len(shown[FIGURE]["data"]) == len(thing.plot().data) > 0
        assert list(thing._repr_mimebundle_(include={FIGURE})) == [FIGURE]
        assert list(thing._repr_mimebundle_(exclude={FIGURE})) == ["text/plain"]


@pytest.mark.parametrize("renderer", ["browser", None])
def test_terminals_show_text_alone(
    report: AuditReport, renderer: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(io.renderers, "_default_renderers", [io.renderers[renderer]] if renderer else [])
    monkeypatch.setattr(io.renderers, "_default_name", renderer or "")
    sweep = report.curves[0]
    assert sweep._repr_mimebundle_() == {"text/plain": repr(sweep)}

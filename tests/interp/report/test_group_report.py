"""Reports, figures and JSON of a network that composes the elements of a group."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from composing import composing
from rich.console import Console

import interp
from interp import plots
from interp.audit import audit
from interp.report.component_captions import TEXTS, WITHOUT
from interp.report.console import print_report
from interp.report.html import summary_html, to_html
from interp.report.neurons import facts
from interp.report.wording import glossary, task_sentence
from interp.results import AuditReport
from interp.scoring.pair_order import pair_order

NAMES = {"sign", "2-dimensional", "standard", "standard × sign"}


@pytest.fixture(scope="module")
def report() -> AuditReport:
    return audit(*composing("S4", width=48), n_random=2)


def test_json_lists_components_with_most_neurons_first(report: AuditReport) -> None:
    written = json.loads(json.dumps(report.to_dict()))
    assert written["key_frequencies"] is None
    components = written["components"]
    assert {one["name"] for one in components} == NAMES
    assert {(one["size"], one["dimension"]) for one in components} == {(1, 1), (4, 2), (9, 3)}
    neurons = [one["neurons"] for one in components]
    assert neurons == sorted(neurons, reverse=True)
    assert sum(neurons) == len(report.table.alive)
    group = {"name": "S4", "order": 24, "classes": 5, "abelian": False, "exponent": 12, "generators": []}
    assert written["null"]["group"] == group


def test_a_modulus_has_frequencies_and_no_components() -> None:
    task = interp.data.ModularTask("add", 7)
    written = audit(interp.models.analytic_mlp("add", p=7, width=30), task, n_random=2).to_dict()
    assert written["components"] is None
    assert written["key_frequencies"]


def test_every_form_names_components(report: AuditReport, tmp_path: Path) -> None:
    text = StringIO()
    print_report(report, Console(file=text, width=80))
    sentence = "Components of S4 with neurons in them"
    forms = [
        " ".join(text.getvalue().split()),
        report.save(tmp_path / "report.md").read_text(),
        to_html(report),
    ]
    assert all(sentence in form for form in forms)
    assert all("Key frequencies" not in form for form in forms)
    assert "S4: 24 elements in 5 classes, not abelian, exponent 12" in task_sentence(report)
    assert TEXTS["WEIGHTS"].split("\n")[0] in forms[2]
    assert "cosets of subgroups of order 12, 4 and 2" in forms[2]
    assert "standard × sign" in forms[2]
    assert "No group ordering is known" not in forms[2]
    assert summary_html(report)


def test_the_reason_of_a_label_names_the_component(report: AuditReport) -> None:
    table = report.table
    for number, reason in zip(table["frequency"], table["evidence"], strict=True):
        if "explains" in reason:
            assert reason.startswith(f"{table.parts.title(int(number))} explains")
    assert table.strongest_header()[3] == "component"
    assert all("(" in row[3] for row in table.strongest(5))


def test_a_portrait_has_shares_by_component(report: AuditReport) -> None:
    portrait = next(iter(report.portraits.values()))
    number = int(portrait.values["frequency"])
    for _, strongest, share, phase in portrait.spectrum.peaks():
        assert strongest == number
        assert share == pytest.approx(1, abs=1e-5)
        assert np.isnan(phase)
    assert portrait.pair_shares is not None
    assert portrait.pair_shares.sum() == pytest.approx(1)
    assert portrait.pair_shares[number, number] > 0.2  # of (f(a) + g(b))², the product and both squares
    known = {name: value for name, value, _ in facts(portrait)}
    assert known["component"] == portrait.spectrum.parts.brief(number)
    assert "phase residual" not in known


def test_figures_name_components(report: AuditReport) -> None:
    portrait = next(iter(report.portraits.values()))
    weights = plots.neuron_weights(portrait)
    assert weights.layout.xaxis.title.text == "element (by cosets)"
    assert "standard" in " ".join(weights.layout.xaxis2.ticktext)
    activations = plots.neuron_activations(portrait)
    assert activations.layout.xaxis2.title.text == "right component (number)"
    assert any("component" in text for text in activations.data[1].text)
    assert "one pure component" in plots.ipr_histogram(report.table, report.null_ipr).layout.xaxis.title.text
    assert len(report.null_ipr)
    scatter = plots.neuron_scatter(report.table)
    assert any("component" in str(point[1]) for trace in scatter.data for point in trace.customdata or ())


def test_maps_are_in_the_order_of_cosets(report: AuditReport) -> None:
    model, task = composing("S4", width=48)
    order = pair_order(task)
    portrait = interp.portrait(model, task, 3)
    left, right = (model.embed.W_E[i, :, 3].detach().numpy() for i in (0, 1))
    expected = (left[order.left][:, None] + right[order.right]) ** 2
    np.testing.assert_allclose(portrait.grid, expected, rtol=1e-4, atol=1e-6)
    for name, vector in zip(portrait.spectrum.names, portrait.spectrum.vectors, strict=True):
        raw = {"left": left, "right": right, "output": model.unembed.W_U[3].detach().numpy()}[name]
        np.testing.assert_allclose(vector, raw[getattr(order, name)])


def test_words_are_those_of_components(report: AuditReport) -> None:
    words = glossary(report.table.parts)
    assert "component" in words
    assert not set(WITHOUT) & set(words)
    assert "one component also explains" in words["generalizing"]
    assert "component" not in glossary()

"""Single neurons of the report: facts in words against the table, and the list to choose from."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest

from interp.analysis.portrait import Portrait, Served, Spectrum
from interp.audit import audit
from interp.data import ModularTask
from interp.models import planted_mlp
from interp.report.neurons import FACTS_HEADER, SERVED_HEADER, facts, neurons_html, served_rows
from interp.report.wording import glossary
from interp.results import AuditReport
from probes.columns import COLUMNS, Column


@pytest.fixture(scope="module")
def report() -> AuditReport:
    task = ModularTask("add", p=31, corrupt_fraction=0.2)
    return audit(planted_mlp(task, generalizing=80, memorizing=90, dead=8).model, task, n_random=2)


def values(portrait: Portrait) -> dict[str, str]:
    return {name: value for name, value, _ in facts(portrait)}


def test_the_most_telling_neurons_have_portraits(report: AuditReport) -> None:
    portraits, table = report.portraits, report.table
    assert len(portraits) == 24
    assert [one.neuron for one in portraits.values()] == list(portraits)
    strongest = table.where(label="generalizing")
    assert next(iter(portraits)) == strongest.neuron[np.argmax(strongest["strength"])]
    assert sum(one.label == "dead" for one in portraits.values()) == 1


def test_facts_hold_the_tables_numbers_and_say_what_they_mean(report: AuditReport) -> None:
    for neuron, portrait in report.portraits.items():
        row = {name: report.table[name][neuron] for name in report.table}
        found = values(portrait)
        assert found["label"] == row["label"]
        assert found["reason"] == row["evidence"]
        if portrait.label == "dead":
            continue
        assert found["frequency"] == f"{row['frequency']} cycles"
        assert float(found["IPR"]) == pytest.approx(row["ipr"], rel=1e-2)
        assert float(found["p-value"]) == pytest.approx(row["p_value"], rel=1e-2)
        assert float(found["q-value"]) == pytest.approx(row["q_value"], rel=1e-2)
        assert float(found["share at one frequency"].split()[0]) == pytest.approx(
            100 * row["frequency_share"], abs=0.06
        )
        phases = [row[f"phase_{part}"] for part in ("left", "right", "output")]
        shown = found["phase left, right, output"].removesuffix(" rad").split(", ")
        assert [float(angle) for angle in shown] == pytest.approx(phases, abs=0.006)
        assert float(found["phase residual"].split()[0]) == pytest.approx(row["phase_residual"], abs=0.006)
        for kind, column in (("held-out", "test"), ("corrupted", "corrupted_as_labelled")):
            effect = found[f"adds to {kind} examples"]
            assert float(effect.split()[0]) == pytest.approx(row[f"effect_{column}"], rel=1e-2)
            assert effect.endswith("logit units")
        assert all(len(meaning) > 10 for _, _, meaning in facts(portrait))


def test_a_new_column_is_a_fact_with_its_meaning(
    monkeypatch: pytest.MonkeyPatch, report: AuditReport
) -> None:
    new = Column("Fourier entropy", "nats", "Entropy beyond `ipr`.")
    monkeypatch.setitem(COLUMNS, "fourier_entropy", new)
    one = next(iter(report.portraits.values()))
    rows = facts(replace(one, values={**one.values, "fourier_entropy": 0.25}))
    assert rows[-1] == ("Fourier entropy", "0.25 nats", "Entropy beyond “IPR”.")
    assert "Fourier entropy" not in values(replace(one, values={**one.values, "fourier_entropy": np.nan}))
    assert glossary()["Fourier entropy (nats)"] == rows[-1][2]


def test_what_is_not_known_is_left_out() -> None:
    nothing = {"label": "inconclusive", "evidence": "periodicity not known", "frequency": 0, "ipr": np.nan}
    one = Portrait(1, {**nothing, "effect_all": 0.25}, Spectrum.of(), None, None, ())
    assert values(one) == {
        "label": "inconclusive",
        "reason": "periodicity not known",
        "adds to all examples": "0.25 logit units",
    }
    page = neurons_html({1: one})
    assert "No figures" in page
    assert "No example's margin falls without it." in page
    assert neurons_html({}) == "<p>" + page.split("<p>")[2].split("</p>")[0] + "</p>"


def test_served_examples_are_listed_with_their_margins(report: AuditReport) -> None:
    portrait = next(one for one in report.portraits.values() if one.label == "memorizing")
    rows = served_rows(portrait)
    assert len(rows) == len(portrait.served) > 0
    assert {len(row) for row in rows} == {len(SERVED_HEADER)}
    first, one = rows[0], portrait.served[0]
    assert first[0] == ", ".join(map(str, one.inputs))
    assert first[1] in ("trained on", "corrupted", "held out")
    assert first[2:4] == (str(one.label), str(one.true_label))
    before, after = map(float, first[4].split(" → "))
    assert (before, after) == pytest.approx((one.before, one.after), rel=1e-2)
    odd = replace(portrait, served=(Served(7, (), 1, 1, "unknown", 0.5, -0.5),))
    assert served_rows(odd) == [("example 7", "not known", "1", "1", "0.5 → -0.5")]


def test_one_list_chooses_among_all_figures_and_facts(report: AuditReport) -> None:
    page = neurons_html(report.portraits)
    options = [int(n) for n in re.findall(r'<option value="(\d+)">', page)]
    assert sorted(options) == sorted(report.portraits)
    assert re.findall(r'<optgroup label="(\w+)">', page)[:2] == ["generalizing", "memorizing"]
    assert page.count('<label for="neuron">') == page.count('<select id="neuron"') == 1
    assert page.count('class="portrait"') == 24
    assert page.count(f'<th scope="col">{FACTS_HEADER[2]}</th>') == 24
    held = json.loads(re.search(r'id="neuron-data">(.*?)</script>', page, re.S)[1])
    for neuron, portrait in report.portraits.items():
        lines = held["figures"]["plot-weights"][str(neuron)]
        assert [line["name"] for line in lines[::2]] == ["left weights", "right weights", "output weights"]
        np.testing.assert_allclose(lines[0]["y"], portrait.spectrum.vectors[0], rtol=1e-4)
        heat = held["figures"]["plot-activations"][str(neuron)][0]
        grid = np.frombuffer(b64decode(heat["z"]["bdata"]), np.float32).reshape(31, 31)
        np.testing.assert_allclose(grid, portrait.grid, rtol=1e-6)


def test_names_cannot_break_the_page(report: AuditReport) -> None:
    portrait = next(iter(report.portraits.values()))
    hostile = "</script><script>alert(1)</script>"
    spectrum = Spectrum.of(**{hostile: np.arange(5.0)})
    evil = replace(portrait, values={**portrait.values, "evidence": hostile}, spectrum=spectrum)
    assert "<script>alert" not in neurons_html({1: evil})

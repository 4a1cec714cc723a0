"""Every form of the report against the audit's numbers, with hostile names and with nothing known."""

import io
import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from pages import Page
from plotly.offline import get_plotlyjs
from rich.console import Console

from interp import report as reports
from interp.audit import audit
from interp.data import SPLITS, ModularTask
from interp.errors import ConfigError
from interp.markup import percentage as percent
from interp.measuring.evaluation import SplitValues
from interp.measuring.phase import Phase
from interp.models import analytic_mlp, planted_mlp
from interp.report.sections import parts_sentence
from probes.labels import LABELS

HOSTILE = 'runs/<script>alert(1)</script>&"x" | `y` [red]*z*.pt'
SECTIONS = [
    "verdict",
    "accuracy",
    "ipr",
    "effect",
    "ablation",
    "weights",
    "computing",
    "training",
    "neurons",
    "provenance",
    "words",
]
MEGABYTE = 2**20
NOTHING = SplitValues(*[None] * 6)
HISTORY = [
    {"step": 10 * i, "loss": 0.01 / (1 + i), "accuracy": dict.fromkeys(SPLITS, i / 2)} for i in range(3)
]


@pytest.fixture(scope="module")
def planted():
    task = ModularTask("add", p=23, corrupt_fraction=0.2)
    model = planted_mlp(task, generalizing=60, memorizing=50, dead=8).model
    found = audit(model, task, n_random=4)
    assert all(found.table.counts()[label] for label in ("generalizing", "memorizing", "dead"))
    return replace(found, checkpoint=HOSTILE, step=1600, history=HISTORY, warnings=("Beware of 50 % <b>.",))


@pytest.fixture(scope="module")
def unheld():
    """Nothing held out, nothing corrupted, a neuron without an IPR."""
    return audit(
        analytic_mlp("multiply", p=13, width=30), ModularTask("multiply", p=13, train_fraction=1), n_random=2
    )


@pytest.fixture(scope="module")
def unknown(unheld):
    """Every value that may be missing is missing."""
    nothing = dict.fromkeys(SPLITS)
    removal = replace(unheld.removals["memorizing"], removed=1, before=NOTHING, after=NOTHING, random=nothing)
    table = unheld.table
    nans = np.full(len(table), np.nan)
    columns = {**table.columns, "ipr": nans, "q_value": nans, "evidence": np.full(len(table), "not known")}
    return replace(
        unheld,
        accuracy=NOTHING,
        phase=Phase(None, None),
        task=dict.fromkeys(unheld.task),
        model={"kind": "Odd", "width": 30, "activation": None},
        table=type(table)(columns, table.site_name, table.meta),
        removals=dict.fromkeys(LABELS, removal),
        curves=tuple(replace(sweep, accuracy=nothing, random=nothing) for sweep in unheld.curves),
        agreement=None,
        key_frequencies=(),
        null_ipr=np.array([]),
        portraits={},
        history=[{"step": 0, "loss": None, "accuracy": {}}] * 2,
        warnings=(),
        verdict=(),
    )


@pytest.fixture(scope="module")
def page(planted):
    return Page(reports.to_html(planted))


def cells(text, heading):
    """Rows of the Markdown table under a heading, as dicts by first cell."""
    section = text.split(f"\n## {heading}")[1].split("\n## ")[0]
    rows = [re.split(r"(?<!\\) ?\| ?", line)[1:-1] for line in section.splitlines() if line.startswith("|")]
    assert len({len(row) for row in rows}) == 1
    return {row[0]: row[1:] for row in rows}


def printed(report, **options):
    stream = io.StringIO()
    reports.print_report(report, Console(file=stream, width=80, **options))
    return stream.getvalue()


def test_json_contract(planted, tmp_path):
    found = json.loads(reports.save(planted, tmp_path / "r.json").read_text())
    assert found["checkpoint"] == HOSTILE
    assert set(found) >= {"dialect", "convention", "phase", "key_frequencies", "warnings"}
    assert set(found["task"]) >= {"operation", "p", "train_fraction", "corrupt_fraction"}
    assert set(found["model"]) >= {"kind", "width", "activation"}
    assert set(found["accuracy"]) == set(SPLITS)
    assert set(found["neurons"]) == {"total", *LABELS}
    assert set(found["agreement"]) == {"auc", "low", "high"}
    for removal in (found["without_memorizing"], found["without_generalizing"]):
        assert set(removal) >= {"accuracy", "removed"}
        assert set(removal["accuracy"]) == set(SPLITS)
    for sweep in found["ablation"]:
        assert set(sweep) >= {"order", "fraction", "accuracy"}
        assert {len(values) for values in sweep["accuracy"].values()} == {len(sweep["fraction"])}
    assert found["accuracy"]["test"] == planted.accuracy.test


def test_save_writes_the_form_that_the_suffix_names(planted, tmp_path):
    for suffix, write in ((".md", reports.to_markdown), (".HTML", reports.to_html)):
        path = reports.save(planted, str(tmp_path / f"deep/r{suffix}"))
        assert path.read_text(encoding="utf-8") == write(planted)
    with pytest.raises(ConfigError, match=r"'\.pdf'.*r\.pdf.*\.json, \.md or \.html"):
        planted.save(tmp_path / "r.pdf")
    with pytest.raises(ConfigError, match="as ''"):
        planted.save(tmp_path / "r")
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]


def test_markdown_holds_the_numbers(planted):
    text = reports.to_markdown(planted)
    removed = (planted.removals[label].after for label in ("memorizing", "generalizing"))
    states = (planted.accuracy, *removed, planted.memory_set.crossfit.after)
    accuracy = cells(text, "Accuracy")
    assert {split: accuracy[split.replace("_", " ")] for split in SPLITS} == {
        split: [percent(state[split]) for state in states] for split in SPLITS
    }
    counts = planted.table.counts()
    for label in ("generalizing", "memorizing", "dead", "inconclusive"):
        assert f"| {label} | {counts[label]} | {percent(counts[label] / counts['total'])} |" in text
    removal = planted.removals["memorizing"]
    band = removal.random["test"]
    row = cells(text, f"Without the {removal.removed} memorizing neurons")["test"]
    assert row[:3] == [percent(removal.before.test), percent(removal.after.test), percent(band.mean)]
    assert row[3] == f"{percent(band.low)} to {percent(band.high)}"
    assert row[4] == ("yes" if removal.differs("test") else "no")
    assert "- Beware of 50 % \\<b\\>." in text
    assert f"(phase: {planted.phase.name}).**" in text
    assert all(sentence in text for sentence in planted.verdict)
    provenance = cells(text, "Provenance")
    assert provenance["step"] == ["1600"]
    assert "alpha 0.01" in provenance["criteria of the labels"][0]
    assert "constant drop" in provenance["Fourier convention"][0]
    assert f"numpy {np.__version__}" in provenance["versions"][0]


def test_markdown_lists_the_strongest_neurons(planted):
    table = planted.table
    rows = cells(reports.to_markdown(planted), "The strongest neurons")
    strongest = table.neuron[np.argsort(-table["strength"], kind="stable")[:24]]
    for neuron in strongest:
        assert rows[str(neuron)][0] == table["label"][neuron]
        assert float(rows[str(neuron)][1]) == pytest.approx(table["ipr"][neuron], rel=1e-2)
        assert float(rows[str(neuron)][3]) == pytest.approx(table["effect_test"][neuron], rel=1e-2)
        assert rows[str(neuron)][-1].replace("\\", "") == table["evidence"][neuron]


def test_names_cannot_break_markdown(planted):
    text = reports.to_markdown(replace(planted, checkpoint=HOSTILE + "\n# Not a heading"))
    assert "<script" not in text.replace("\\<", "")
    assert "\n# Not" not in text
    assert "\\|" in cells(text, "Provenance")["checkpoint"][0]


def test_html_is_whole_and_fetches_nothing(planted, page, tmp_path):
    path = planted.save(tmp_path / "r.html")
    assert path.stat().st_size < 8 * MEGABYTE
    assert path.stat().st_size - len(get_plotlyjs().encode()) < MEGABYTE
    assert page.open == []
    own = path.read_text(encoding="utf-8").replace(get_plotlyjs(), "")
    assert "http://" not in own
    assert "https://" not in own
    assert not re.search(r"@import|url\(", own)
    for tag, attributes in page.elements:
        assert not {"src", "data", "srcset"} & set(attributes)
        assert tag not in ("link", "iframe", "object", "img")
    assert sum("default-src 'none'" in attributes.get("content", "") for attributes in page.all("meta")) == 1


def test_html_has_all_sections_and_sound_references(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    assert [attributes["id"] for attributes in page.all("section")] == SECTIONS
    assert [attributes["href"] for attributes in page.all("a")] == [f"#{name}" for name in SECTIONS]
    for _, attributes in page.elements:
        for reference in ("aria-labelledby", "aria-describedby"):
            assert attributes.get(reference, ids[0]) in ids
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("main")) == 1


def test_html_explains_every_figure(page):
    figures = page.all("figure")
    assert len(figures) == len(page.all("figcaption")) == len(page.figures()) == 10
    assert all(figure["aria-label"] and figure["aria-describedby"] for figure in figures)
    captions = page.text("figcaption")
    assert len(captions) == 10
    assert min(map(len, captions)) > 150
    assert not any("{" in caption for caption in captions)
    assert all(attributes.get("scope") for attributes in page.all("th"))


def test_html_escapes_names(page):
    assert page.text("code") == [HOSTILE]
    assert page.text("title") == [f"Grokscope report: {HOSTILE}"]
    assert not any("alert(1)" in script for script in page.scripts())
    assert page.all("b") == []
    assert any("50\N{NO-BREAK SPACE}% <b>." in text for text in page.text("li"))


def test_html_figures_hold_the_reports_numbers(planted, page):
    figures = page.figures()
    bars = {trace["name"]: trace["y"] for trace in figures["plot-accuracy"][0]}
    assert bars["whole network"] == list(planted.accuracy.to_dict().values())
    assert bars["without memorizing"] == list(planted.removals["memorizing"].after.to_dict().values())
    assert bars["without generalizing"] == list(planted.removals["generalizing"].after.to_dict().values())
    counts = planted.table.counts()
    histogram = {trace["name"]: sum(trace["y"]) for trace in figures["plot-ipr"][0]}
    points = {trace["name"]: len(trace["y"]) for trace in figures["plot-effect"][0]}
    for label in ("generalizing", "memorizing", "dead", "inconclusive"):
        assert points[label] == counts[label]
        assert histogram[label] == (0 if label == "dead" else counts[label])
    (line,) = figures["plot-ipr"][1]["shapes"]
    assert line["x0"] == planted.table.meta["null"]["quantile_999"]
    for i, sweep in enumerate(planted.curves):
        curve = next(trace for trace in figures[f"plot-ablation-{i}"][0] if trace["name"] == "test")
        expected = [sweep.at(fraction, "test") for fraction in curve["x"]]
        np.testing.assert_allclose(curve["y"], expected, rtol=1e-4)
    weights, layout = figures["plot-weights"]
    assert "updatemenus" not in layout
    first = next(iter(planted.portraits.values())).spectrum.vectors[0]
    np.testing.assert_allclose(weights[0]["y"], first, rtol=1e-4)
    training = {trace["name"]: trace["y"] for trace in figures["plot-training"][0]}
    assert training["test"] == [0, 0.5, 1]


def test_html_leaves_out_what_there_is_not(unheld):
    assert unheld.history == []
    page = Page(reports.to_html(unheld))
    assert [a["id"] for a in page.all("section")] == [name for name in SECTIONS if name != "training"]
    assert any("No example was held out" in text for text in page.text("li"))
    assert "show memory separately" in " ".join(page.text("figcaption"))
    assert "memorizing neurons, against" not in " ".join(page.text("summary"))


def test_every_form_survives_that_nothing_is_known(unknown, tmp_path):
    page = Page(reports.to_html(unknown))
    assert [attributes["id"] for attributes in page.all("section")] == SECTIONS
    assert "Whether it generalises cannot be told" in page.text("p")
    text = reports.to_markdown(unknown)
    assert cells(text, "Accuracy")["test"] == ["–"] * 3
    assert cells(text, "Without the 1 memorizing neurons")["test"] == ["–"] * 5
    for shown in (text, printed(unknown), " ".join(text for tag, text in page.texts if tag in ("td", "p"))):
        assert "None" not in shown
        assert not re.search(r"\bnan\b", shown, re.IGNORECASE)
    found = json.loads(reports.save(unknown, tmp_path / "r.json").read_text())
    assert found["agreement"] == {"auc": None, "low": None, "high": None}
    assert found["accuracy"] == dict.fromkeys(SPLITS)


def test_console_fits_80_columns_and_shows_the_numbers(planted):
    text = printed(planted)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert HOSTILE in text
    for split in SPLITS:
        (line,) = [
            line for line in text.splitlines() if line.strip().startswith(split.replace("_", " ") + "  ")
        ]
        states = (
            planted.accuracy,
            planted.removals["memorizing"].after,
            planted.removals["generalizing"].after,
        )
        assert re.findall(r"[\d.]+ %|–", line) == [percent(state[split]) for state in states]
    flat = " ".join(text.split())
    assert all(sentence in flat for sentence in planted.verdict)
    assert "Warning: Beware of 50 % <b>." in flat
    assert "\x1b[33mWarning: " in printed(planted, force_terminal=True, color_system="standard")


def test_frequencies_in_words(planted):
    words = {(): "none", (4,): "4", (1, 2): "1, 2", (1, 2, 3, 7, 9, 10, 11): "1 to 3, 7, 9 to 11"}
    for frequencies, expected in words.items():
        sentence = parts_sentence(replace(planted, key_frequencies=frequencies))
        assert sentence == f"Key frequencies: {expected}."


def test_a_new_label_and_a_new_split_are_in_every_form(planted, monkeypatch):
    monkeypatch.setitem(LABELS, "lazy", replace(LABELS["dead"], colour="#123456", meaning="Does little."))
    monkeypatch.setitem(
        SPLITS, "even", replace(SPLITS["test"], title="even sums", meaning="Sums that are even.")
    )
    removals = {
        label: replace(
            removal,
            before=removal.before.changed(even=0.25),
            after=removal.after.changed(even=0.125),
            random={**removal.random, "even": None},
        )
        for label, removal in {**planted.removals, "lazy": planted.removals["dead"]}.items()
    }
    report = replace(planted, accuracy=planted.accuracy.changed(even=0.25), removals=removals)
    text, html, console = reports.to_markdown(report), reports.to_html(report), printed(report)
    assert cells(text, "Accuracy")["even sums"] == ["25.0 %", "12.5 %", "12.5 %", "–"]
    assert "even sums" in console
    for shown in (html, report._repr_html_()):
        assert "even sums" in shown
        assert 'border-left-color:#123456"><strong>0</strong> lazy' in shown
    for shown in (text, html):
        assert "Does little." in shown
        assert "Sums that are even." in shown
    assert report.to_dict()["without_lazy"] == planted.removals["dead"].to_dict() | {
        "accuracy": removals["lazy"].after.to_dict(),
        "random_accuracy": {**planted.removals["dead"].to_dict()["random_accuracy"], "even": None},
    }


def test_importing_the_package_does_not_import_plotly():
    code = "import sys, interp.report; sys.exit('plotly' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_markdown_makes_no_mention_link_number_or_formula_of_a_name(planted):
    name = "@someone fixes #12 at https://example.org www.example.org $x$ ~~y~~ _z_ a|b <img> `c` [d](e)"
    text = reports.to_markdown(replace(planted, checkpoint=name)).replace("&#8203;", "\u200b")
    (line,) = [one for one in text.splitlines() if one.startswith("Checkpoint: ")]
    assert not re.search(r"@\w|#\d|://|(?<!\\)[|<`$~\[]|www\.|(?<!\\)_z", line.replace(":\u200b//", ""))
    assert "@\u200bsomeone" in line

"""How a file was read, how the network computes and how it developed: in every form of the report, or not at all."""

from __future__ import annotations

import io
import json
import re
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from interp import report as reports
from interp.analysis.circuit import Circuit
from interp.analysis.trajectory import Trajectory, record_of, trajectory_of
from interp.audit import audit
from interp.checkpoints import Checkpoint
from interp.data import ModularTask
from interp.models import MLPConfig, Prompt, SmallTransformer, TransformerConfig, analytic_mlp
from interp.report.tables import (
    circuit_rows,
    stage_sentences,
    stored_sentence,
    trajectory_rows,
    trajectory_table,
)
from interp.report.wording import in_words, model_sentence, task_sentence
from interp.results import AuditReport
from interp.scoring.table import NeuronTable
from interp.training import TrainConfig, train
from probes.stages import Boundary, Stage

UNKNOWN_SPLIT = ModularTask("add", p=11, train_fraction=1.0, split="unknown")
NOTES = ("assumed, as nothing says otherwise: <relu>", "read as nanda: relu (95.0 % right) by measurement")
STAGES = (
    Stage("memorisation", Boundary(None, 0), Boundary(0, 100), "Half of them {are} right."),
    Stage("clean-up", Boundary(0, 100), Boundary(200, None), "Not over yet."),
)
TITLES = {"reading": "How it was read", "computing": "How it computes", "trajectory": "Over training"}


def transformer(p: int) -> SmallTransformer:
    config = TransformerConfig(d_model=16, n_heads=2, d_head=8, d_mlp=24)
    return SmallTransformer(config, p + 1, p, Prompt.parse("a b =", p=p))


@pytest.fixture(scope="module")
def foreign() -> AuditReport:
    """A transformer of which nobody knows what it was trained on, with checkpoints before it."""
    model = transformer(11)
    found = audit(model, UNKNOWN_SPLIT, n_random=2)
    record = record_of(Checkpoint(model, UNKNOWN_SPLIT, "test"))
    records = tuple({**record, "step": step, "mean_score": 0.1 + step / 1000} for step in range(0, 1100, 50))
    return replace(
        found,
        dialect="nanda",
        notes=NOTES,
        stored={"train": 1.0, "test": 0.975},
        trajectory=Trajectory(records, STAGES),
    )


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    config = TrainConfig(steps=60, save_every=20)
    task = ModularTask("add", p=13, corrupt_fraction=0.3)
    train(task, MLPConfig(width=40), config, out=folder, show_progress=False)
    return folder


def printed(report: AuditReport) -> str:
    stream = io.StringIO()
    reports.print_report(report, Console(file=stream, width=80))
    return stream.getvalue()


def figures(page: str) -> dict[str, tuple[list[dict], dict]]:
    """Data and layout by id."""
    found = {}
    for match in re.finditer(r'Plotly\.newPlot\(\s*"([^"]+)",\s*', page):
        data, end = json.JSONDecoder().raw_decode(page[match.end() :])
        layout, _ = json.JSONDecoder().raw_decode(page[match.end() + end :].lstrip(" ,\n"))
        found[match[1]] = data, layout
    return found


def cells(text: str, heading: str) -> list[list[str]]:
    """Rows of the Markdown table under a heading."""
    section = text.split(f"\n## {heading}")[1].split("\n## ")[0]
    rows = [re.split(r"(?<!\\) ?\| ?", line)[1:-1] for line in section.splitlines() if line.startswith("|")]
    return [rows[0], *rows[2:]]


def test_every_form_shows_what_is_new(foreign: AuditReport) -> None:
    page, text, console = reports.to_html(foreign), reports.to_markdown(foreign), printed(foreign)
    for name, title in TITLES.items():
        assert f'<section id="{name}"' in page
        assert f"## {title}" in text
        assert title in console
    flat = " ".join(console.split())
    for sentence in (*NOTES, *stage_sentences(foreign)):
        assert sentence in flat
    assert max(map(len, console.splitlines())) <= 80
    assert "&lt;relu&gt;" in page
    assert "<relu>" not in page
    assert "nanda" in page.split('id="reading"')[1].split("</section>")[0]
    for shown in (page.split("</script>")[-1], text, console):
        assert "None" not in shown
        assert not re.search(r"\bnan\b", shown)


def test_what_there_is_not_is_not_shown(foreign: AuditReport) -> None:
    bare = replace(foreign, notes=(), circuit=None, trajectory=None, stored={})
    page, text, console = reports.to_html(bare), reports.to_markdown(bare), printed(bare)
    for name, title in TITLES.items():
        assert f'id="{name}"' not in page
        assert title not in text
        assert title not in console
    assert list(circuit_rows(bare)) == trajectory_table(bare).rows == stage_sentences(bare) == []
    assert stored_sentence(bare) == "–"


def test_circuit_rows_hold_the_numbers(foreign: AuditReport) -> None:
    found = replace(
        foreign.circuit,
        embedding_frequencies=(1, 2, 3),
        logit_frequencies=(2, 5),
        neuron_frequencies={2: 7, 5: 4},
        clustered=11,
        clustered_with_harmonics=15,
        restricted_loss=0.1234,
        excluded_loss=3.456,
        embedding_gini=0.51,
        logit_gini=0.62,
        logit_variance_explained=0.873,
        gradient_symmetricity=0.99,
        distance_irrelevance=0.2,
        by_rule=1.0,
    )
    report = replace(foreign, circuit=found)
    rows = {row[0]: row[1:] for row in cells(reports.to_markdown(report), "How it computes")}
    values = {name: value for name, (value, _) in rows.items()}
    assert values == {
        "what": "value",
        "algorithm": "Pizza",
        "key frequencies of the logits": "2, 5",
        "logits explained by them": "87.3 %",
        "key frequencies of the inputs": "1 to 3",
        "neurons at one frequency": "11 of 24",
        "neurons with its harmonics": "15 of 24",
        "restricted loss": "0.123",
        "excluded loss": "3.46",
        "Gini coefficient of the inputs": "0.51",
        "Gini coefficient of the logits": "0.62",
        "gradient symmetricity": "0.99",
        "distance irrelevance": "0.2",
    }
    assert "guessing gives 2.40" in rows["restricted loss"][1]
    assert "on all pairs" in rows["excluded loss"][1]
    bars = figures(reports.to_html(report))["plot-clusters"][0]
    assert {(bar["name"], *bar["x"], *bar["y"]) for bar in bars} == {
        ("key frequency of the logits", 2, 5, 7, 4)
    }
    assert all(value in printed(report) for value in ("Pizza", "87.3 %", "11 of 24"))


def test_a_circuit_of_which_little_is_known_shows_dashes(foreign: AuditReport) -> None:
    nan = float("nan")
    found = Circuit(None, (), {}, 0, 0, nan, nan, None, nan, nan, None, nan)
    rows = {row[0]: row[1] for row in circuit_rows(replace(foreign, circuit=found))}
    assert rows["algorithm"] == "Clock or Pizza: not decided"
    assert rows["key frequencies of the logits"] == "none"
    assert rows["neurons at one frequency"] == "0 of 24"
    known = {"algorithm", "key frequencies of the logits", "neurons at one frequency"}
    others = set(rows) - known - {"neurons with its harmonics"}
    assert {rows[name] for name in others} == {"–"}
    reports.to_html(replace(foreign, circuit=found))
    known = {"gradient_symmetricity": 0.99, "distance_irrelevance": 0.9}
    disagreeing = replace(found, **known)
    assert next(circuit_rows(replace(foreign, circuit=disagreeing)))[2] == "the last two rows disagree"


def test_the_table_over_training_holds_the_records(foreign: AuditReport) -> None:
    header, *rows = cells(reports.to_markdown(foreign), "Over training")
    records = foreign.trajectory.records
    assert header[:3] == ["step", "all", "periodicity"]
    assert not {"train", "test", "corrupted"} & set(header)
    assert [row[0] for row in rows] == [str(record["step"]) for record in records]
    for row, record in zip(rows, records, strict=True):
        values = dict(zip(header, row, strict=True))
        assert values["all"] == f"{100 * record['accuracy']['all']:.1f} %"
        assert float(values["periodicity"]) == pytest.approx(record["mean_score"], rel=1e-2)
        assert float(values["restricted loss"]) == pytest.approx(record["restricted_loss"], rel=1e-2)
        assert int(values["generalizing"]) == record["counts"]["generalizing"]
    shown = [row[0] for row in trajectory_rows(records, ["step"], 8)]
    assert len(shown) == 8
    assert (shown[0], shown[-1]) == ("0", "1050")
    (stages, *_), layout = figures(reports.to_html(foreign))["plot-trajectory"]
    assert stages["name"] == "clean-up"
    assert [shape["name"] for shape in layout["shapes"]] == ["memorisation", "clean-up"]


def test_stages_are_told_with_their_steps(foreign: AuditReport) -> None:
    assert stage_sentences(foreign) == [
        "Memorisation, over between step 0 and 100: Half of them {are} right.",
        "Clean-up, not over at step 200: Not over yet.",
    ]
    early = Stage("memorisation", Boundary(None, 5), Boundary(None, 5), "So it is.")
    records = foreign.trajectory.records
    for stages, expected in (
        ((early,), "Memorisation, over by step 5: So it is."),
        ((), "No stage of learning is seen between the first and the last checkpoint."),
    ):
        assert stage_sentences(replace(foreign, trajectory=Trajectory(records, stages))) == [expected]


def test_stages_say_that_leaked_examples_do_not_count(foreign: AuditReport) -> None:
    leaked = [{**record, "test_without_leakage": 0.5} for record in foreign.trajectory.records]
    sentences = stage_sentences(replace(foreign, trajectory=Trajectory(tuple(leaked), STAGES)))
    assert sentences[:-1] == stage_sentences(foreign)
    assert "not counted" in sentences[-1]


def test_a_real_series_is_shown_with_its_stages(series: Path) -> None:
    report = audit(series, n_random=2)
    alone = trajectory_of(series)
    assert alone is not None
    assert report.trajectory.to_dict() == alone.to_dict()
    header, *rows = cells(reports.to_markdown(report), "Over training")
    assert [row[0] for row in rows] == ["0", "20", "40", "60"]
    assert header[:5] == ["step", "train", "test", "corrupted", "periodicity"]
    assert rows[-1][1] == f"{100 * report.accuracy.train:.1f} %"
    assert max(map(len, printed(report).splitlines())) <= 80


def test_stored_accuracies_stand_beside_the_measured_ones(foreign: AuditReport) -> None:
    assert stored_sentence(foreign) == "train 100.0 % (measured: –), test 97.5 % (measured: –)"
    known = replace(foreign, accuracy=foreign.accuracy.changed(test=0.5))
    row = next(r for r in cells(reports.to_markdown(known), "Provenance") if r[0].startswith("accuracy that"))
    assert row[1].endswith("test 97.5 % (measured: 50.0 %)")


def test_transformers_show_their_activations(foreign: AuditReport) -> None:
    found = figures(reports.to_html(foreign))
    heat, spots = found["plot-activations"][0][:2]
    first = next(iter(foreign.portraits.values()))
    shown = np.frombuffer(b64decode(heat["z"]["bdata"]), np.float32).reshape(11, 11)
    np.testing.assert_allclose(shown, first.grid, rtol=1e-6)
    assert spots["type"] == "scatter"
    assert {trace["name"] for trace in found["plot-weights"][0]} == {"output weights"}
    title = found["plot-ipr"][1]["xaxis"]["title"]["text"]
    assert title.startswith("share of the activations' variance at one frequency")
    assert foreign.table.strongest_header()[2] == "share at one frequency"
    shares = foreign.table["activation_share"]
    row = next(foreign.table.strongest(24))
    assert float(row[2]) == pytest.approx(shares[int(row[0])], rel=1e-2)
    captions = re.findall(r"<figcaption[^>]*>(.*?)</figcaption>", reports.to_html(foreign), re.S)
    assert len(captions) == len(found)
    assert "on the left and right of the" not in " ".join(captions)


def test_nothing_known_of_periodicity_is_said_in_a_sentence(foreign: AuditReport) -> None:
    table, nans = foreign.table, np.full(len(foreign.table), np.nan)
    columns = {**table.columns, "ipr": nans, "activation_share": nans, "frequency": np.zeros(len(table), int)}
    meta = {**table.meta, "order": "rule_effect", "null": {"source": None, "vector_lengths": []}}
    report = replace(foreign, table=NeuronTable(columns, table.site_name, meta), portraits={}, circuit=None)
    page, text = reports.to_html(report), reports.to_markdown(report)
    assert not {"plot-ipr", "plot-effect", "plot-weights", "plot-activations"} & set(figures(page))
    assert page.count("nothing says in which order a solution would be periodic") == 2
    assert "no neuron has weights or activations" in page
    assert report.table.strongest_header()[2] == "IPR"
    assert {row[2:4] for row in report.table.strongest(24)} == {("–", "–")}
    null = next(row for row in cells(text, "Provenance") if row[0] == "null distribution")
    assert null[1] == "source –, vector_lengths –"


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (
            {"operation": "add", "p": 97, "train_fraction": 0.5, "corrupt_fraction": 0.35, "examples": 9409},
            "add modulo 97, 50.0 % of 9409 examples trained on, 35.0 % of those corrupted",
        ),
        (
            {"operation": "add", "p": 97, "train_fraction": 0.5, "corrupt_fraction": 0.0, "examples": 9409},
            "add modulo 97, 50.0 % of 9409 examples trained on, none of those corrupted",
        ),
        (
            {"operation": "add", "p": 113, "train_fraction": None, "split_known": False, "examples": 12769},
            "add modulo 113, 12769 examples, not known which of them it was trained on",
        ),
        (
            {"operation": None, "p": None, "train_fraction": 0.8, "corrupt_fraction": 0.0, "examples": 60},
            "a custom task, 80.0 % of 60 examples trained on, none of those corrupted",
        ),
        ({}, "a custom task, not known which examples it was trained on"),
    ],
)
def test_tasks_in_words(foreign: AuditReport, task: dict, expected: str) -> None:
    assert task_sentence(replace(foreign, task=task)) == expected


@pytest.mark.parametrize(
    ("model", "site", "expected"),
    [
        (
            {"kind": "mlp", "depth": 2, "width": 200, "activation": "square", "norm": "none"},
            "blocks.0.mlp.hook_post",
            "MLP of 2 layers of weights with 200 neurons, square activation",
        ),
        (
            {"kind": "mlp", "depth": 3, "width": 9, "activation": "relu", "norm": "batch"},
            "blocks.1.mlp.hook_post",
            "MLP of 3 layers of weights with 9 neurons, relu activation, batch norm",
        ),
        (
            {
                "kind": "transformer",
                "n_layers": 1,
                "d_model": 128,
                "n_heads": 4,
                "d_mlp": 512,
                "attn_coeff": 1.0,
                "norm": "none",
                "prompt": "a b 113",
                "activation": "relu",
                "width": 512,
                "causal": True,
            },
            "blocks.0.mlp.hook_post",
            "causal transformer of 1 layer with 4 heads and 512 neurons each, 128 wide, reads “a b 113”, no norm, "
            "relu activation",
        ),
        (
            {
                "kind": "transformer",
                "n_layers": 2,
                "d_model": 64,
                "n_heads": 2,
                "d_mlp": 256,
                "attn_coeff": 0.25,
                "norm": "layer",
                "prompt": "a b",
                "activation": "gelu",
                "width": 2,
            },
            "blocks.1.attn.hook_z",
            "transformer of 2 layers with 2 heads and 256 neurons each, 64 wide, reads “a b”, attention coefficient "
            "0.25, layer norm, gelu activation; scored at blocks.1.attn.hook_z",
        ),
        (
            {"kind": "adopted", "module": "Net", "sites": ["mlp.2:input"], "width": 64, "activation": None},
            "mlp.2:input",
            "Net of its author's code with 64 neurons at mlp.2:input",
        ),
        ({"kind": "Odd", "width": 30, "activation": None}, "x", "Odd with 30 neurons"),
        ({}, "x", "network"),
    ],
)
def test_networks_in_words(foreign: AuditReport, model: dict, site: str, expected: str) -> None:
    table = foreign.table
    report = replace(foreign, model=model, table=NeuronTable(table.columns, site, table.meta))
    assert model_sentence(report) == expected


def test_sentences_come_from_real_networks(foreign: AuditReport) -> None:
    assert model_sentence(foreign) == (
        "transformer of 1 layer with 2 heads and 24 neurons each, 16 wide, reads “a b 11”, no norm, relu activation"
    )
    report = audit(analytic_mlp("add", p=13, width=30), ModularTask("add", p=13), n_random=2)
    assert model_sentence(report) == "MLP of 2 layers of weights with 30 neurons, square activation"
    assert in_words([]) == "none"

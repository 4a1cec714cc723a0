"""The changes that people make are short: each is made here in its one place, and found everywhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plotly.graph_objects import Figure
from typer.testing import CliRunner

import interp
from interp.checkpoints import dialects, save_checkpoint
from interp.cli import app
from interp.data import ModularTask
from interp.data.splits import SPLITS, Split
from interp.models import analytic_mlp, planted_mlp
from interp.modes import MODES, Mode, Scale
from interp.scoring import periodicity
from probes.columns import COLUMNS, Column
from probes.labels import LABELS, Label

ROOT = Path(__file__).parents[1]
TASK = ModularTask("add", p=13, train_fraction=0.7, corrupt_fraction=0.3, seed=1)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with neurons of every kind, on disk."""
    model = planted_mlp(TASK, generalizing=20, memorizing=20, dead=3).model
    return save_checkpoint(tmp_path_factory.mktemp("changes") / "net.safetensors", model, TASK)


def guide_table(name: str) -> str:
    """A table of the guide, as its script writes it now."""
    spec = spec_from_file_location("guide_tables", ROOT / "notebooks" / "guide" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.filled(f"<!-- table: {name} -->\n<!-- end -->"))


def stored(checkpoint: Path, out: Path, measure: str = "labels") -> Any:
    """The store of a job that measured the checkpoint."""
    return interp.batch(checkpoint, out, measure=measure, workers=1, outliers=0, n_random=2).store


def page(checkpoint: Path, tmp_path: Path) -> str:
    """The report's page."""
    return interp.audit(checkpoint, n_random=2).save(tmp_path / "report.html").read_text()


def explorer_page(subject: Any) -> str:
    """All panels of the explorer's page, as the JSON that the browser gets."""
    from dash._utils import to_json

    from interp.explorer import editing, page
    from interp.explorer.session import Session

    session = Session(subject)
    return str(to_json([page.first(session, ""), editing.panel(session), page._rest(session, None)]))


def run(*words: str) -> str:
    """The output of a command."""
    result = CliRunner().invoke(app, list(words), env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert result.exit_code == 0, result.output
    return result.output


def run_after(change: str, *words: str) -> str:
    """The output of a command in a process of its own, in which a line of Python was run first."""
    code = f"{change}; from interp.cli import app; app()"
    environment = os.environ | {"COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=ROOT, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_score_is_added_where_it_is_computed_and_in_the_columns(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = periodicity.weight_features

    def with_spread(vectors: Any, *settings: Any) -> dict[str, np.ndarray]:
        columns = compute(vectors, *settings)
        return columns | {"spread": np.arange(len(columns["norm"])) / 7}

    monkeypatch.setattr(periodicity, "weight_features", with_spread)
    monkeypatch.setitem(COLUMNS, "spread", Column("weight spread", "parsec", "Width of the weights."))
    table = interp.open_subject(checkpoint).table
    assert table["spread"][7] == 1
    neurons = stored(checkpoint, tmp_path / "store").neurons.to_table()
    assert neurons["spread"].to_pylist()[14] == 2
    report = page(checkpoint, tmp_path)
    assert "weight spread" in report
    assert "Width of the weights." in report
    assert "parsec" in explorer_page(interp.open_subject(checkpoint))
    assert "weight spread" in run("score", str(checkpoint), "--sort", "spread")
    assert "Width of the weights." in guide_table("columns")


def test_importance_is_in_every_table_for_being_said_in_the_columns(checkpoint: Path, tmp_path: Path) -> None:
    """Fisher information, memory aware synapses and drift, none of which a presenter names."""
    names = ("fisher", "mas", "drift")
    titles = [COLUMNS[name].title for name in names]
    subject = interp.open_subject(checkpoint, since=interp.load_checkpoint(checkpoint))
    assert set(names) < set(subject.table)
    assert (subject.table["drift"] == 0).all()
    settings = {"measure": "labels", "since": checkpoint, "workers": 1, "outliers": 0}
    kept = interp.batch(checkpoint, tmp_path / "store", **settings).store.neurons.to_table().select(names)
    np.testing.assert_allclose(kept["mas"].to_numpy(), subject.table["mas"], rtol=1e-6)
    assert not kept["drift"].to_numpy().any()
    report, explored = (
        interp.audit(subject, n_random=2).save(tmp_path / "report.html"),
        explorer_page(subject),
    )
    printed = run("score", str(checkpoint), "--sort", "drift", "--since", str(checkpoint))
    assert "Drift is since" in printed
    assert "drift" in printed
    guide = guide_table("columns")
    for title in titles:
        assert title in report.read_text()
        assert title in explored
        assert title in guide
    assert "Drift is since" in report.read_text()
    curve = interp.curve(subject, order="fisher", descending=True, n_random=0)
    assert curve.accuracy["all"][-1] < curve.accuracy["all"][0]
    assert "fisher" in curve.order


@pytest.fixture
def put_first() -> Iterator[Callable[[str, Label], None]]:
    """A function that adds a label before all others for the time of a test."""
    before = dict(LABELS)

    def put(name: str, label: Label) -> None:
        LABELS.clear()
        LABELS.update({name: label, **before})

    yield put
    LABELS.clear()
    LABELS.update(before)


def test_a_label_is_added_in_one_place(
    checkpoint: Path, tmp_path: Path, put_first: Callable[[str, Label], None]
) -> None:
    """One that takes every third neuron that would be inconclusive or dead, whatever the numbers say."""
    third = Label(
        "count in threes", "#123456", "star", "Its number is a multiple of three.",
        lambda judged: (np.arange(len(judged.dead)) % 3 == 0) & ~judged.serves_rule & ~judged.serves_memory,
        lambda judged, i: f"{i} is a multiple of three",
    )  # fmt: skip
    put_first("third", third)
    subject = interp.open_subject(checkpoint)
    count = subject.table.counts()["third"]
    assert count == (subject.table["label"] == "third").sum() > 0
    figure = subject.table.plot()
    assert "third" in [trace.name.split(" ")[0] for trace in figure.data]
    assert "#123456" in figure.to_json()
    report = interp.audit(subject, n_random=2)
    assert report.to_dict()["neurons"]["third"] == count
    assert report.to_dict()["without_third"]["removed"] == count
    assert "Its number is a multiple of three." in report.save(tmp_path / "report.html").read_text()
    assert f"{count} count in threes" in " ".join(run("audit", str(checkpoint), "--random", "2").split())
    row = stored(checkpoint, tmp_path / "store").checkpoints
    assert row["third"].to_pylist() == [count]
    assert "third" in explorer_page(interp.open_subject(checkpoint))
    change = "from probes.labels import LABELS; LABELS['third'] = LABELS['dead']"
    assert "label:" in (help_text := run_after(change, "ablate", "--help"))
    assert "third" in help_text
    assert interp.remove(subject, neurons="label:third", n_random=2).removed == count
    assert "Its number is a multiple of three." in guide_table("labels")


def test_a_split_is_added_in_one_place(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = Split(("corrupted", "test"), False, "without memory", "#654321", "Where memory is of no use.")
    monkeypatch.setitem(SPLITS, "useless", odd)
    subject = interp.open_subject(checkpoint)
    data = subject.data
    inside = data.corrupted | data.test
    right = subject.cached.logits.argmax(1) == data.true_labels
    assert subject.accuracy.useless == pytest.approx(right[inside].double().mean().item())
    assert "effect_useless" in subject.table
    curve = interp.curve(subject, n_random=2)
    assert curve.accuracy["useless"][0] == pytest.approx(subject.accuracy["useless"])
    assert "#654321" in curve.plot().to_json()
    report = interp.audit(subject, n_random=2)
    assert report.to_dict()["accuracy"]["useless"] == subject.accuracy.useless
    assert "without memory" in report.save(tmp_path / "report.html").read_text()
    assert "without memory" in run("audit", str(checkpoint), "--random", "2")
    store = stored(checkpoint, tmp_path / "store")
    assert store.checkpoints["accuracy_useless"].to_pylist() == [subject.accuracy.useless]
    assert "effect_useless" in store.neurons.schema.names
    assert "without memory" in explorer_page(interp.open_subject(checkpoint))
    assert "Where memory is of no use." in guide_table("splits")


def test_a_mode_is_added_in_one_place(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    negate = Mode("turned round", "negate the neurons", lambda activations, factor, seed: Scale(-1.0))
    monkeypatch.setitem(MODES, "negate", negate)
    subject = interp.open_subject(checkpoint)
    inputs = subject.data.inputs
    with torch.no_grad(), interp.ablate(subject.model, [0, 1], "negate"):
        hooked = subject.model(inputs)
    with torch.no_grad(), interp.rescale(subject.model, [0, 1], -1):
        expected = subject.model(inputs)
    torch.testing.assert_close(hooked, expected)
    saved = tmp_path / "edited.safetensors"
    printed = run(
        "ablate", str(checkpoint), "--mode", "negate", "--neurons", "highest:0.1", "--save", str(saved)
    )
    assert "negate" in printed
    change = "from interp.modes import MODES; MODES['negate'] = MODES['zero']"
    assert "negate" in run_after(change, "ablate", "--help")
    again = interp.load_checkpoint(saved).model
    neurons = [name for name, change in enumerate(_changed(subject.model, again)) if change]
    assert len(neurons) == round(0.1 * subject.width)
    assert "turned round" in explorer_page(interp.open_subject(checkpoint))
    assert "negate the neurons" in guide_table("modes")


def _changed(before: torch.nn.Module, after: torch.nn.Module) -> list[bool]:
    """For each neuron, if its output weights differ."""
    pair = (model.unembed.weight.detach() for model in (before, after))
    first, second = pair
    return (first != second).any(1).tolist()


def test_a_dialect_is_added_as_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (ROOT / "interp" / "checkpoints" / "dialects" / "he.py").read_text()
    source = (
        source.replace("mlp.W_in", "LOUD.IN").replace("mlp.W_out", "LOUD.OUT").replace('"he"', '"shouting"')
    )
    folder = tmp_path / "dialects"
    folder.mkdir()
    (folder / "shouting.py").write_text(source)
    left = analytic_mlp("add", p=13, width=80).embed.W_E.detach()[0].T.contiguous()
    torch.save({"LOUD.IN": left, "LOUD.OUT": torch.randn(13, 80)}, tmp_path / "net_quad.pt")
    change = f"from interp.checkpoints import dialects; dialects.__path__.append({str(folder)!r})"
    assert "shouting" in run_after(change, "dialects")
    assert "(shouting)" in run_after(change, "audit", str(tmp_path / "net_quad.pt"), "--random", "1")
    monkeypatch.setattr(dialects, "__path__", [*dialects.__path__, str(folder)])
    assert "shouting" in guide_table("dialects")


STUDY = '''
from __future__ import annotations
from dataclasses import dataclass
from interp.lab.study import Record, Study
from plotly.graph_objects import Figure

@dataclass(frozen=True)
class Config:
    """Settings.

    Args:
        loudness: Of the shouts.
    """

    loudness: float = 2.0

def measure(config, seed, report):
    report(1)
    return Record({"echo": config.loudness + seed}, {})

def judge(result):
    return [f"The echo is {result.over('echo').mean:g}."]

def draw(result):
    return Figure(layout={"title": {"text": "shouts"}})

STUDY = Study(
    name="shouting", title="Shouting at neurons", about="Who hears it?", config=Config, measure=measure,
    units=lambda config: 1, quantities={"echo": "the echo"}, judge=judge, draw=draw,
)
'''


def test_a_study_is_added_as_one_folder(tmp_path: Path) -> None:
    folder = tmp_path / "lab" / "shouting"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text('"""Shouting at neurons: who hears it."""\n')
    (folder / "study.py").write_text(STUDY)
    change = f"from interp import lab; lab.__path__.append({str(folder.parent)!r})"
    assert "Shouting at neurons" in run_after(change, "study", "--help")
    assert "--loudness" in run_after(change, "study", "shouting", "--help")
    out = tmp_path / "result.json"
    words = ("study", "shouting", "--seeds", "2", "--workers", "1", "--loudness", "3", "--json", str(out))
    words += ("--html", str(out.with_suffix(".html")))
    assert "The echo is 3.5." in run_after(change, *words)
    written = json.loads(out.read_text())
    assert written["numbers"]["echo"]["mean"] == 3.5
    assert written["settings"] == {"loudness": 3.0}
    assert "Shouting at neurons" in out.with_suffix(".html").read_text()


def test_a_figure_of_the_report_is_added_where_it_is_drawn_and_in_the_sections(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from interp.report import documents, sections
    from interp.report.parts import Chart, Section

    def draw() -> Figure:
        return Figure(layout={"title": {"text": "a new figure"}})

    before = sections.sections

    def more(report: Any) -> Any:
        yield from before(report)
        yield Section("new", "Something new", [Chart("new", "New", draw, "It is new.")])

    monkeypatch.setattr(sections, "sections", more)
    monkeypatch.setattr(documents, "sections", more)
    text = page(checkpoint, tmp_path)
    assert "Something new" in text
    assert "It is new." in text

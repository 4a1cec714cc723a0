"""Neurons over real training runs against tables of single checkpoints, and figures against what they were given."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
from sampled import make_dynamics
from torch import nn

from interp import subject as subjects
from interp.analysis import trajectory
from interp.analysis.dynamics import NUMBERS, Dynamics, _components, dynamics_of
from interp.analysis.trajectory import record_of, trajectory_of
from interp.checkpoints import Checkpoint
from interp.checkpoints.open import load_checkpoint
from interp.data import ModularTask, TableTask
from interp.data.operations import steps_of
from interp.errors import CheckpointError, ConfigError, HookNameError
from interp.models import HookedMLP, MLPConfig, SmallTransformer, TransformerConfig, adopt, analytic_mlp
from interp.plots import dynamics as figures
from interp.subject import Subject, score, score_neurons
from interp.training import TrainConfig, train

P = 23
TASK = ModularTask("add", p=P, train_fraction=0.5)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    config = TrainConfig(steps=480, weight_decay=1.0, save_every=60)
    train(TASK, MLPConfig(width=100), config, out=folder, show_progress=False)
    return folder


@pytest.fixture(scope="module")
def found(run: Path) -> Dynamics:
    return dynamics_of(run)


@pytest.fixture(scope="module")
def tables(run: Path, found: Dynamics) -> list[pandas.DataFrame]:
    """The table of each checkpoint, scored on its own."""
    scored = (load_checkpoint(run / record["file"]) for record in found.records)
    return [score(one.model, one.task).to_pandas() for one in scored]


def test_each_column_is_that_of_the_checkpoints_own_table(found: Dynamics, tables) -> None:
    assert found.steps.tolist() == list(range(0, 481, 60))
    for i, table in enumerate(tables):
        assert found.columns["label"][i].tolist() == table["label"].tolist()
        assert found.columns["frequency"][i].tolist() == table["frequency"].tolist()
        for name in NUMBERS:
            np.testing.assert_allclose(found.columns[name][i], table[name], rtol=1e-9, err_msg=name)


def test_development_and_alignment_are_read_from_those_tables(found: Dynamics, tables) -> None:
    at_end = (tables[-1]["q_value"] <= 0.01) & (tables[-1]["frequency_share"] >= 0.5)
    assert 10 < at_end.sum() < 100
    assert found.development.periodic_at_end.tolist() == at_end.tolist()
    for neuron in range(100):
        held = [t["q_value"][neuron] <= 0.01 and t["frequency_share"][neuron] >= 0.5 for t in tables]
        before = found.development.became_periodic_before[neuron]
        after = found.development.became_periodic_after[neuron]
        if np.isnan(after):
            assert not held[-1]
        else:
            assert all(held[int(after) // 60 :])
            assert np.isnan(before) or not held[int(before) // 60]
    residual = tables[-1]["phase_residual"][at_end]
    resultant = np.hypot(np.cos(residual).mean(), np.sin(residual).mean())
    assert found.alignment.resultant[-1] == pytest.approx(resultant)
    assert resultant > 0.9
    assert abs(found.alignment.direction[-1]) < 0.1
    assert found.alignment.p_value[-1] < 1e-6
    assert found.alignment.n.tolist() == found.development.periodic.sum(1).tolist()


def test_the_run_as_a_whole_is_its_trajectory(run: Path, found: Dynamics) -> None:
    whole = trajectory_of(run)
    assert whole is not None
    assert found.records == whole.records
    assert found.stages == whole.stages
    assert next(stage.name for stage in found.stages) == "memorisation"


def test_waves_are_those_of_the_weights(run: Path, found: Dynamics) -> None:
    model = load_checkpoint(run / found.records[-1]["file"]).model
    left, right = (table.detach().double().numpy().T for table in model.embed.W_E)
    output = model.unembed.weight.detach().double().numpy()
    output = output if len(output) == 100 else output.T
    assert found.components is not None
    amplitude, residual = found.components
    assert amplitude.shape == residual.shape == (9, 100, P // 2)
    for neuron in (0, 41):
        for k in (1, 7, 11):
            turn = np.exp(-2j * np.pi * k * np.arange(P) / P)
            parts = [(vector[neuron] * turn).sum() * 2 / P for vector in (left, right, output)]
            size = np.sqrt(sum(abs(part) ** 2 for part in parts) / 3)
            assert amplitude[-1, neuron, k - 1] == pytest.approx(size, rel=1e-4)
            angle = np.angle(parts[0] * parts[1] / parts[2])
            assert residual[-1, neuron, k - 1] == pytest.approx(angle, abs=1e-3)
    main = found.columns["frequency"][-1]
    at_main = residual[-1, np.arange(100), main - 1]
    np.testing.assert_allclose(at_main, found.columns["phase_residual"][-1], atol=1e-4)


def test_only_so_many_checkpoints_are_scored_and_each_once(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = []
    monkeypatch.setattr(subjects, "score_neurons", lambda *a, **k: scored.append(1) or score_neurons(*a, **k))
    found = dynamics_of(str(run), most=3)
    assert found.steps.tolist() == [0, 240, 480]
    assert len(scored) == 3


def test_a_watcher_is_told_of_the_table_that_the_record_is_from() -> None:
    seen = []
    checkpoint = Checkpoint(analytic_mlp("add", p=13), ModularTask("add", p=13), "in memory")
    record = record_of(checkpoint, watch=seen.append)
    (subject,) = seen
    assert subject.source is checkpoint
    assert subject.hook == subject.table.site_name
    assert record["counts"] == subject.table.counts()


def test_the_table_has_one_row_a_neuron(found: Dynamics, tmp_path: Path) -> None:
    frame = found.to_pandas()
    assert frame["neuron"].tolist() == list(range(100))
    never = ~found.development.periodic_at_end
    assert frame["became_periodic_after"].isna().tolist() == never.tolist()
    known = frame["became_periodic_after"].dropna()
    assert known.tolist() == found.development.became_periodic_after[~never].tolist()
    assert str(known.dtype) == "Int64"
    for name in ("label", "ipr", "q_value"):
        assert frame[name].tolist() == found.columns[name][-1].tolist()
    for file in (found.save(tmp_path / "n.parquet"), found.save(tmp_path / "n.csv")):
        read = pandas.read_parquet(file) if file.suffix == ".parquet" else pandas.read_csv(file)
        assert list(read) == list(frame)
        np.testing.assert_array_equal(
            read["became_periodic_after"], frame["became_periodic_after"].to_numpy(float, na_value=np.nan)
        )
        assert read["label"].tolist() == frame["label"].tolist()
    with pytest.raises(ConfigError, match=r"expected a name ending in \.parquet, \.csv"):
        found.save(tmp_path / "n.xlsx")
    assert not (tmp_path / "n.xlsx").exists()


def test_json_has_everything_but_the_columns_of_each_checkpoint(found: Dynamics, tmp_path: Path) -> None:
    read = json.loads(found.save(tmp_path / "d.json").read_text())
    assert read["steps"] == found.steps.tolist()
    assert read["records"] == list(found.records)
    assert [stage["name"] for stage in read["stages"]] == [stage.name for stage in found.stages]
    assert read["alignment"]["n"] == found.alignment.n.tolist()
    assert len(read["neurons"]) == 100
    chosen = int(np.flatnonzero(found.development.periodic_at_end)[0])
    before = found.development.became_periodic_before[chosen]
    assert read["neurons"][chosen]["became_periodic_before"] == (None if np.isnan(before) else before)
    assert read["neurons"][chosen]["frequency"] == found.columns["frequency"][-1, chosen]


def test_words_for_people_say_the_same(found: Dynamics) -> None:
    said = dict(found.summary())
    n = int(found.development.periodic_at_end.sum())
    assert said["periodic at the end"] == f"{n} of 100"
    after = sorted(found.development.became_periodic_after[found.development.periodic_at_end])
    assert f"{np.median(after):g} (median" in said["periodic for good by step"]
    assert f"over {n} neurons" in said["phase alignment at the end"]
    assert repr(found) == f"Dynamics(9 checkpoints; {n} of 100 neurons periodic at the end)"


def test_the_map_shows_each_neurons_share_in_order(found: Dynamics) -> None:
    heat = found.plot().data[0]
    order = found.order()
    assert sorted(order) == list(range(100))
    became = found.development.became_periodic_after[order]
    n = int(found.development.periodic_at_end.sum())
    assert (np.diff(became[:n]) >= 0).all()
    assert np.isnan(became[n:]).all()
    np.testing.assert_allclose(
        np.array(heat.z, float), found.columns["frequency_share"][:, order].T, rtol=5e-3
    )
    assert list(heat.x) == found.steps.tolist()
    assert heat.customdata[5][3][0] == order[5]
    assert heat.customdata[5][3][1] == found.columns["frequency"][3, order[5]]
    assert "end of memorisation" in {note.text for note in found.plot().layout.annotations}


def test_large_maps_and_animations_leave_neurons_out_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "MOST_CELLS", 20)
    monkeypatch.setattr(figures, "MOST_POINTS", 20)
    dynamics = make_dynamics((0, 1), 50)
    drawn = figures.neuron_paths_map(dynamics)
    assert [row[0][0] for row in drawn.data[0].customdata][::9] == [0, 49]
    assert "10 of 50" in drawn.layout.yaxis.title.text
    moving = figures.animated_scatter(dynamics, "norm", "y")
    assert len(moving.data[0].ids) == 10
    assert "(10 of 50)" in moving.layout.title.text


def test_the_alignment_curve_shows_r_and_the_median(found: Dynamics) -> None:
    first, second, random = found.plot_alignment().data
    known = found.alignment.n > 0
    np.testing.assert_allclose(np.array(first.y, float)[known], found.alignment.resultant[known], rtol=1e-4)
    np.testing.assert_allclose(np.array(second.y, float)[known], found.alignment.median[known], rtol=1e-4)
    assert list(random.y) == [np.pi / 2] * 2
    assert first.customdata[-1][0] == found.alignment.n[-1]


@pytest.mark.parametrize("y", ["norm", "phase_residual"])
def test_the_animation_has_one_frame_a_checkpoint(found: Dynamics, y: str) -> None:
    moving = found.animate(y)
    assert [frame.name for frame in moving.frames] == [str(step) for step in found.steps]
    assert [one.args[0] for one in moving.layout.sliders[0].steps] == [(str(s),) for s in found.steps]
    for i in (0, 8):
        cloud = moving.frames[i].data[0]
        np.testing.assert_allclose(np.array(cloud.x, float), found.columns["ipr"][i], rtol=1e-3)
        np.testing.assert_allclose(np.array(cloud.y, float), found.columns[y][i], rtol=1e-3, atol=1e-9)
        generalizing = found.columns["label"][i] == "generalizing"
        assert [c == "#0072B2" for c in cloud.marker.color] == generalizing.tolist()
    assert list(moving.data[0].x) == list(moving.frames[0].data[0].x)
    assert [button.label for button in moving.layout.updatemenus[0].buttons] == ["Play", "Pause"]
    assert moving.layout.xaxis.range[0] < np.nanmin(found.columns["ipr"])


def test_the_race_is_won_by_the_neurons_own_frequency(found: Dynamics) -> None:
    neuron = int(np.flatnonzero(found.development.periodic_at_end)[0])
    frequency = int(found.development.frequency[neuron])
    drawn = {trace.name: trace for trace in found.race(neuron).data}
    assert found.components is not None
    amplitude, residual = (values[:, neuron, frequency - 1] for values in found.components)
    np.testing.assert_allclose(drawn[f"frequency {frequency}"].y, amplitude, rtol=1e-3)
    np.testing.assert_allclose(drawn[f"phases at frequency {frequency}"].y, residual, rtol=1e-3, atol=1e-6)
    named = [name for name in drawn if name.startswith("frequency ")]
    for name in named:  # the legend hides a wave together with its phases
        assert drawn[name].legendgroup == drawn[f"phases at {name}"].legendgroup == name
    others = set(drawn["other frequencies"].customdata)
    assert others | {int(name.split()[1]) for name in named} == set(range(1, P // 2 + 1))
    assert str(neuron) in found.race(neuron).layout.title.text


def test_every_figure_has_a_title_and_titled_axes(found: Dynamics) -> None:
    for figure in (found.plot(), found.plot_alignment(), found.animate(), found.race(0)):
        assert figure.layout.title.text
        assert figure.layout.xaxis.title.text or figure.layout.xaxis2.title.text
        assert figure.layout.yaxis.title.text


def test_the_page_has_all_figures_and_needs_no_network(found: Dynamics, tmp_path: Path) -> None:
    text = found.save(tmp_path / "d.html").read_text(encoding="utf-8")
    for name in ("paths", "alignment", "animation", "race"):
        assert f'id="plot-{name}"' in text
    assert "default-src 'none'" in text
    assert dict(found.summary())["periodic at the end"] in text
    assert found.stages[0].reason.split(",")[0].split("%")[-1].strip() in text


def test_what_cannot_be_drawn_is_refused(found: Dynamics) -> None:
    with pytest.raises(ConfigError, match="there is no neuron 100; expected 0 to 99"):
        found.race(100)
    with pytest.raises(ConfigError, match="there is no neuron -1"):
        found.race(-1)
    with pytest.raises(ConfigError, match="cannot animate 'ipr'; expected one of norm"):
        found.animate("ipr")


def test_one_checkpoint_or_a_wrong_place_is_refused(run: Path, tmp_path: Path) -> None:
    for file in run.glob("step-00000060*"):
        shutil.copy(file, tmp_path)
    for path in (tmp_path, next(tmp_path.glob("*.safetensors"))):
        with pytest.raises(CheckpointError, match="fewer than two checkpoints"):
            dynamics_of(path)
    with pytest.raises(CheckpointError):
        dynamics_of(tmp_path / "nothing")
    with pytest.raises(HookNameError):
        dynamics_of(run, site="blocks.7.mlp.hook_post")


def given(monkeypatch: pytest.MonkeyPatch, run: Path, checkpoints: list[Checkpoint]) -> Dynamics:
    monkeypatch.setattr(trajectory, "load_series", lambda *args, **kwargs: iter(checkpoints))
    return dynamics_of(run)


def test_checkpoints_of_unlike_networks_are_refused(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = ModularTask("add", p=7)
    unlike = [Checkpoint(HookedMLP(MLPConfig(width=w), 7), task, "test", w) for w in (10, 12)]
    with pytest.raises(CheckpointError, match="have 10 and 12 neurons"):
        given(monkeypatch, run, unlike)


def test_a_network_that_is_periodic_from_the_first_and_changes_its_frequencies(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed-form networks stand in for checkpoints: all neurons are pure waves, of known frequencies."""
    task = ModularTask("add", p=P)
    models = [analytic_mlp("add", p=P, width=60, seed=seed) for seed in (0, 0, 1)]
    found = given(monkeypatch, run, [Checkpoint(m, task, "test", 5 * i) for i, m in enumerate(models)])
    assert found.development.periodic.all()
    assert found.development.became_periodic_after.tolist() == [0] * 60
    assert np.isnan(found.development.became_periodic_before).all()
    strongest = [np.abs(np.fft.rfft(m.embed.W_E[0].detach().numpy().T))[:, 1:].argmax(1) + 1 for m in models]
    changed = strongest[0] != strongest[2]
    assert 10 < changed.sum() < 60
    assert found.development.switches.tolist() == changed.astype(int).tolist()
    assert found.development.frequency.tolist() == strongest[2].tolist()
    assert set(found.development.last_switch_before[changed]) == {5.0}
    assert set(found.development.last_switch_after[changed]) == {10.0}
    np.testing.assert_allclose(found.alignment.resultant, 1, atol=1e-6)
    np.testing.assert_allclose(found.alignment.median, 0, atol=1e-5)
    said = dict(found.summary())
    assert said["neurons that switched frequency"] == f"{changed.sum()}, the last by step 10"


def test_a_transformers_neurons_are_followed_by_their_activations(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config, task = TransformerConfig(d_model=16, n_heads=2, d_head=8, d_mlp=20), ModularTask("add", p=7)
    models = [SmallTransformer(config, 7, 7, seed=seed) for seed in (0, 1)]
    found = given(monkeypatch, run, [Checkpoint(model, task, "test", i) for i, model in enumerate(models)])
    shares = score(models[1], task)["activation_share"]
    np.testing.assert_allclose(found.columns["frequency_share"][1], shares)
    assert np.isnan(found.columns["phase_residual"]).all()
    assert found.alignment.n.tolist() == [0, 0]
    assert dict(found.summary())["phase alignment at the end"] == "no periodic neuron has phases of its own"
    assert "no periodic neuron" in found.plot_alignment().layout.annotations[0].text
    assert found.save(tmp_path / "d.html").stat().st_size > 1e6
    if found.components is not None:
        assert len(found.race(0).data) >= 2


def test_a_task_without_an_order_says_that_nothing_is_known(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pairs = ModularTask("add", p=7).dataset.inputs.float()
    table = TableTask.from_arrays(pairs, ModularTask("add", p=7).dataset.labels)
    torch.manual_seed(0)
    models = [
        adopt(nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 7)), "1:output", example=pairs[:2])
        for _ in range(2)
    ]
    found = given(monkeypatch, run, [Checkpoint(model, table, "test", i) for i, model in enumerate(models)])
    assert not found.development.periodic.any()
    assert found.components is None
    with pytest.raises(ConfigError, match="no weights along the task's order"):
        found.race(0)
    for figure in (found.plot(), found.animate(), found.plot_alignment()):
        assert (
            "known" in figure.layout.annotations[0].text or "no periodic" in figure.layout.annotations[0].text
        )
    json.dumps(found.to_dict(), allow_nan=False)
    text = found.save(tmp_path / "d.html").read_text(encoding="utf-8")
    assert 'id="plot-race"' not in text
    assert "0 of 8" in text


@pytest.mark.parametrize("operation", ["2*a*b", "a**2*b", "3*a**2*b**3"])
def test_components_of_an_operand_are_read_at_its_own_multiple_of_the_frequency(operation: str) -> None:
    subject = Subject(analytic_mlp(operation, p=31, width=40), ModularTask(operation, p=31))
    amplitude, residual = _components(subject)
    table = subject.table
    for neuron, frequency in zip(table.neuron, table["frequency"], strict=True):
        turns = [step * frequency % 15 for step in steps_of(subject.task.ordering, 3)]
        if neuron < 39 and all(
            turns
        ):  # the last answers pairs with 0; at 0 and at half the length there is no phase
            assert amplitude[neuron].argmax() + 1 == frequency
            assert abs(residual[neuron, frequency - 1]) < 1e-3

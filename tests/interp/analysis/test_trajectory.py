"""The trajectory of real series against what is measured of each checkpoint on its own."""

from __future__ import annotations

import gc
import json
import shutil
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from interp import subject as subjects
from interp.analysis import circuit as circuits
from interp.analysis import trajectory
from interp.analysis.trajectory import Trajectory, record_of, trajectory_of, weight_norm
from interp.checkpoints import Checkpoint
from interp.checkpoints.open import load_checkpoint, load_series
from interp.checkpoints.options import OpenOptions
from interp.data import ModularTask, TableTask
from interp.measuring.evaluation import evaluate
from interp.measuring.leakage import Leakage
from interp.models import HookedMLP, MLPConfig, SmallTransformer, TransformerConfig, adopt
from interp.subject import score, score_neurons
from interp.training import TrainConfig, train

HE = Path(__file__).parents[3] / "shared" / "checkpoints" / "he_p23_quad"
CLEAN = ModularTask("add", p=23, train_fraction=0.5)
CORRUPT = ModularTask("add", p=23, train_fraction=0.6, corrupt_fraction=0.3)


def series_of(task: ModularTask, folder: Path, *, steps: int, every: int) -> Path:
    config = TrainConfig(steps=steps, weight_decay=1.0, save_every=every)
    train(task, MLPConfig(width=100), config, out=folder, show_progress=False)
    return folder


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return series_of(CLEAN, tmp_path_factory.mktemp("clean"), steps=600, every=60)


@pytest.fixture(scope="module")
def corrupt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return series_of(CORRUPT, tmp_path_factory.mktemp("corrupt"), steps=90, every=30)


@pytest.fixture(scope="module")
def grokked(clean: Path) -> Trajectory:
    found = trajectory_of(clean)
    assert found is not None
    return found


def test_each_record_holds_what_is_measured_of_its_checkpoint(clean: Path, grokked: Trajectory) -> None:
    assert [record["step"] for record in grokked.records] == list(range(0, 601, 60))
    for record in (grokked.records[0], grokked.records[5], grokked.records[-1]):
        checkpoint = load_checkpoint(clean / record["file"])
        model, task = checkpoint.model, checkpoint.task
        measured = evaluate(model, task)
        assert record["accuracy"] == measured.accuracy.to_dict()
        for split in ("train", "test", "all"):
            assert record["loss"][split] == pytest.approx(measured.loss[split], rel=1e-6)
        table = score(model, task)
        assert record["counts"] == table.counts()
        assert record["score"] == "ipr"
        assert record["mean_score"] == pytest.approx(table["ipr"].mean())
        found = circuits.circuit(model, task)
        assert found is not None
        for name in trajectory.PROGRESS:
            assert record[name] == pytest.approx(getattr(found, name), rel=1e-4, abs=1e-6)
        flat = torch.cat([tensor.flatten() for tensor in model.state_dict().values()])
        assert record["weight_norm"] == pytest.approx(float(flat.norm()), rel=1e-5)


def test_a_grokking_run_memorises_forms_a_circuit_and_cleans_up(grokked: Trajectory) -> None:
    assert [stage.name for stage in grokked.stages] == ["memorisation", "circuit formation", "clean-up"]
    test = {record["step"]: record["accuracy"]["test"] for record in grokked.records}
    end = grokked.stages[-1].end
    assert test[end.before] < 0.9 <= test[end.after]


def test_a_corrupted_run_memorises(corrupt: Path) -> None:
    found = trajectory_of(corrupt)
    assert found is not None
    assert [stage.name for stage in found.stages] == ["memorisation"]
    assert found.records[-1]["accuracy"]["corrupted_as_labelled"] > 0.9
    assert repr(found) == "Trajectory(4 checkpoints; memorisation)"


def test_everything_is_ready_for_json_and_pandas(grokked: Trajectory) -> None:
    found = json.loads(json.dumps(grokked.to_dict(), allow_nan=False))
    assert found["records"] == list(grokked.records)
    assert [stage["name"] for stage in found["stages"]] == [stage.name for stage in grokked.stages]
    frame = grokked.to_pandas()
    assert frame["accuracy.test"].tolist() == [r["accuracy"]["test"] for r in grokked.records]
    assert frame["counts.memorizing"].tolist() == [r["counts"]["memorizing"] for r in grokked.records]
    assert {"step", "weight_norm", "loss.train", "restricted_loss"} <= set(frame)
    assert "memorisation" in {trace.name for trace in grokked.plot().data}


def test_only_so_many_checkpoints_are_scored(clean: Path) -> None:
    found = trajectory_of(clean, most=3)
    assert found is not None
    assert [record["step"] for record in found.records] == [0, 300, 600]


def test_one_checkpoint_is_no_trajectory(corrupt: Path, tmp_path: Path) -> None:
    assert trajectory_of(tmp_path) is None
    for file in corrupt.glob("step-00000030*"):
        shutil.copy(file, tmp_path)
    assert trajectory_of(tmp_path) is None
    assert trajectory_of(next(tmp_path.glob("*.safetensors"))) is None


def test_steps_are_indices_where_files_do_not_say_them(
    corrupt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = [load_checkpoint(corrupt / f"step-000000{step}.safetensors") for step in ("00", "30", "60")]
    for steps in ((None, None, None), (None, 30, 60), (60, 30, 90), (30, 30, 60)):
        given = [
            Checkpoint(one.model, one.task, "test", step)
            for one, step in zip(checkpoints, steps, strict=True)
        ]
        monkeypatch.setattr(trajectory, "load_series", lambda *args, given=given, **kwargs: iter(given))
        found = trajectory_of(corrupt)
        assert found is not None
        assert [record["step"] for record in found.records] == [0, 1, 2]
        assert found.records[0]["file"] is None


def test_nothing_is_scored_twice_and_one_network_is_kept_at_a_time(
    corrupt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored, alive, models = [], [], []

    def series(*args: object, **kwargs: object) -> object:
        for file in sorted(corrupt.glob("*.safetensors"))[1:]:
            gc.collect()
            alive.append(sum(model() is not None for model in models))
            checkpoint = load_checkpoint(file)
            models.append(weakref.ref(checkpoint.model))
            yield checkpoint
            del checkpoint

    def counted(*args: object, **kwargs: object) -> object:
        scored.append(1)
        return score_neurons(*args, **kwargs)

    monkeypatch.setattr(trajectory, "load_series", series)
    monkeypatch.setattr(subjects, "score_neurons", counted)
    found = trajectory_of(corrupt)
    assert found is not None
    assert len(scored) == len(found.records) == 4
    assert alive == [0, 0, 0, 0]


def as_doshi(model: HookedMLP) -> dict[str, torch.Tensor]:
    """The weights of an MLP under the names of arXiv 2310.13061's networks."""
    first = torch.cat([table.T for table in model.embed.W_E], dim=1)
    return {"fc1.weight": first.detach(), "fc2.weight": model.unembed.weight.T.detach().contiguous()}


def test_files_of_strangers_tell_what_they_can(clean: Path, tmp_path: Path) -> None:
    """The same weights without what belongs to them: in a folder, and all in one file."""
    checkpoints = list(load_series(clean, most=4))
    for checkpoint in checkpoints:
        torch.save(as_doshi(checkpoint.model), tmp_path / f"model_{checkpoint.step}.pth")
    states, epochs = [as_doshi(one.model) for one in checkpoints], [one.step for one in checkpoints]
    torch.save({"state_dicts": states, "epochs": epochs}, tmp_path / "all.pth")
    for path in (tmp_path, tmp_path / "all.pth"):
        found = trajectory_of(path, OpenOptions(activation="square"))
        assert found is not None
        assert [record["step"] for record in found.records] == epochs
        for record, checkpoint in zip(found.records, checkpoints, strict=True):
            assert record["accuracy"]["all"] == evaluate(checkpoint.model, CLEAN).accuracy.all
            assert {split for split, value in record["accuracy"].items() if value is not None} == {"all"}
            assert [split for split, value in record["loss"].items() if value is not None] == ["all"]
            assert record["test_without_leakage"] is None
        assert [stage.name for stage in found.stages] == ["learning"]
        assert "all examples" in found.stages[0].reason


def test_transformers_are_scored_by_their_activations() -> None:
    config = TransformerConfig(d_model=16, n_heads=2, d_head=8, d_mlp=20)
    record = record_of(Checkpoint(SmallTransformer(config, 7, 7), ModularTask("add", p=7), "test"))
    assert record["score"] == "activation_share"
    assert 0 < record["mean_score"] < 1
    assert record["counts"]["total"] == 20
    assert record["logit_variance_explained"] is not None
    heads = record_of(
        Checkpoint(SmallTransformer(config, 7, 7), ModularTask("add", p=7), "test"),
        site="blocks.0.attn.hook_z",
    )
    assert heads["counts"]["total"] == 2


def test_a_task_without_an_ordering_has_no_circuit() -> None:
    task = ModularTask("a**2 + a*b + 3*b", p=7)
    assert task.ordering is None
    record = record_of(Checkpoint(HookedMLP(MLPConfig(width=12), 7), task, "test", 5))
    assert [record[name] for name in trajectory.PROGRESS] == [None] * 5
    assert record["mean_score"] is not None
    pairs = task.dataset.inputs.float()
    table = TableTask.from_arrays(pairs, task.dataset.labels)
    model = adopt(nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 7)), "1:output", example=pairs[:2])
    unordered = record_of(Checkpoint(model, table, "test"))
    assert unordered["score"] == "rule_effect"
    assert unordered["mean_score"] is None
    json.dumps(unordered, allow_nan=False)
    json.dumps(record, allow_nan=False)


def test_swapped_examples_are_no_test_of_a_symmetric_network() -> None:
    task = ModularTask("add", p=13, train_fraction=0.7)
    model = HookedMLP(MLPConfig(width=30, tied=True), 13)
    record = record_of(Checkpoint(model, task, "test"))
    with torch.no_grad():
        expected = Leakage(task.dataset, model(task.dataset.inputs)).to_dict()
    assert expected is not None
    assert expected["leaked"] > 0
    assert record["test_without_leakage"] == expected["accuracy_without"]
    records = [record | {"step": i, "test_without_leakage": 0.2} for i in range(3)]
    np.testing.assert_array_equal(trajectory.measures_of(records)["test"], [0.2] * 3)
    assert "corrupted_as_labelled" not in trajectory.measures_of(records)


def test_the_norm_counts_every_parameter() -> None:
    model = HookedMLP(MLPConfig(width=3, bias=True), 5)
    squares = sum(float(value) ** 2 for p in model.parameters() for value in p.detach().flatten())
    assert weight_norm(model) == pytest.approx(squares**0.5)


@pytest.mark.skipif(not HE.is_dir(), reason="no files of strangers")
def test_a_real_series_of_a_stranger() -> None:
    found = trajectory_of(HE)
    assert found is not None
    assert [record["step"] for record in found.records] == [0, 1000, 2000, 4000, 6000, 9800]
    assert [stage.name for stage in found.stages] == ["learning"]
    assert found.stages[0].end.before == 6000

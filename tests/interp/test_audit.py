"""What an audit concludes, where the conclusion is easily wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import interp
from interp.analysis.removing import ablate_checkpoint
from interp.audit import audit
from interp.data import Dataset, ModularTask
from interp.errors import CheckpointError
from interp.models import HookedMLP, MLPConfig, analytic_mlp, planted_mlp
from interp.subject import score
from interp.training import TrainConfig, train

TASK = ModularTask("add", p=23, train_fraction=0.6, corrupt_fraction=0.3)


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    config = TrainConfig(steps=300, weight_decay=2.0, save_every=100)
    train(TASK, MLPConfig(width=100), config, out=folder, show_progress=False)
    return folder


def test_only_the_past_counts_for_forgetting(series: Path, tmp_path: Path) -> None:
    history = json.loads((series / "history.json").read_text())
    for record in history:
        record["accuracy"]["test"] = 1.0 if record["step"] == 200 else 0.0
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in series.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "history.json").write_text(json.dumps(history))
    before, after = (audit(copy / f"step-{step:08d}.safetensors", n_random=2) for step in (0, 300))
    assert before.phase.name == "confusion"
    assert max(record["step"] for record in before.history) == 0
    assert max(record["step"] for record in after.history) == 300


def test_an_edited_network_has_no_training_curve(series: Path, tmp_path: Path) -> None:
    found = ablate_checkpoint(series, "highest:0.9", save=tmp_path / "edited", n_random=2)
    (tmp_path / "history.json").write_text((series / "history.json").read_text())
    report = audit(tmp_path / "edited.safetensors", n_random=2)
    assert report.history == []
    assert report.accuracy.test == pytest.approx(found.after.test, abs=0.01)
    assert report.phase.name != "forgetting"


@pytest.mark.parametrize("history", ['{"a": 1}', '[{"step": 1}]', '["x"]'])
def test_a_malformed_training_curve_is_named(series: Path, tmp_path: Path, history: str) -> None:
    for file in series.glob("step-00000300*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "history.json").write_text(history)
    with pytest.raises(CheckpointError, match=r"is no training curve|holds the training curve"):
        audit(tmp_path)


def swapped(data: Dataset) -> np.ndarray:
    """By a plain loop: held-out pairs whose swap is trained on."""
    pairs, train_mask = data.inputs.tolist(), data.train.tolist()
    trained = {tuple(pair) for pair, is_trained in zip(pairs, train_mask, strict=True) if is_trained}
    return np.array([not t and (b, a) in trained for (a, b), t in zip(pairs, train_mask, strict=True)])


def test_swapped_pairs_are_no_test_of_a_network_that_cannot_tell_them_apart() -> None:
    """A tied network that memorised every training pair answers the swapped ones right, and no others."""
    task = ModularTask("a*b + a + b", p=13, train_fraction=0.7, seed=1)
    model = HookedMLP(MLPConfig(width=150, tied=True, activation="relu"), vocab=13)
    config = TrainConfig(steps=300, loss="cross_entropy")
    model = train(task, model, config, show_progress=False).model
    report, leaked = audit(model, task, n_random=2), swapped(task.dataset)
    np.testing.assert_array_equal(task.dataset.leaked_by_swapping(), leaked)
    assert report.leakage["test_pairs"] == int(task.dataset.test.sum())
    assert report.leakage["leaked"] == leaked.sum() > 0
    with torch.no_grad():
        right = (model(task.dataset.inputs).argmax(1) == task.dataset.true_labels).numpy()
    assert report.leakage["accuracy_without"] == pytest.approx(
        right[task.dataset.test.numpy() & ~leaked].mean()
    )
    assert report.accuracy.test > report.leakage["accuracy_without"] + 0.3
    assert report.phase.name == "memorisation"
    assert any(
        "in the other order, which this network does not tell apart" in warning for warning in report.warnings
    )


def test_networks_with_separate_inputs_have_no_leakage() -> None:
    found = audit(analytic_mlp("add", p=23), TASK, n_random=2)
    assert found.leakage["leaked"] == 0
    assert found.leakage["accuracy_without"] == found.accuracy.test
    assert found.leakage["asymmetry"] > 0.1


def test_tied_inputs_are_one_vector_in_the_statistics() -> None:
    """Counted twice, random weights would look periodic: p-values of tied random networks must be uniform."""
    p_values, p_null = [], []
    for seed in range(6):
        table = score(
            HookedMLP(MLPConfig(width=200, tied=True), vocab=31, seed=seed), ModularTask("add", p=31)
        )
        p_values.append(table["p_value"])
        p_null.append(table["p_null"])
    for found in (np.concatenate(p_values), np.concatenate(p_null)):
        assert (found <= 0.01).mean() < 0.02
        assert abs((found <= 0.5).mean() - 0.5) < 0.06


def test_every_label_set_is_removed_with_its_control() -> None:
    task = ModularTask("add", p=31, corrupt_fraction=0.35)
    planted = planted_mlp(task, generalizing=100, memorizing=100, dead=10)
    found = audit(planted.model, task, n_random=5).to_dict()
    assert found["without_dead"]["removed"] == 10
    assert found["without_dead"]["accuracy"] == found["accuracy"]
    assert {"without_inconclusive", "without_memorizing", "without_generalizing"} <= found.keys()
    assert found["neurons"]["total"] == 210


@pytest.mark.parametrize("operation", ["multiply", "divide"])
def test_the_smallest_modulus_is_audited_without_an_ordering(operation: str) -> None:
    task = ModularTask(operation, p=2, train_fraction=1.0)
    report = audit(HookedMLP(MLPConfig(width=5), vocab=2), task, n_random=2)
    assert any("No group ordering is known" in warning for warning in report.warnings)


def test_damaged_weights_in_memory_are_named() -> None:
    model = HookedMLP(MLPConfig(width=5), vocab=23)
    model.unembed.weight.data.fill_(float("nan"))
    with pytest.raises(interp.GrokscopeError, match="NaN or infinity"):
        audit(model, TASK)


def test_reports_and_tables_are_short_in_a_notebook() -> None:
    report = audit(analytic_mlp("add", p=23), TASK, n_random=2)
    assert repr(report).splitlines()[1:2] == [report.verdict[0]]
    assert repr(report.table).startswith("NeuronTable(blocks.0.mlp.hook_post: 200 neurons: 200 generalizing")
    assert repr(report.curves[0]) == "Curve(lowest IPR first, zero: 201 points, 2 random orders)"
    with pytest.raises(ValueError, match="'memorising' is no label"):
        report.table.where(label="memorising")

"""Ways to unlearn, against the functions that they are made of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from interp.analysis.removing import ablate_checkpoint
from interp.analysis.unlearning import compare_unlearning
from interp.checkpoints import save_checkpoint
from interp.checkpoints.open import load_checkpoint
from interp.data import SPLITS, ModularTask
from interp.errors import ConfigError
from interp.measuring.evaluation import accuracy
from interp.models import HookedMLP, MLPConfig, analytic_mlp, planted_mlp
from interp.subject import score
from interp.training import TrainConfig, train

TASK = ModularTask("add", p=13, train_fraction=0.6, corrupt_fraction=0.3, seed=2)
SHAPE = MLPConfig(width=24)
CONFIG = TrainConfig(steps=80, save_every=40, seed=5)


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that has memorised corrupted labels."""
    out = tmp_path_factory.mktemp("series") / "r0"
    train(TASK, SHAPE, CONFIG, out=out, show_progress=False)
    return out


def test_every_row_is_what_its_method_gives_by_itself(series: Path, tmp_path: Path) -> None:
    found = compare_unlearning(series, save=tmp_path / "edited", n_random=3, show_progress=False)
    before, removed, decayed, normed = found.methods
    opened = load_checkpoint(series)
    assert before.accuracy == found.removal.before
    assert before.accuracy.to_dict() == pytest.approx(accuracy(opened.model, TASK).to_dict())
    assert before.seconds is None
    alone = ablate_checkpoint(series, n_random=3)
    assert removed.accuracy == alone.after
    assert found.removal.to_dict() == alone.to_dict()
    counts = score(opened.model, TASK).counts()
    assert before.alive == counts["total"] - counts["dead"]
    assert removed.alive == before.alive - counts["memorizing"]
    assert found.saved == tmp_path / "edited.safetensors"
    stored = accuracy(load_checkpoint(found.saved).model, TASK)
    assert stored.to_dict() == pytest.approx(removed.accuracy.to_dict(), abs=0.02)
    again = train(TASK, SHAPE, replace(CONFIG, weight_decay=15.0), show_progress=False)
    assert decayed.accuracy == accuracy(again.model, TASK)
    batched = train(TASK, replace(SHAPE, norm="batch"), replace(CONFIG, batch_size=64), show_progress=False)
    assert normed.accuracy == accuracy(batched.model, TASK)
    assert (decayed.steps, normed.steps) == (80, 80)
    assert all(method.seconds > 0 for method in (removed, decayed, normed))
    assert decayed.accuracy.corrupted_as_labelled < before.accuracy.corrupted_as_labelled


def test_removing_planted_memory_costs_corrupted_labels_alone(tmp_path: Path) -> None:
    task = ModularTask("add", p=31, train_fraction=0.5, corrupt_fraction=0.35)
    save_checkpoint(tmp_path / "planted", planted_mlp(task).model, task)
    found = compare_unlearning(tmp_path / "planted.safetensors", retrain=False)
    before, removed = found.methods
    assert removed.accuracy.corrupted_as_labelled < 0.3 < before.accuracy.corrupted_as_labelled
    assert removed.accuracy.corrupted_as_true > before.accuracy.corrupted_as_true + 0.2
    assert found.removal.hurts("corrupted_as_labelled")
    assert found.saved is None


def test_steps_and_strengths_are_those_asked_for(series: Path) -> None:
    found = compare_unlearning(
        series / "step-00000040.safetensors",
        steps=7,
        weight_decay=3,
        batch_size=16,
        n_random=1,
        show_progress=False,
    )
    assert [method.steps for method in found.methods] == [0, 0, 7, 7]
    again = train(TASK, SHAPE, replace(CONFIG, steps=7, weight_decay=3.0), show_progress=False)
    assert found["retrained with weight decay"].accuracy == accuracy(again.model, TASK)
    with pytest.raises(KeyError, match="no method 'prayer'"):
        found["prayer"]


def test_an_earlier_checkpoint_is_retrained_for_its_own_steps(series: Path) -> None:
    found = compare_unlearning(series / "step-00000040.safetensors", n_random=1, show_progress=False)
    assert found["retrained with batch norm"].steps == 40


def test_results_are_plain_and_drawn(series: Path) -> None:
    found = compare_unlearning(series, steps=2, n_random=1, show_progress=False)
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert [row["name"] for row in plain["methods"]] == [method.name for method in found.methods]
    bars = {bar.name: bar for bar in found.plot().data}
    assert set(bars) == {"corrupted as labelled", "corrupted as true", "test"}
    assert list(bars["test"].y) == pytest.approx([m.accuracy.test for m in found.methods], rel=1e-4)
    assert "as trained, memorizing neurons removed" in repr(found)
    assert plain["methods"][0]["accuracy"].keys() == set(SPLITS)


def test_what_cannot_be_trained_again_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    bare = ModularTask("add", p=13)
    save_checkpoint(tmp_path / "bare", analytic_mlp("add", p=13), bare)
    with pytest.raises(ConfigError, match="cannot be trained again"):
        compare_unlearning(tmp_path / "bare.safetensors", save=tmp_path / "edited")
    train(bare, MLPConfig(width=8), TrainConfig(steps=1), out=tmp_path / "clean", show_progress=False)
    with pytest.raises(ConfigError, match="without corrupted labels"):
        compare_unlearning(tmp_path / "clean", save=tmp_path / "edited")
    strange = HookedMLP(MLPConfig(width=8), vocab=13)
    save_checkpoint(tmp_path / "strange", strange, TASK, training={"patience": 3})
    with pytest.raises(ConfigError, match="are not understood"):
        compare_unlearning(tmp_path / "strange.safetensors", save=tmp_path / "edited")
    assert not list(tmp_path.glob("edited*"))
    assert compare_unlearning(tmp_path / "bare.safetensors", retrain=False, n_random=1).methods[0].alive > 0


def test_the_checkpoint_itself_is_never_replaced(series: Path) -> None:
    with pytest.raises(ConfigError, match="is the checkpoint itself"):
        compare_unlearning(series, save=series / "step-00000080", overwrite=True, show_progress=False)

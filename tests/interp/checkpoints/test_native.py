"""The native format: round trips, and clear refusals of what is not it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from interp.checkpoints import load_native, save_checkpoint, training_history
from interp.checkpoints.open import load_checkpoint
from interp.data import ModularTask
from interp.errors import CheckpointError, ConfigError
from interp.models import HookedMLP, MLPConfig

TASK = ModularTask("multiply", p=7, train_fraction=0.7, corrupt_fraction=0.5, corrupt="wrong", seed=4)
CONFIGS = [
    MLPConfig(width=5),
    MLPConfig(width=5, depth=3, activation="relu", bias=True, norm="batch"),
    MLPConfig(width=5, tied=True, norm="layer", dropout=0.2),
]


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return save_checkpoint(tmp_path / "step-00000001", HookedMLP(MLPConfig(width=5), vocab=7), TASK, step=1)


@pytest.mark.parametrize("config", CONFIGS)
def test_a_round_trip_gives_the_same_network_and_task(config: MLPConfig, tmp_path: Path) -> None:
    model = HookedMLP(config, vocab=7, seed=2).eval()
    path = save_checkpoint(tmp_path / "net.safetensors", model, TASK, step=12, metrics={"loss": 0.5})
    opened = load_checkpoint(path)
    inputs = TASK.dataset.inputs
    assert torch.equal(opened.model(inputs), model(inputs))
    assert opened.task == TASK
    for name in ("labels", "train", "corrupted"):
        assert torch.equal(getattr(opened.task.dataset, name), getattr(TASK.dataset, name))
    assert (opened.step, opened.path, opened.settings["metrics"]) == (12, path, {"loss": 0.5})


def test_the_stored_split_is_used_rather_than_drawn_again(stored: Path) -> None:
    beside = stored.with_suffix(".json")
    settings = json.loads(beside.read_text())
    settings["task"]["seed"] = 999
    beside.write_text(json.dumps(settings))
    assert torch.equal(load_checkpoint(stored).task.dataset.labels, TASK.dataset.labels)


def test_a_folder_means_its_last_checkpoint(stored: Path) -> None:
    save_checkpoint(stored.with_name("step-00000010"), HookedMLP(MLPConfig(width=5), vocab=7), TASK, step=10)
    assert load_checkpoint(stored.parent).step == 10
    assert load_checkpoint(stored.with_suffix(".json")).step == 1


def test_a_custom_activation_cannot_be_stored(tmp_path: Path) -> None:
    model = HookedMLP(MLPConfig(width=3, activation="custom"), vocab=7, activation_fn=torch.sin)
    with pytest.raises(CheckpointError, match="files hold no code"):
        save_checkpoint(tmp_path / "x", model, TASK)
    assert not list(tmp_path.iterdir())


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _huge_header(path: Path) -> None:
    path.write_bytes((2**60).to_bytes(8, "little") + b"{}")


def _nan(path: Path) -> None:
    weights = load_file(path)
    weights["unembed.W_U"][0, 0] = float("nan")
    save_file(weights, path)


def _missing_tensor(path: Path) -> None:
    weights = load_file(path)
    del weights["unembed.W_U"]
    save_file(weights, path)


def _other_shape(path: Path) -> None:
    weights = load_file(path)
    weights["unembed.W_U"] = torch.zeros(3, 3)
    save_file(weights, path)


def _no_json(path: Path) -> None:
    path.with_suffix(".json").unlink()


def _broken_json(path: Path) -> None:
    path.with_suffix(".json").write_text("{")


def _foreign_json(path: Path) -> None:
    path.with_suffix(".json").write_text('{"model_type": "bert"}')


def _other_width(path: Path) -> None:
    beside = path.with_suffix(".json")
    settings = json.loads(beside.read_text())
    settings["model"]["width"] = "wide"
    beside.write_text(json.dumps(settings))


def _broken_split(path: Path) -> None:
    beside = path.with_suffix(".json")
    settings = json.loads(beside.read_text())
    settings["task"]["split"]["train"] = "AAAA"
    beside.write_text(json.dumps(settings))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_truncate, "truncated or another format"),
        (_empty, "is empty; is it still being written"),
        (_huge_header, "truncated or another format"),
        (_nan, "'unembed.W_U' .* holds NaN or infinity"),
        (_missing_tensor, "'unembed.W_U' is missing from"),
        (_other_shape, r"shape \(3, 3\).*\(5, 7\)"),
        (_no_json, "says? which network|to say which network"),
        (_broken_json, "no valid JSON"),
        (_foreign_json, "does not describe a checkpoint"),
        (_other_width, "width|do not describe an MLP"),
        (_broken_split, "'train' mask has 3 bytes"),
    ],
)
def test_damaged_checkpoints_are_refused_with_a_reason(
    stored: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(stored)
    with pytest.raises((CheckpointError, ConfigError), match=message):
        load_checkpoint(stored).task.dataset  # noqa: B018 - the split is unpacked when first needed


def test_missing_files_and_folders_are_named(tmp_path: Path, stored: Path) -> None:
    with pytest.raises(CheckpointError, match="did you mean 'step-00000001"):
        load_checkpoint(stored.with_name("step-0000000.safetensors"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="holds no checkpoints"):
        load_checkpoint(tmp_path / "empty")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(CheckpointError, match=r"seems to be a text file"):
        load_checkpoint(tmp_path / "a.txt")


def test_a_series_without_history_has_an_empty_one(stored: Path) -> None:
    assert training_history(stored) == []


def test_a_network_of_the_same_shape_is_handed_on_and_its_former_weights_stay(tmp_path: Path) -> None:
    task = ModularTask("add", p=7)
    first, second = (
        save_checkpoint(
            tmp_path / f"step-{i}.safetensors", HookedMLP(MLPConfig(width=5), 7, seed=i), task, step=i
        )
        for i in range(2)
    )
    before = load_native(first)
    weights = before.model.embed.W_E
    kept = weights.detach().clone()
    after = load_native(second, before)
    assert after.model is before.model
    assert after.task is before.task
    assert (after.step, after.path) == (1, second)
    assert torch.equal(weights, kept)
    fresh = load_native(second)
    for name, tensor in fresh.model.state_dict().items():
        assert torch.equal(after.model.state_dict()[name], tensor)
    wider = save_checkpoint(tmp_path / "wide.safetensors", HookedMLP(MLPConfig(width=6), 7), task)
    assert load_native(wider, after).model is not after.model


def test_weights_in_shards_are_one_checkpoint(tmp_path: Path) -> None:
    whole = save_checkpoint(
        tmp_path / "net.safetensors", HookedMLP(MLPConfig(width=5), 7), ModularTask("add", p=7)
    )
    inputs = torch.tensor([[1, 2], [3, 4]])
    expected = load_checkpoint(whole).model(inputs)
    tensors = load_file(whole)
    for i, (name, tensor) in enumerate(tensors.items()):
        save_file({name: tensor}, tmp_path / f"part-{i}.safetensors")
    index = tmp_path / "net.safetensors.index.json"
    index.write_text(
        json.dumps({"weight_map": {name: f"part-{i}.safetensors" for i, name in enumerate(tensors)}})
    )
    whole.unlink()
    found = load_checkpoint(index)
    assert torch.equal(found.model(inputs), expected)
    assert found.path == index
    (tmp_path / "part-1.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"part-1\.safetensors"):
        load_checkpoint(index)


@pytest.mark.parametrize(
    ("index", "says"),
    [
        ('{"weight_map": {"x": "../elsewhere.safetensors"}}', "expected one that lies beside it"),
        ('{"weight_map": {"x": 3}}', "no 'weight_map'"),
        ("[]", "no 'weight_map'"),
        ("{", "no valid JSON"),
    ],
)
def test_an_index_that_cannot_be_used_is_named(tmp_path: Path, index: str, says: str) -> None:
    whole = save_checkpoint(
        tmp_path / "net.safetensors", HookedMLP(MLPConfig(width=5), 7), ModularTask("add", p=7)
    )
    whole.unlink()
    (tmp_path / "net.safetensors.index.json").write_text(index)
    with pytest.raises(CheckpointError, match=says):
        load_checkpoint(tmp_path / "net.safetensors.index.json")

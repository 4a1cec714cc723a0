"""Weights read straight from native files are scored as those of the opened network, whole, in stacks or in blocks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from interp.checkpoints import save_checkpoint
from interp.data import ModularTask
from interp.errors import CheckpointError, HookNameError
from interp.jobs import Settings, measures, plain_settings, weights
from interp.jobs.sources import fetched
from interp.jobs.weights import Weights, large_scores, plain, plain_weights, stack_scores
from interp.jobs.worker import measure_checkpoint
from interp.models import HookedMLP, MLPConfig
from interp.models.layers import ACTIVATIONS as MODEL_ACTIVATIONS
from probes.spectrum import Convention

CONFIGS = {
    "plain": MLPConfig(width=20),
    "tied": MLPConfig(width=20, tied=True),
    "bias": MLPConfig(width=20, bias=True, activation="relu"),
    "batch": MLPConfig(width=20, norm="batch"),
    "layer": MLPConfig(width=20, norm="layer"),
}


def write(folder: Path, config: MLPConfig, operation: str = "add", p: int = 13, seed: int = 0) -> Path:
    model = HookedMLP(config, p, seed=seed)
    return save_checkpoint(folder / f"net-{seed}.safetensors", model, ModularTask(operation, p))


def read(path: Path) -> Weights | None:
    with fetched(str(path)) as found:
        network = plain(found, None)
        return None if network is None or found.data is None else plain_weights(network, found.data)


def scores(path: Path) -> dict[str, np.ndarray]:
    found = read(path)
    assert found is not None
    return stack_scores([found], Convention())[0]


@pytest.mark.parametrize("operation", ["add", "subtract", "multiply", "a**2 + a*b"])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_plain_file_is_scored_as_the_opened_network(
    tmp_path: Path, config: MLPConfig, operation: str
) -> None:
    path = write(tmp_path, config, operation)
    opened = measures.measure(measures.opened(path, Settings(), None, None), Settings(), str(path))
    assert isinstance(opened, Weights)
    direct = read(path)
    assert direct is not None
    assert direct.distinct == opened.distinct
    for own, other in zip(direct.vectors, opened.vectors, strict=True):
        assert (own == other).all()
    for name, column in stack_scores([opened], Convention())[0].items():
        assert np.array_equal(scores(path)[name], column, equal_nan=True), name
    same = {"step", "dialect", "task", "p", "corrupt_fraction"}
    assert {name: direct.known[name] for name in same} == {name: opened.known[name] for name in same}


def test_scores_are_those_of_a_plain_fft(tmp_path: Path) -> None:
    path = write(tmp_path, CONFIGS["plain"])
    tensors = load_file(path)
    expected = []
    for matrix in (*(table.T for table in tensors["embed.W_E"].double()), tensors["unembed.W_U"].double()):
        power = np.abs(np.fft.rfft(matrix.numpy(), axis=1))[:, 1:] ** 2
        expected.append((power**2).sum(1) / power.sum(1) ** 2)
    found = scores(path)
    assert found["ipr"] == pytest.approx(np.mean(expected, axis=0), rel=1e-4)
    assert found["ipr_2"] == pytest.approx(expected[2], rel=1e-4)


def test_half_precision_is_read_and_bfloat_is_left_to_pytorch(tmp_path: Path) -> None:
    path = write(tmp_path, CONFIGS["plain"])
    tensors = load_file(path)
    save_file(
        {name: tensor.half() for name, tensor in tensors.items()}, path, metadata={"format": "grokscope-1"}
    )
    halves = read(path)
    assert halves is not None
    assert halves.vectors[2] == pytest.approx(tensors["unembed.W_U"].half().float().numpy())
    save_file({name: tensor.bfloat16() for name, tensor in tensors.items()}, path)
    assert read(path) is None
    opened = measures.measure(measures.opened(path, Settings(), None, None), Settings(), str(path))
    assert isinstance(opened, Weights)


@pytest.mark.parametrize("config", [CONFIGS["plain"], CONFIGS["tied"]])
@pytest.mark.parametrize("in_shards", [False, True])
def test_blocks_are_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: MLPConfig, in_shards: bool
) -> None:
    path = write(tmp_path, config, "multiply")
    whole = scores(path)
    if in_shards:
        tensors = load_file(path)
        for i, (name, tensor) in enumerate(tensors.items()):
            save_file({name: tensor}, tmp_path / f"s-{i}.safetensors")
        index = tmp_path / "net-0.safetensors.index.json"
        index.write_text(
            json.dumps({"weight_map": {name: f"s-{i}.safetensors" for i, name in enumerate(tensors)}})
        )
        path.unlink()
        path = index
    monkeypatch.setattr(weights, "BLOCK", 7)
    with fetched(str(path)) as found:
        network = plain(found, None)
        assert network is not None
        blocks = large_scores(network, Convention())
    assert blocks.row["neurons"] == 20
    for name, column in whole.items():
        assert blocks.neurons[name] == pytest.approx(column, rel=1e-4, abs=1e-5, nan_ok=True), name


@pytest.mark.parametrize("kind", ["missing", "shape", "nan", "infinity", "truncated", "json"])
def test_damage_is_named(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, CONFIGS["plain"])
    tensors, beside = load_file(path), path.with_suffix(".json")
    if kind == "missing":
        save_file({"embed.W_E": tensors["embed.W_E"]}, path)
    elif kind == "shape":
        save_file({**tensors, "unembed.W_U": torch.ones(20, 12)}, path)
    elif kind in ("nan", "infinity"):
        tensors["unembed.W_U"][3, 4] = float(kind[:3])
        save_file(tensors, path)
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:-9])
    elif kind == "json":
        beside.write_text(beside.read_text()[:50])
    says = {
        "missing": "'unembed.W_U' is missing", "shape": r"has shape \(20, 12\)", "nan": "holds NaN or infinity",
        "infinity": "holds NaN or infinity", "truncated": "cannot read weights", "json": "is no valid JSON",
    }  # fmt: skip
    with pytest.raises(Exception, match=says[kind]) as caught:
        read(path)
    assert isinstance(caught.value, CheckpointError)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"task": {"operation": "addition"}}, {"task": {"p": 7}}, {"task": {"p": 7, "split": "unknown"}},
        {"task": {"split": {"train": "!"}}}, {"task": {"corrupt": "some"}}, {"task": {"seed": -1}},
        {"task": {"more": 1}},
        {"model": {"activation": "cube"}}, {"model": {"tied": 0}}, {"model": {"vocab": 14}},
        {"model": {"n_outputs": 14}},         {"model": {"init_scale": float("inf")}}, {"model": {"dropout": 2}},
        {"model": {"more": 1}},
    ],
)  # fmt: skip
def test_what_opening_refuses_scores_refuse(tmp_path: Path, change: dict[str, dict[str, Any]]) -> None:
    path = write(tmp_path, CONFIGS["plain"])
    settings = json.loads(path.with_suffix(".json").read_text())
    for part, values in change.items():
        settings[part] |= values
    path.with_suffix(".json").write_text(json.dumps(settings))
    assert read_or_none(path) is None
    row = measure_checkpoint(str(path)).row
    assert (row["status"], "ipr_mean" in row) == ("failed", False), change


def read_or_none(path: Path) -> Weights | None:
    try:
        return read(path)
    except CheckpointError:
        return None


def test_an_unexpected_tensor_is_refused_by_scores_too(tmp_path: Path) -> None:
    path = write(tmp_path, CONFIGS["plain"])
    save_file({**load_file(path), "more": torch.ones(2)}, path)
    row = measure_checkpoint(str(path)).row
    assert "'more' is unexpected" in row["error"]


def test_the_activations_of_the_shortcut_are_all_that_there_are() -> None:
    assert set(plain_settings.ACTIVATIONS) == set(MODEL_ACTIVATIONS)


def test_other_networks_must_be_opened(tmp_path: Path) -> None:
    assert read(write(tmp_path, MLPConfig(width=8, depth=3))) is None
    torch.save({"x": torch.ones(1)}, tmp_path / "x.pt")
    assert read(tmp_path / "x.pt") is None
    path = write(tmp_path, CONFIGS["plain"])
    with fetched(str(path)) as found:
        assert plain(found, "blocks.1.mlp.hook_post") is None
    path.with_suffix(".json").unlink()
    assert read(path) is None


def test_stacks_take_what_is_alike_as_long_as_it_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = read(write(tmp_path, CONFIGS["plain"])), read(write(tmp_path, CONFIGS["plain"], seed=1))
    wider = read(write(tmp_path, MLPConfig(width=21), seed=2))
    tied = read(write(tmp_path, CONFIGS["tied"], seed=3))
    assert one is not None
    assert two is not None
    assert one.takes(two, 1)
    assert wider is not None
    assert tied is not None
    assert not one.takes(wider, 1)
    assert not one.takes(tied, 1)
    monkeypatch.setattr(weights, "STACK", 3 * 20 * 13)
    assert one.takes(two, 2)
    assert not one.takes(two, 3)
    together = stack_scores([one, two], Convention())
    for both, alone in zip(together, (one, two), strict=True):
        for name, column in stack_scores([alone], Convention())[0].items():
            assert np.array_equal(both[name], column, equal_nan=True), name


def test_a_site_that_is_not_there(tmp_path: Path) -> None:
    path = write(tmp_path, CONFIGS["plain"])
    settings = Settings(site="blocks.7.mlp.hook_post")
    with pytest.raises(HookNameError, match=r"blocks\.7"):
        measures.measure(measures.opened(path, settings, None, None), settings, str(path))

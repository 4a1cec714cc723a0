"""Safetensors files are read whole, and one that changes meanwhile is an error."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from interp.checkpoints import save_checkpoint
from interp.checkpoints.open import load_checkpoint
from interp.checkpoints.tensor_file import tensor_file
from interp.data import ModularTask
from interp.errors import CheckpointError, ConfigError
from interp.models import analytic_mlp

KINDS = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool)


@pytest.mark.parametrize("dtype", KINDS, ids=str)
def test_tensors_are_as_they_were_stored(tmp_path: Path, dtype: torch.dtype) -> None:
    stored = {name: torch.ones(shape).to(dtype) for name, shape in {"a": (3, 4), "b": (), "c": (0,)}.items()}
    save_file(stored, tmp_path / "x.safetensors", metadata={"format": "x"})
    with tensor_file(tmp_path / "x.safetensors") as opened:
        assert opened.metadata == {"format": "x"}
        for name, tensor in stored.items():
            assert opened.tensor(name).equal(tensor)
            assert opened.tensor(name).dtype == dtype


def test_a_file_that_is_cut_or_overwritten_meanwhile_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(10**6)}, path)
    with pytest.raises(CheckpointError, match="cut short"), tensor_file(path) as opened:  # noqa: PT012
        os.truncate(path, 1000)
        opened.tensor("a")
    save_file({"a": torch.ones(10**6)}, path)
    with pytest.raises(CheckpointError, match="written to while"), tensor_file(path) as opened:  # noqa: PT012
        opened.tensor("a")
        with path.open("r+b") as file:
            file.seek(4000)
            file.write(b"0000")
        os.utime(path, (1, 1))


def test_an_opened_network_does_not_change_with_its_file(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "net", analytic_mlp("add", p=13, width=24), ModularTask("add", p=13))
    model = load_checkpoint(path).model
    before = model.unembed.weight.clone()
    os.truncate(path, 100)  # of mapped weights, reading them would end the process
    assert model.unembed.weight.equal(before)


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [2**62], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F31", "shape": [2], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32", "shape": [-2], "data_offsets": [8, 0]}},
        {"a": {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": 2, "data_offsets": [0, 8]}}, {"a": 1}, [], {"__metadata__": {"a": 1}},
        {name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for name in "ab"},
    ],
)  # fmt: skip
def test_a_header_that_contradicts_itself_is_refused(tmp_path: Path, header: object) -> None:
    text = json.dumps(header).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))
    with pytest.raises(CheckpointError, match="cannot read weights"), tensor_file(path):
        pass


def test_a_full_disk_leaves_both_parts_of_the_old_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, task = analytic_mlp("add", p=13, width=24), ModularTask("add", p=13)
    path = save_checkpoint(tmp_path / "net", model, task, step=1)
    old = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(*args: object, **options: object) -> None:
        from safetensors import SafetensorError

        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(ConfigError, match="No space left on device"):
        save_checkpoint(path, model, task, step=2)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == old

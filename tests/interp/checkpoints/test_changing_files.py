"""Files that are written to, cut short or replaced while a checkpoint is opened: one version's figures, or an error."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from interp import files
from interp.checkpoints import save_checkpoint
from interp.checkpoints.open import load_checkpoint
from interp.checkpoints.pairs import read_pairs
from interp.data import ModularTask, TableTask
from interp.errors import GrokscopeError
from interp.jobs.worker import measure_checkpoint
from interp.models import analytic_mlp

P = 11
Step = Callable[[], None]


@pytest.fixture
def at_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Step], list[int]]:
    """Do something just before the n-th read of any file; the number of reads so far comes back."""

    def arm(step: int, act: Step) -> list[int]:
        count = [0]
        for name in ("read", "readinto"):
            before = getattr(io.BufferedReader, name)

            def wrapped(self: Any, *given: Any, before: Any = before) -> Any:
                count[0] += 1
                if count[0] == step:
                    act()
                return before(self, *given)

            monkeypatch.setattr(files._Watched, name, wrapped)
        return count

    return arm


def networks(folder: Path) -> tuple[Path, Path]:
    """Two native checkpoints of one shape and name in two folders: the closed form, and one with other weights."""
    model, task = analytic_mlp("add", p=P, width=60), ModularTask("add", p=P)
    first = save_checkpoint(folder / "one" / "net", model, task, step=1)
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.mul_(-0.5)
    return first, save_checkpoint(folder / "two" / "net", model, ModularTask("add", p=P, seed=1), step=2)


def in_place(source: Path, target: Path) -> None:
    """Write over a file, as a trainer does that opens it for writing."""
    target.write_bytes(source.read_bytes())


def renamed(source: Path, target: Path) -> None:
    shutil.copy(source, target.with_suffix(".new"))
    target.with_suffix(".new").replace(target)


def shortened(source: Path, target: Path) -> None:
    os.truncate(target, target.stat().st_size // 2)


CHANGES = {"in place": in_place, "renamed": renamed, "cut short": shortened}


def outcome(open_: Callable[[], Any]) -> bytes | None:
    """All weights and the step of what is opened; None where that is an error."""
    try:
        opened = open_()
    except GrokscopeError:
        return None
    weights = b"".join(t.numpy().tobytes() for t in opened.model.state_dict().values())
    return weights + str(opened.step).encode()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("step", range(1, 9))
def test_a_native_pair(tmp_path: Path, at_step: Any, step: int, change: Any) -> None:
    one, two = networks(tmp_path)
    whole = {outcome(lambda: load_checkpoint(one)), outcome(lambda: load_checkpoint(two)), None}

    def act() -> None:
        for source, target in zip(
            (two.with_suffix(".json"), two), (one.with_suffix(".json"), one), strict=True
        ):
            change(source, target)

    at_step(step, act)
    assert outcome(lambda: load_checkpoint(one)) in whole


def foreign(one: Path, path: Path) -> Path:
    tensors = load_file(one)
    first = torch.cat([table.T for table in tensors["embed.W_E"]], dim=1)
    weights = {"fc1.weight": first.contiguous(), "fc2.weight": tensors["unembed.W_U"].T.contiguous()}
    if path.suffix == ".npz":
        np.savez(path, **{name: tensor.numpy() for name, tensor in weights.items()})
    else:
        (save_file if path.suffix == ".safetensors" else torch.save)(weights, path)
    return path


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("suffix", [".pt", ".npz", ".safetensors"])
@pytest.mark.parametrize("step", [1, 2, 4, 7, 12, 20])
def test_strangers_files(tmp_path: Path, at_step: Any, step: int, suffix: str, change: Any) -> None:
    one, two = networks(tmp_path)
    a, b = foreign(one, tmp_path / f"a{suffix}"), foreign(two, tmp_path / f"b{suffix}")
    opened = {"activation": "square", "task": "add", "p": P}
    whole = {
        outcome(lambda: load_checkpoint(a, **opened)),
        outcome(lambda: load_checkpoint(b, **opened)),
        None,
    }
    at_step(step, lambda: change(b, a))
    assert outcome(lambda: load_checkpoint(a, **opened)) in whole


@pytest.mark.parametrize("step", [1, 3, 5, 7, 9])
def test_the_shards_of_an_index(tmp_path: Path, at_step: Any, step: int) -> None:
    places = []
    for net in networks(tmp_path):
        tensors, names = load_file(net), {}
        for i, (name, tensor) in enumerate(tensors.items()):
            names[name] = f"shard-{i}.safetensors"
            save_file({name: tensor}, net.with_name(names[name]))
        net.unlink()
        index = net.with_name("net.safetensors.index.json")
        index.write_text(json.dumps({"weight_map": names}))
        places.append(index)
    one, two = places
    whole = {outcome(lambda: load_checkpoint(one)), outcome(lambda: load_checkpoint(two)), None}
    assert len(whole) == 3

    def act() -> None:
        for file in two.parent.iterdir():
            renamed(file, one.parent / file.name)

    at_step(step, act)
    assert outcome(lambda: load_checkpoint(one)) in whole


@pytest.mark.parametrize("step", [1, 2, 3])
def test_an_own_module(tmp_path: Path, at_step: Any, step: int) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\ndef build():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3))\n"
    )
    (tmp_path / "t.csv").write_text("x,y,label\n0.5,1.5,0\n1.5,0.25,1\n2.5,1.25,2\n")
    for seed, name in enumerate("ab"):
        torch.manual_seed(seed)
        net = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)
        )
        torch.save(net.state_dict(), tmp_path / f"{name}.pt")
    opened = {"model": f"{tmp_path}/net.py:build", "sites": ("2",), "table": str(tmp_path / "t.csv")}
    a, b = tmp_path / "a.pt", tmp_path / "b.pt"
    whole = {
        outcome(lambda: load_checkpoint(a, **opened)),
        outcome(lambda: load_checkpoint(b, **opened)),
        None,
    }
    assert len(whole) == 3
    at_step(step, lambda: in_place(b, a))
    assert outcome(lambda: load_checkpoint(a, **opened)) in whole


@pytest.mark.parametrize("change", [in_place, shortened])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table(tmp_path: Path, at_step: Any, suffix: str, change: Any) -> None:
    import pyarrow
    from pyarrow import csv, parquet

    for name, shift in (("one", 0), ("two", 1)):
        table = pyarrow.table({"a": range(9), "b": range(9), "label": [(i + shift) % 3 for i in range(9)]})
        write = csv.write_csv if suffix == ".csv" else parquet.write_table
        write(table, tmp_path / f"{name}{suffix}")
    at_step(1, lambda: change(tmp_path / f"two{suffix}", tmp_path / f"one{suffix}"))
    with pytest.raises(GrokscopeError, match="was written to while it was read"):
        TableTask.from_file(tmp_path / f"one{suffix}")


@pytest.mark.parametrize("name", ["split.npy", "split.csv", "split.parquet", "split.json"])
def test_a_split(tmp_path: Path, at_step: Any, name: str) -> None:
    import pyarrow
    from pyarrow import csv, parquet

    pairs, path = np.array([[0, 1], [2, 3]]), tmp_path / name
    if name.endswith("npy"):
        np.save(path, pairs)
    elif name.endswith("json"):
        path.write_text(json.dumps(pairs.tolist()))
    else:
        table = pyarrow.table({"a": pairs[:, 0], "b": pairs[:, 1]})
        (csv.write_csv if name.endswith("csv") else parquet.write_table)(table, path)
    assert read_pairs(path)[0].tolist() == [0, 1]
    at_step(1, lambda: shortened(path, path))
    with pytest.raises(GrokscopeError, match=r"written to|cannot|no readable|no valid"):
        read_pairs(path)


@pytest.mark.parametrize("step", range(1, 5))
def test_a_job(tmp_path: Path, at_step: Any, step: int) -> None:
    one, two = networks(tmp_path)

    def row(path: Path) -> Any:
        result = measure_checkpoint(str(path)).row
        return (result["step"], result["digest"], result["ipr_mean"]) if result["status"] == "ok" else None

    whole = {row(one), row(two), None}

    def act() -> None:
        renamed(two.with_suffix(".json"), one.with_suffix(".json"))
        renamed(two, one)

    at_step(step, act)
    assert row(one) in whole

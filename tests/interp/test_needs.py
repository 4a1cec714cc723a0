"""Memory is worked out before it is taken: each need that a file or a setting can state, against a small budget."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
import torch
from pyarrow import parquet
from safetensors.torch import save_file

from interp.checkpoints import save_checkpoint
from interp.checkpoints.arrays import load_msgpack, load_npz
from interp.checkpoints.open import load_checkpoint
from interp.checkpoints.pairs import read_pairs
from interp.checkpoints.safe import load_pickle_safely, load_safetensors
from interp.data import ModularTask, TableTask
from interp.data.operations import operation_table
from interp.errors import CheckpointError, ConfigError, GrokscopeError
from interp.files import SMALL, read_bytes, read_json, read_toml
from interp.jobs.spec import read_job
from interp.jobs.toml import MOST
from interp.lab.grids.grid import read_grid
from interp.measuring.evaluation import all_logits
from interp.models import HookedMLP, MLPConfig, TransformerConfig
from interp.training import TrainConfig, prepare
from interp.training.need import memory_of

Limit = Callable[[float], None]
OVER = "[GM]iB may be used"


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Limit:
    """Set the budget, in bytes."""
    return lambda size: monkeypatch.setenv("GROKSCOPE_MEMORY", str(size / 2**30))


def test_texts_larger_than_the_budget_are_not_read(tmp_path: Path, limit: Limit) -> None:
    file = tmp_path / "large.json"
    file.write_bytes(b"[" + b"[]," * SMALL + b"[]]")
    limit(50 * SMALL)
    assert len(read_bytes(file)) == 3 * SMALL + 4
    with pytest.raises(ConfigError, match=OVER):
        read_json(file)  # its values take more than its text
    limit(2 * SMALL)
    with pytest.raises(ConfigError, match=OVER):
        read_bytes(file)


def test_room_is_made_for_a_file_and_not_for_the_largest_that_is_read(tmp_path: Path) -> None:
    import tracemalloc

    (tmp_path / "small.txt").write_bytes(b"text")
    tracemalloc.start()
    assert read_bytes(tmp_path / "small.txt", most=2**33) == b"text"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("key", ["a." * 100 + "b", '"a" . ' * 70 + "b", "[" + "'a'." * 70 + "b]\nx"])
def test_keys_of_many_parts_are_refused(tmp_path: Path, key: str) -> None:
    (tmp_path / "job.toml").write_text(f"{key} = 1\n")
    with pytest.raises(ConfigError, match="more than 64 parts"):
        read_toml(tmp_path / "job.toml", "job")


def test_numbers_texts_and_keys_of_few_parts_are_no_long_keys(tmp_path: Path) -> None:
    text = f"grid.a.b = {[0.25] * 200}\n"
    text += "title = 'e.g. this, i.e. that. And so on.'\nx = '" + "./" * 80 + "'\n"
    (tmp_path / "job.toml").write_text(text)
    assert len(read_toml(tmp_path / "job.toml", "job")["grid"]["a"]["b"]) == 200
    (tmp_path / "job.toml").write_text("# " + "a" * 2**20)
    with pytest.raises(ConfigError, match="bytes"):
        read_toml(tmp_path / "job.toml", "job")


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".npz", ".msgpack"])
def test_weights_larger_than_the_budget_are_not_read(tmp_path: Path, limit: Limit, suffix: str) -> None:
    msgpack = pytest.importorskip("msgpack")
    file, tensors = tmp_path / f"net{suffix}", {"W": torch.ones(100_000)}
    if suffix == ".msgpack":
        packed = msgpack.packb(((100_000,), "float32", tensors["W"].numpy().tobytes()))
        file.write_bytes(msgpack.packb({"W": msgpack.ExtType(1, packed)}))
    elif suffix == ".npz":
        np.savez(file, W=tensors["W"].numpy())
    else:
        {".safetensors": save_file, ".pt": torch.save}[suffix](tensors, file)
    read: Any = {".safetensors": load_safetensors, ".pt": load_pickle_safely}
    read |= {".npz": load_npz, ".msgpack": load_msgpack}
    read[suffix](file)
    limit(10**6)
    with pytest.raises(GrokscopeError, match=OVER):
        read[suffix](file)


def test_a_native_network_with_more_weights_than_its_file_is_not_built(tmp_path: Path) -> None:
    model, task = HookedMLP(MLPConfig(width=3), vocab=5), ModularTask("add", p=5)
    file = save_checkpoint(tmp_path / "net", model, task)
    save_file({"W": torch.ones(29_999), "b": torch.ones(1), "c": torch.ones(0)}, file)
    settings = json.loads(file.with_suffix(".json").read_text())
    for sides in ({"width": 20_000, "vocab": 20_000}, {"depth": 3, "width": 20_000}):
        file.with_suffix(".json").write_text(json.dumps(settings | {"model": settings["model"] | sides}))
        with pytest.raises(
            CheckpointError, match=r"a network of [\d,]+ weights, but net.safetensors holds 30,000"
        ):
            load_checkpoint(file)


def test_many_values_of_a_message_pack_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("msgpack")
    lists = b"\xdd" + (2**19).to_bytes(4, "big") + b"\x90" * 2**19
    (tmp_path / "w.msgpack").write_bytes(
        b"\x83" + b"".join(b"\xa1" + name + lists for name in (b"a", b"b", b"c"))
    )
    with pytest.raises(CheckpointError, match="more than 1048576 values"):
        load_msgpack(tmp_path / "w.msgpack")


@pytest.mark.parametrize("header", [b"{'descr': '<f4', 'shape': (3,", b"{(" * 20, b"\xff\xfe", b"'" * 9])
def test_an_array_whose_header_makes_no_sense_is_one_error(tmp_path: Path, header: bytes) -> None:
    import zipfile

    content = b"\x93NUMPY\1\0" + (len(header) + 1).to_bytes(2, "little") + header + b"\n"
    (tmp_path / "split.npy").write_bytes(content)
    with pytest.raises(CheckpointError, match="no readable array"):
        read_pairs(tmp_path / "split.npy")
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as file:
        file.writestr("W.npy", content)
    with pytest.raises(CheckpointError, match="no header of an array"):
        load_npz(tmp_path / "w.npz")


def test_an_array_that_announces_more_than_it_has_is_refused(tmp_path: Path) -> None:
    file = BytesIO()
    np.lib.format.write_array_header_1_0(file, {"shape": (10**12, 2), "fortran_order": False, "descr": "<i8"})
    (tmp_path / "split.npy").write_bytes(file.getvalue())
    with pytest.raises(CheckpointError, match="has 0 bytes for the shape"):
        read_pairs(tmp_path / "split.npy")


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_rows_of_a_table_are_counted_however_they_end(tmp_path: Path, limit: Limit, end: str) -> None:
    (tmp_path / "t.csv").write_bytes((f"a,b,label{end}" + f"1,1,1{end}" * 1000).encode())
    assert len(TableTask.from_file(tmp_path / "t.csv").dataset) == 1000
    limit(10**5)
    with pytest.raises(ConfigError, match=r"1,00\d rows and 3 columns.*" + OVER):
        TableTask.from_file(tmp_path / "t.csv")


def test_a_text_that_a_table_repeats_is_held_once(tmp_path: Path) -> None:
    same = pyarrow.nulls(1000, pyarrow.int8()).fill_null(1)
    for text, message in (("x" * 10**5, "row 1 .* expected 'train' or 'test'"), ("train", "")):
        texts = pyarrow.DictionaryArray.from_arrays(np.zeros(1000, np.int32), [text])
        table = pyarrow.table({"a": same, "b": same, "label": same, "split": texts})
        parquet.write_table(table, tmp_path / "t.parquet")
        before = pyarrow.default_memory_pool().max_memory()
        if message:
            with pytest.raises(ConfigError, match=message) as error:
                TableTask.from_file(tmp_path / "t.parquet")
            assert len(str(error.value)) < 500
        else:
            assert TableTask.from_file(tmp_path / "t.parquet").dataset.train.all()
        assert pyarrow.default_memory_pool().max_memory() <= max(before, 2 * 10**7)


@pytest.mark.parametrize("kind", ["list", "struct", "bytes"])
def test_columns_that_are_no_numbers_are_refused_by_their_type(tmp_path: Path, kind: str) -> None:
    values = {"list": [[1]] * 3, "struct": [{"a": 1}] * 3, "bytes": [b"1"] * 3}[kind]
    parquet.write_table(pyarrow.table({"a": values, "b": [1] * 3, "label": [1] * 3}), tmp_path / "t.parquet")
    with pytest.raises(ConfigError, match=r"the column 'a' .* holds '.*'; expected numbers"):
        TableTask.from_file(tmp_path / "t.parquet")


def test_all_parts_of_a_grid_or_job_count_together(tmp_path: Path) -> None:
    half = f"[grid]\nseed = {list(range(MOST // 2))}\n"
    (tmp_path / "grid.toml").write_text("out = 'o'\n" + half + "[[runs]]\n" * 100)
    (tmp_path / "job.toml").write_text("out = 'o'\n" + half + "[[files]]\npaths = ['x']\n" * 100)
    with pytest.raises(ConfigError, match=r"the 100 \[\[files\]\] have more than 50,000 combinations"):
        read_job(tmp_path / "job.toml")
    with pytest.raises(ConfigError, match=r"the 100 \[\[runs\]\] have more than 50,000 combinations"):
        read_grid(tmp_path / "grid.toml")


def test_a_name_with_a_null_character_is_refused(tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_text('out = "a\\u0000b"\n[[files]]\npaths = ["x"]\n')
    with pytest.raises(ConfigError, match="null character"):
        read_job(tmp_path / "job.toml")


def test_pairs_and_passes_within_the_budget(limit: Limit) -> None:
    task = ModularTask("add", p=61)
    model = HookedMLP(MLPConfig(width=10), vocab=61).eval()
    limit(10**6)
    assert len(task.dataset) == 61**2
    with pytest.raises(ConfigError, match=r"3,721 examples of 61 classes at 10 neurons.*" + OVER):
        all_logits(model, task.dataset)
    with pytest.raises(ConfigError, match="all pairs of operands modulo 499.*" + OVER):
        operation_table("add", 499)


def test_readings_count_together(tmp_path: Path, limit: Limit) -> None:
    """The file says nothing of its activation: logits of two readings are kept until one is chosen."""
    torch.save({"fc1.weight": torch.randn(4, 46), "fc2.weight": torch.randn(23, 4)}, tmp_path / "net.pt")
    limit(4 * 23**2 * (3 * 27 + 23))  # a pass and one reading's logits
    load_checkpoint(tmp_path / "net.pt", activation="square")
    with pytest.raises(ConfigError, match=OVER):
        load_checkpoint(tmp_path / "net.pt")


@pytest.mark.parametrize(
    "shape", [MLPConfig(width=30), TransformerConfig(d_model=8, n_heads=2, d_head=4, d_mlp=30)]
)
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_training_needs_more_with_each_size_and_is_refused_before_it_begins(
    limit: Limit, shape: Any, loss: str
) -> None:
    task, config = ModularTask("add", p=31), TrainConfig(steps=1, loss=loss)
    need = memory_of(task, shape, config)
    assert need > 4 * 3 * 31**2 * (31 + 30)
    assert memory_of(ModularTask("add", p=37), shape, config) > need
    limit(need + 1000)
    prepare(task, shape, config)
    limit(need - 1000)
    with pytest.raises(ConfigError, match=r"training a network of [\d,]+ weights on 961 pairs.*" + OVER):
        prepare(task, shape, config)


def test_a_grid_is_refused_if_one_of_its_runs_is_too_large(tmp_path: Path, limit: Limit) -> None:
    limit(2**30)
    (tmp_path / "grid.toml").write_text("out = 'o'\n[grid]\np = [7, 1009]\n")
    with pytest.raises(ConfigError, match=r"1,018,081 pairs modulo 1,009.*" + OVER):
        read_grid(tmp_path / "grid.toml")


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (MLPConfig, {"depth": 1001}), (TransformerConfig, {"n_layers": 1001}), (MLPConfig, {"tied": "false"}),
        (MLPConfig, {"bias": 1}), (MLPConfig, {"width": True}), (MLPConfig, {"dropout": "0"}),
        (TransformerConfig, {"causal": "no"}), (TransformerConfig, {"attn_coeff": True}), (MLPConfig, {"norm": None}),
    ],
)  # fmt: skip
def test_settings_of_networks_have_their_type_and_a_depth_that_can_be_built(kind: Any, settings: Any) -> None:
    config = kind()
    for name, value in settings.items():  # past the type checker of tests
        object.__setattr__(config, name, value)
    with pytest.raises(ConfigError):
        config.__post_init__()


def test_a_message_of_any_length_is_cut_in_its_middle() -> None:
    message = str(ConfigError("a" + "x" * 10**6 + "; expected b"))
    assert len(message) == 2001
    assert message.startswith("ax")
    assert message.endswith("; expected b")


def test_pairs_in_columns_of_texts_are_refused_by_their_type(tmp_path: Path) -> None:
    texts = pyarrow.DictionaryArray.from_arrays(np.zeros(9, np.int32), ["x" * 10**6])
    parquet.write_table(pyarrow.table({"a": texts, "b": [1] * 9}), tmp_path / "split.parquet")
    with pytest.raises(CheckpointError, match=r"its column 'a' holds .*; expected numbers"):
        read_pairs(tmp_path / "split.parquet")

"""Stored splits: every shape of pairs gives the same array; anything else is refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from malformed import MALFORMED
from pyarrow import parquet

from interp.checkpoints.pairs import read_pairs
from interp.errors import CheckpointError

SHARED = Path(__file__).parents[4] / "shared" / "checkpoints"
PAIRS = [(4, 1), (0, 0), (2, 22)]
WANTED = np.array(PAIRS)
LABELLED = [(a, b, a + b) for a, b in PAIRS]
NESTED = [((a, b), a + b) for a, b in PAIRS]
TABLE = {
    "a": [4, 9, 0, 2],
    "b": [1, 9, 0, 22],
    "label": [5, 18, 0, 24],
    "split": ["train", "test", "train", "train"],
}

CONTENTS: dict[str, Any] = {
    "pairs": PAIRS,
    "tuple": tuple(PAIRS),
    "lists": [list(pair) for pair in PAIRS],
    "labelled": LABELLED,
    "nested": NESTED,
    "two nested": (NESTED[0], *NESTED[1:]),
    "whole fractions": [(float(a), float(b)) for a, b in PAIRS],
    "under a key": {"test": [(7, 7)], "train": PAIRS},
    "under another key": {"p": 23, "train_pairs": NESTED},
}
ARRAYS: dict[str, Any] = {
    "int64": torch.tensor(PAIRS),
    "uint8": torch.tensor(PAIRS, dtype=torch.uint8),
    "float16": torch.tensor(PAIRS).half(),
    "labelled": torch.tensor(LABELLED),
    "columns": torch.tensor(PAIRS).T.contiguous().T,
    "under a key": {"train_data": torch.tensor(LABELLED)},
    "inputs and labels": (torch.tensor(PAIRS), torch.tensor([5, 0, 24])),
    "list of tensors": [torch.tensor(pair) for pair in PAIRS],
    "pairs of tensors": [tuple(map(torch.tensor, pair)) for pair in PAIRS],
    "tensors and labels": [(torch.tensor(pair), 3) for pair in PAIRS],
    "numpy": np.array(PAIRS),
    "numpy numbers": [tuple(map(np.int64, pair)) for pair in PAIRS],
}


def check(path: Path) -> None:
    """The file gives the wanted pairs."""
    found = read_pairs(path)
    assert found.dtype == np.int64
    assert np.array_equal(found, WANTED)


@pytest.mark.parametrize("content", [*CONTENTS.values(), *ARRAYS.values()])
@pytest.mark.parametrize("new", [True, False], ids=["archive", "old file"])
def test_pytorch_files_of_any_shape(content: Any, new: bool, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "train_data.pth", _use_new_zipfile_serialization=new)
    check(tmp_path / "train_data.pth")


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_json_of_any_shape(content: Any, tmp_path: Path) -> None:
    (tmp_path / "split.json").write_text(json.dumps(content))
    check(tmp_path / "split.json")


@pytest.mark.parametrize("rows", [PAIRS, LABELLED])
@pytest.mark.parametrize("dtype", ["<i8", ">i4", "u1", "f8"])
def test_numpy_arrays(rows: Any, dtype: str, tmp_path: Path) -> None:
    np.save(tmp_path / "pairs.npy", np.array(rows, dtype=dtype))
    check(tmp_path / "pairs.npy")


def write_csv(path: Path, table: dict[str, list[Any]], *, header: bool = True) -> Path:
    """A CSV file of these columns."""
    rows = [list(table)] * header + [list(row) for row in zip(*table.values(), strict=True)]
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


def write_parquet(path: Path, table: dict[str, list[Any]]) -> Path:
    """A Parquet file of these columns."""
    parquet.write_table(pa.table(table), path, row_group_size=2)
    return path


@pytest.mark.parametrize("write", [write_csv, write_parquet])
@pytest.mark.parametrize(
    "table",
    [
        TABLE,
        {"split": TABLE["split"], "b": TABLE["b"], "a": TABLE["a"]},
        {
            "name": list("wxyz"),
            "first": TABLE["a"],
            "loss": [0.5] * 4,
            "second": TABLE["b"],
            "split": TABLE["split"],
        },
        {"x": [4, 0, 2], "y": [1, 0, 22], "z": [7, 7, 7]},
    ],
    ids=["a, b and split", "in another order", "first whole numbers", "no split"],
)
def test_tables(write: Callable[..., Path], table: dict[str, list[Any]], tmp_path: Path) -> None:
    check(write(tmp_path / f"split.{'csv' if write is write_csv else 'parquet'}", table))


def test_a_csv_file_may_lack_its_header(tmp_path: Path) -> None:
    check(write_csv(tmp_path / "pairs.csv", {"x": [4, 0, 2], "y": [1, 0, 22]}, header=False))


def test_a_parquet_file_may_fold_its_texts(tmp_path: Path) -> None:
    table = pa.table({**TABLE, "split": pa.array(TABLE["split"]).dictionary_encode()})
    parquet.write_table(table, tmp_path / "split.parquet", row_group_size=1)
    check(tmp_path / "split.parquet")


def test_repeated_pairs_are_kept_once_but_not_silently(tmp_path: Path) -> None:
    torch.save([*PAIRS, PAIRS[1], PAIRS[0], (1, 4)], tmp_path / "x.pt")
    with pytest.warns(UserWarning, match="repeats 2 of its pairs"):
        found = read_pairs(tmp_path / "x.pt")
    assert np.array_equal(found, [*PAIRS, (1, 4)])


BAD: dict[str, Any] = {
    "nothing": [],
    "number": 3,
    "text": "train",
    "other keys": {"test": PAIRS},
    "empty under a key": {"train": []},
    "negative": [(1, -1)],
    "fraction": [(1, 0.5)],
    "beyond 2**31": [(1, 2**31)],
    "texts": [("1", "2")],
    "true": [(True, False)],
    "null": [(None, 1)],
    "four numbers": [(1, 2, 3, 4)],
    "one number": [(1,), (2,)],
    "bare numbers": [1, 2, 3],
    "uneven": [(1, 2), 3],
    "nested twice": [(((1, 2), 3), 4)],
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
@pytest.mark.parametrize("name", ["x.pt", "x.json"])
def test_what_holds_no_pairs_is_refused(name: str, content: Any, tmp_path: Path) -> None:
    if name == "x.pt":
        torch.save(content, tmp_path / name)
    else:
        (tmp_path / name).write_text(json.dumps(content))
    refuse(tmp_path / name)


def refuse(path: Path) -> str:
    """The one line with which a file is refused."""
    with pytest.raises(CheckpointError) as caught:
        read_pairs(path)
    line = str(caught.value)
    assert str(path) in line
    assert line.isprintable()
    return line


BAD_ARRAYS: dict[str, Any] = {
    "flat": torch.arange(4),
    "cube": torch.zeros(2, 2, 2),
    "four columns": torch.zeros(2, 4),
    "no rows": torch.zeros(0, 2),
    "negative": torch.tensor([[0, -1]]),
    "fraction": torch.tensor([[0, 0.5]]),
    "NaN": torch.tensor([[0, torch.nan]]),
    "infinity": torch.tensor([[0, torch.inf]]),
    "complex": torch.zeros(2, 2, dtype=torch.complex64),
    "meta": torch.zeros(2, 2, device="meta"),
    "sparse": torch.eye(2).to_sparse(),
    "weights": {"W": torch.eye(2)},
    "list of meta tensors": [torch.zeros(2, device="meta")],
    "pairs of meta tensors": [(torch.zeros((), device="meta"), 1)],
    "list of sparse tensors": [torch.ones(2).to_sparse()],
    "list of long tensors": [torch.ones(1).expand(10**7)],
    "pairs of long tensors": [(torch.ones(2), torch.ones(1).expand(10**7)), (3, torch.ones(4))],
    "millions unfolded": torch.zeros(1, dtype=torch.uint8).expand(2**23, 2),
}


@pytest.mark.parametrize("content", BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_arrays_of_anything_else_are_refused(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "x.pt")
    refuse(tmp_path / "x.pt")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", b"a,b\n1,2\n3\n"),
        ("x.csv", b"a,b\n1,x\n"),
        ("x.csv", b"a,b\n1,\n"),
        ("x.csv", b"a,b\n1,-2\n"),
        ("x.csv", b"a,c\n1,y\n"),
        ("x.csv", b"a,b\n"),
        ("x.csv", b"a,b,split\n1,2,test\n"),
        ("x.csv", b"a,a,b\n1,2,3\n"),
        ("x.csv", b"a,b,split,split\n1,2,train,train\n"),
        ("x.csv", b"a,b,split\n1,2,7\n"),
        ("x.csv", b""),
        ("x.csv", bytes(100)),
        ("x.parquet", b"PAR1" + bytes(100) + b"PAR1"),
        ("x.parquet", b"a,b\n1,2\n"),
        ("x.json", b"[[1, 2"),
        ("x.json", b"[" * 10**5),
        ("x.npy", b"\x93NUMPY\x01\x00" + bytes(100)),
        ("x.npy", b"[1, 2]"),
        ("x.npz", b"PK"),
        ("x.txt", b"1 2\n"),
    ],
)
def test_damaged_tables_are_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    refuse(tmp_path / name)


def test_arrays_of_objects_are_refused_unread(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[1, 2]], dtype=object))
    assert "object" in refuse(tmp_path / "x.npy").lower()


def test_a_small_file_of_many_rows_is_refused(tmp_path: Path) -> None:
    rows = np.zeros(5_000_000, dtype=np.int8)
    parquet.write_table(pa.table({"a": rows, "b": rows}), tmp_path / "x.parquet", compression="zstd")
    assert (tmp_path / "x.parquet").stat().st_size < 100_000
    assert "rows" in refuse(tmp_path / "x.parquet")


@pytest.mark.parametrize(
    "name", ["eval in an archive", "os.system in an old file", "web page", "sixty-fold list"]
)
def test_hostile_files_are_refused_here_too(name: str, tmp_path: Path) -> None:
    refuse(MALFORMED[name](tmp_path))
    assert not (tmp_path / "ran").exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for name in ("x.pt", "x.csv", "x.json", "x.npy"):
        assert "there is no file" in refuse(tmp_path / name)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real checkpoints are not beside the repository")
def test_a_real_split_covers_every_pair_once() -> None:
    train, test = (read_pairs(SHARED / "he_p23_quad" / f"{name}_data.pth") for name in ("train", "test"))
    assert train.shape == test.shape == (529, 2)
    assert {tuple(pair) for pair in train} == {(a, b) for a in range(23) for b in range(23)}

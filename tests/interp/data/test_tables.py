"""Users' tables against plain loops over their rows, and every way in which one can be wrong."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import csv, parquet

from interp.data import ModularTask, TableTask, Task, group_ordering, table_columns
from interp.errors import ConfigError, ExpressionError

SUFFIXES = (".csv", ".parquet")


def write(folder: Path, columns: dict[str, Any], suffix: str = ".parquet") -> Path:
    """A table of these columns."""
    path = folder / f"table{suffix}"
    rows = pyarrow.table({name: pyarrow.array(values) for name, values in columns.items()})
    (csv.write_csv if suffix == ".csv" else parquet.write_table)(rows, path)
    return path


def text(folder: Path, content: str | bytes) -> Path:
    """A CSV file with this content."""
    path = folder / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_column_is_read(tmp_path, suffix):
    generator = np.random.default_rng(0)
    true, labels = generator.integers(0, 5, (2, 40))
    split = generator.choice(["train", "test"], 40)
    columns = {
        "left": generator.integers(0, 9, 40),
        "label": labels,
        "split": split,
        "ordering": generator.integers(0, 7, 40),
        "flag": generator.random(40) > 0.5,
        "true_label": true,
        "right": generator.integers(-4, 9, 40),
    }
    path = write(tmp_path, columns, suffix)
    task = TableTask.from_file(path)
    data = task.dataset
    assert isinstance(task, Task)
    assert data.inputs.dtype == torch.int64
    for i in range(40):
        assert data.inputs[i].tolist() == [columns["left"][i], int(columns["flag"][i]), columns["right"][i]]
        assert int(data.labels[i]) == labels[i]
        assert int(data.true_labels[i]) == true[i]
        assert bool(data.train[i]) is (split[i] == "train")
        assert bool(data.test[i]) is (split[i] == "test")
        assert bool(data.corrupted[i]) is bool(split[i] == "train" and labels[i] != true[i])
    assert 0 < int(data.corrupted.sum()) < int(data.train.sum())
    assert torch.equal(data.mislabelled, data.corrupted)
    assert data.n_classes == max(*labels, *true) + 1
    assert data.split_known
    assert task.positions.tolist() == columns["ordering"].tolist()
    assert task.positions.dtype == np.int64
    assert task.ordering is task.operation is task.p is None
    assert json.loads(json.dumps(task.to_dict(), allow_nan=False)) == {
        "kind": "table",
        "operation": None,
        "p": None,
        "examples": 40,
        "classes": data.n_classes,
        "trained": int((split == "train").sum()),
        "corrupted": int(data.corrupted.sum()),
        "path": str(path),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "columns": list(columns),
    }


numbers = {
    "whole": st.integers(-(2**62), 2**62),
    "boolean": st.booleans(),
    "measured": st.floats(-1e6, 1e6, width=32),
}


@given(
    st.data(),
    st.lists(st.sampled_from(sorted(numbers)), min_size=1, max_size=4),
    st.integers(1, 12),
    st.sampled_from(SUFFIXES),
)
def test_a_table_survives_its_file(tmp_path_factory, data, kinds, n, suffix):
    def drawn(values: st.SearchStrategy) -> list[Any]:
        return data.draw(st.lists(values, min_size=n, max_size=n))

    kind_of = {"whole": pyarrow.int64(), "boolean": pyarrow.bool_(), "measured": pyarrow.float64()}
    inputs = [drawn(numbers[kind]) for kind in kinds]
    columns: dict[str, Any] = {
        f"x{i}": pyarrow.array(column, kind_of[kind])
        for i, (kind, column) in enumerate(zip(kinds, inputs, strict=True))
    }
    columns["label"], columns["true_label"] = drawn(st.integers(0, 4)), drawn(st.integers(0, 4))
    known = data.draw(st.booleans())
    split = drawn(st.sampled_from(["train", "test"])) if known else None
    if split is not None:
        columns["split"] = split
    folder = tmp_path_factory.mktemp("tables")
    read = TableTask.from_file(write(folder, columns, suffix)).dataset
    made = TableTask.from_arrays(
        np.stack([np.asarray(x, np.float32 if "measured" in kinds else np.int64) for x in inputs], axis=1),
        torch.tensor(columns["label"]),
        true_labels=np.array(columns["true_label"]),
        train=None if split is None else np.array(split) == "train",
    ).dataset
    whole_csv = suffix == ".csv" and all(value == int(value) for column in inputs for value in column)
    if not whole_csv:  # a CSV does not tell 1.0 from 1
        assert read.inputs.dtype == made.inputs.dtype
    assert made.inputs.dtype == (torch.float32 if "measured" in kinds else torch.int64)
    assert read.inputs.to(made.inputs.dtype).tolist() == made.inputs.tolist()
    for name in ("labels", "true_labels", "train", "test", "corrupted", "n_classes", "split_known"):
        first, second = getattr(read, name), getattr(made, name)
        assert torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second
    assert read.split_known is known


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "uint64", "bool"])
def test_every_whole_type_is_a_token(tmp_path, kind):
    values = np.array([0, 1, 1, 0]).astype(kind)
    path = write(tmp_path, {"x": values, "label": values})
    assert TableTask.from_file(path).dataset.inputs.tolist() == [[0], [1], [1], [0]]
    assert TableTask.from_file(path).dataset.inputs.dtype == torch.int64
    assert TableTask.from_arrays(values, values).dataset.inputs.dtype == torch.int64


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_one_column_of_measurements_makes_all_inputs_measurements(tmp_path, kind):
    columns = {"a": [1, 2], "b": np.array([1.0, 2.0], kind), "label": [0, 1]}
    data = TableTask.from_file(write(tmp_path, columns)).dataset
    assert data.inputs.dtype == torch.float32
    assert data.inputs.tolist() == [[1, 1], [2, 2]]
    inputs = torch.tensor([[0.5], [1.5]], dtype=getattr(torch, kind))
    assert TableTask.from_arrays(inputs, np.array([0, 1])).dataset.inputs.dtype == torch.float32
    assert TableTask.from_arrays(torch.ones(2, 3).bfloat16(), np.array([0, 1])).dataset.inputs.shape == (2, 3)


def test_tokens_keep_every_digit(tmp_path):
    large = [2**53 + 1, -(2**63), 2**63 - 1]
    for suffix in SUFFIXES:
        path = write(tmp_path, {"x": large, "label": [0, 1, 2]}, suffix)
        assert TableTask.from_file(path).dataset.inputs[:, 0].tolist() == large


def test_whole_labels_may_be_stored_as_floats(tmp_path):
    columns = {"x": [1, 2], "label": [0.0, 3.0], "ordering": [2.0, 0.0], "corrupted": [0.0, 0.0]}
    task = TableTask.from_file(write(tmp_path, columns))
    assert (task.dataset.labels.tolist(), task.positions.tolist()) == ([0, 3], [2, 0])


def test_texts_of_any_encoding_are_a_split(tmp_path):
    texts = ["train", "test", "train"]
    for column in (
        pyarrow.array(texts).dictionary_encode(),
        pyarrow.array(texts, pyarrow.large_string()),
        pyarrow.chunked_array([texts[:1], texts[1:]]),
    ):
        columns = {"x": pyarrow.array([1, 2, 3]), "label": pyarrow.array([0, 1, 2]), "split": column}
        parquet.write_table(pyarrow.table(columns), tmp_path / "table.parquet")
        found = TableTask.from_file(tmp_path / "table.parquet").dataset
        assert found.train.tolist() == [True, False, True]


def test_numbers_that_are_stored_as_a_dictionary(tmp_path):
    labels, inputs = (
        pyarrow.array([3, 0, 3]).dictionary_encode(),
        pyarrow.array([0.5, 7, 0.5]).dictionary_encode(),
    )
    parquet.write_table(pyarrow.table({"x": inputs, "label": labels}), tmp_path / "table.parquet")
    data = TableTask.from_file(tmp_path / "table.parquet").dataset
    assert (data.inputs.tolist(), data.labels.tolist()) == ([[0.5], [7], [0.5]], [3, 0, 3])


@pytest.mark.parametrize("content", [
    b"\xef\xbb\xbfx,label\n1,0\n2,1\n", b"x,label\r\n1,0\r\n2,1\r\n", b"x,label\n1,0\n2,1",
    b'"x","label"\n"1",0\n2,1\n\n',
])  # fmt: skip
def test_csv_of_any_program(tmp_path, content):
    data = TableTask.from_file(text(tmp_path, content)).dataset
    assert (data.inputs.tolist(), data.labels.tolist()) == ([[1], [2]], [0, 1])


def test_a_column_changes_from_whole_numbers_to_measurements_far_below(tmp_path):
    rows = ["x,label", *(f"{i},{i % 2}" for i in range(200_000)), "0.5,1"]
    data = TableTask.from_file(text(tmp_path, "\n".join(rows))).dataset
    assert data.inputs.dtype == torch.float32
    assert len(data) == 200_001
    assert data.inputs[-1].item() == 0.5


def test_without_a_split_nothing_is_trained_on_or_held_out(tmp_path):
    columns = {"x": [1, 2, 3], "label": [0, 1, 2], "true_label": [0, 1, 1], "corrupted": [False] * 3}
    task = TableTask.from_file(write(tmp_path, columns))
    data = task.dataset
    assert not data.split_known
    for name in ("train", "test", "clean", "corrupted", "mislabelled"):
        assert not getattr(data, name).any(), name
    assert data.labels.tolist() == [0, 1, 2]
    assert data.true_labels.tolist() == [0, 1, 1]
    assert (task.to_dict()["trained"], task.to_dict()["corrupted"]) == (None, None)
    assert (
        repr(task)
        == f"TableTask({str(tmp_path / 'table.parquet')!r}: 3 examples of 3 classes, split unknown)"
    )
    assert task.positions is None


def test_corruption_is_what_the_table_says_even_if_the_label_is_right_by_chance(tmp_path):
    columns = {"x": range(4), "label": [0, 1, 1, 2], "true_label": [0, 1, 2, 1], "corrupted": [0, 1, 0, 0]}
    columns["split"] = ["train", "train", "train", "test"]
    data = TableTask.from_file(write(tmp_path, columns)).dataset
    assert data.corrupted.tolist() == [False, True, False, False]
    assert data.mislabelled.tolist() == [False, False, True, False]
    del columns["corrupted"]
    data = TableTask.from_file(write(tmp_path, columns)).dataset
    assert data.corrupted.tolist() == data.mislabelled.tolist() == [False, False, True, False]


@pytest.mark.parametrize("operation", ["add", "subtract", "multiply", "divide", "a**2 + b"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_operation_gives_the_true_labels_and_the_order(tmp_path, operation, suffix):
    whole = ModularTask(operation, 7, 0.6, 0.3, "wrong", seed=1).dataset
    rows = torch.randperm(len(whole), generator=torch.Generator().manual_seed(0))[:30]
    a, b = whole.inputs[rows].T.numpy()
    columns = {
        "b": a,  # names say nothing, only the order of columns does
        "a": b.astype(float) if suffix == ".parquet" else b,
        "label": whole.labels[rows].numpy(),
        "split": np.where(whole.train[rows], "train", "test"),
    }
    task = TableTask.from_file(write(tmp_path, columns, suffix), task=operation, p=7)
    for name in ("inputs", "labels", "true_labels", "train", "corrupted"):
        assert torch.equal(getattr(task.dataset, name), getattr(whole, name)[rows]), name
    assert task.dataset.corrupted.any()
    assert (task.operation, task.p, task.dataset.n_classes) == (operation, 7, 7)
    expected = group_ordering(operation, 7)
    assert (task.ordering is None) == (expected is None)
    if expected is not None:
        assert task.ordering.right.tolist() == expected.right.tolist()
    assert f", {operation} modulo 7, {int(whole.train[rows].sum())} trained on)" in repr(task)
    assert {"operation": operation, "p": 7}.items() <= task.to_dict().items()


def test_the_modulus_is_one_more_than_the_largest_operand():
    pairs = torch.tensor([[0, 4], [1, 1]])
    task = TableTask.from_arrays(pairs, torch.tensor([4, 2]), task="add")
    assert (task.p, task.dataset.n_classes) == (5, 5)
    assert TableTask.from_arrays(pairs, torch.tensor([4, 2]), task="add", p=11).dataset.n_classes == 11
    without = TableTask.from_arrays(pairs, torch.tensor([4, 2]), p=11)
    assert (without.p, without.dataset.n_classes) == (None, 5)


def test_true_labels_of_the_table_go_before_the_operations():
    pairs, true = torch.tensor([[0, 4], [1, 1]]), np.array([0, 0])
    data = TableTask.from_arrays(
        pairs, np.array([4, 0]), true_labels=true, train=np.array([1, 1]), task="add"
    ).dataset
    assert data.true_labels.tolist() == [0, 0]
    assert data.corrupted.tolist() == [True, False]


@given(st.integers(1, 8), st.integers(0, 3), st.integers(0, 2**20))
def test_arrays_of_any_shape(n, extra, seed):
    generator = np.random.default_rng(seed)
    shape = (n, *generator.integers(1, 4, extra))
    inputs = generator.normal(size=shape) if seed % 2 else generator.integers(-5, 9, shape)
    labels, train = generator.integers(0, 6, n), generator.random(n) < 0.5
    task = TableTask.from_arrays(torch.from_numpy(inputs), labels, train=train, n_classes=6)
    assert task.dataset.inputs.shape == shape
    np.testing.assert_array_equal(task.dataset.inputs, inputs.astype(np.float32 if seed % 2 else np.int64))
    assert task.dataset.n_classes == 6
    assert task.dataset.train.tolist() == train.tolist()
    assert not task.dataset.corrupted.any()
    assert task.to_dict()["examples"] == n
    assert "path" not in task.to_dict()
    assert repr(task).startswith("TableTask(arrays: ")


def test_arrays_are_copied_and_may_be_read_only():
    inputs, labels = np.zeros((3, 2)), np.arange(3)
    for array in (inputs, labels):
        array.flags.writeable = False
    task = TableTask.from_arrays(inputs, labels, positions=labels)
    task.dataset.inputs[0], task.dataset.labels[0], task.positions[0] = 5, 2, 7
    assert task.dataset.true_labels.tolist() == [0, 1, 2]
    assert (inputs == 0).all()
    assert labels.tolist() == [0, 1, 2]


def test_a_file_is_read_once(tmp_path, monkeypatch):
    path, reads = write(tmp_path, {"x": [1, 2], "label": [0, 1]}), []
    read_bytes = table_columns.read_bytes
    counted = lambda path, *how, **more: reads.append(path) or read_bytes(path, *how, **more)  # noqa: E731
    monkeypatch.setattr(table_columns, "read_bytes", counted)
    TableTask.from_file(path)
    assert reads == [path]


def test_more_classes_than_the_labels_have(tmp_path):
    task = TableTask.from_file(write(tmp_path, {"x": [1, 2], "label": [0, 1]}))
    more = replace(task, dataset=replace(task.dataset, n_classes=10))
    assert more.to_dict()["classes"] == 10
    assert more.to_dict()["sha256"] == task.to_dict()["sha256"]


GOOD = {"x": [5, 6, 7], "label": [0, 1, 2], "true_label": [0, 1, 1], "split": ["train", "test", "train"]}
BAD_COLUMNS = [
    ({"label": None}, r"has no column 'label'; it has 'x', 'true_label', 'split'\. Expected 'label', the inputs"),
    ({"x": None}, "has no input column; it has 'label', 'true_label', 'split'"),
    ({"label": [0, -1, 1]}, r"row 2 of the column 'label' of '.*table.parquet' is -1; expected whole numbers from 0"),
    ({"label": [0, -1, 1]}, "run from -1 to 1; plus 1 they are classes from 0 to 2; drop the rows instead if -1 means"),
    ({"label": [0, -100, 1]}, "run from -100 to 1; -100 is what PyTorch leaves out of a loss: drop these rows"),
    ({"label": ["dog", "cat", "dog"]}, "is 'dog', string; .*; in alphabetical order 'cat' is 0, 'dog' 1$"),
    ({"label": [*"fedcba"][:3]}, "in alphabetical order 'd' is 0, 'e' 1, 'f' 2$"),
    ({"label": [0, 1, 1.5]}, "row 3 of the column 'label' .* is 1.5; expected whole numbers"),
    ({"label": [0, 1, 10**6]}, "row 3 of the column 'label' .* is 1000000; expected whole numbers from 0 to 999999"),
    ({"label": [0, None, 1]}, "row 2 of the column 'label' .* is empty; fill it in or drop the row"),
    ({"label": ["0", "1", "two"]}, "row 3 of the column 'label' .* is 'two', string; expected numbers throughout"),
    ({"label": ["0", "1", "2"]}, "row 1 of the column 'label' .* is '0', string; expected numbers"),
    ({"label": [[0], [1], [2]]}, "the column 'label' of the table .* holds 'list"),
    ({"label": [0.0, float("nan"), 1.0]}, "row 2 of the column 'label' .* is nan"),
    ({"true_label": [0, 1, -2]}, "row 3 of the column 'true_label' .* is -2"),
    ({"split": ["train", "valid", "test"]}, "row 2 of the column 'split' .* is 'valid'; expected 'train' or 'test'"),
    ({"split": ["train", "Test", "test"]}, "row 2 of the column 'split' .* is 'Test'"),
    ({"split": [1, 0, 1]}, "row 1 of the column 'split' .* is 1; expected 'train' or 'test'"),
    ({"split": [True, False, True]}, "row 1 of the column 'split' .* is True"),
    ({"split": ["train", "test", None]}, "row 3 of the column 'split' .* is empty"),
    ({"corrupted": [0, 0, 2]}, "row 3 of the column 'corrupted' .* is 2; expected whole numbers from 0 to 1"),
    ({"corrupted": ["no", "no", "yes"]}, "row 1 of the column 'corrupted' .* is 'no', string"),
    ({"corrupted": [0, 1, 0]}, "row 2 of the column 'corrupted' .* is corrupted but not known to be trained on"),
    ({"corrupted": [1, 0, 0], "split": None}, "row 1 .* not known to be trained on; only training .* Say which"),
    ({"corrupted": [1, 0, 1], "true_label": None}, "2 labels are corrupted, row 1 .* the first, but .* true labels"),
    ({"ordering": [0, 1, -1]}, "row 3 of the column 'ordering' .* is -1"),
    ({"ordering": [0, 1, 1700000000]}, "row 3 of the column 'ordering' .* is 1700000000; .* to 999999"),
    ({"ordering": [0, 0.5, 1]}, "row 2 of the column 'ordering' .* is 0.5"),
    ({"x": [1.0, float("nan"), 2.0]}, "row 2 of the column 'x' .* holds nan; expected finite numbers"),
    ({"x": [1.0, 2.0, float("inf")]}, "row 3 of the column 'x' .* holds inf"),
    ({"x": [1.0, 1e300, 2.0]}, r"row 2 of the column 'x' .* holds 1e\+300; expected finite .* float32"),
    ({"x": np.array([1, 2, 2**63], np.uint64)}, "row 3 of the column 'x' .* 9223372036854775808; .* below 2"),
    ({"x": [1, None, 2]}, "row 2 of the column 'x' .* is empty"),
    ({"x": [True, None, False]}, "row 2 of the column 'x' .* is empty"),
    ({"x": pyarrow.nulls(3)}, "row 1 of the column 'x' .* is empty"),
    ({"x": ["a", "b", "c"]}, "row 1 of the column 'x' .* is 'a', string; expected numbers"),
    ({"x": np.array(["2020-01-01"] * 3, "datetime64[s]")}, "row 1 of the column 'x' .* timestamp"),
    ({"true_labels": [0, 1, 1]}, "a column 'true_labels' that is no input by its name; did you mean 'true_label'"),
    ({" Label": [0, 1, 1]}, "a column ' Label' that is no input by its name; did you mean 'label'"),
    ({"True Label": [0, 1, 1]}, "a column 'True Label' .* did you mean 'true_label'"),
    ({"": [0, 1, 2]}, r"has an index \(''\) among its columns; write it without \(index=False\)"),
    ({"__index_level_0__": [0, 1, 2]}, "has an index"),
    ({"Unnamed: 0": [0, 1, 2]}, "has an index"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), BAD_COLUMNS)
def test_a_column_that_cannot_be_used_is_named(tmp_path, change, message):
    TableTask.from_file(write(tmp_path, GOOD))
    path = write(tmp_path, {name: values for name, values in (GOOD | change).items() if values is not None})
    with pytest.raises(ConfigError, match=message):
        TableTask.from_file(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot read the table '.*table.csv': Empty CSV file; a CSV has a header, its row #1"),
        ("\n", "cannot read .*: CSV parse error: Empty CSV file"),
        ("x,label\n", "has no rows; expected at least one example"),
        ("x,label\n1,0\n2\n", "Row #3: Expected 2 columns, got 1: 2; .* as many values in every row"),
        ("x,label\n1,0\n2,1,5\n", "Row #3: Expected 2 columns, got 3"),
        ("x,x,label\n1,2,0\n", "two columns named 'x'; rename or drop one"),
        ("1,2,0\n3,4,1\n", "has no column 'label'; it has '1', '2', '0'"),
        ("x;label\n1;0\n", "has no column 'label'; it has 'x;label'.*; a CSV separates them by commas"),
        ("x, label\n1, 0\n", "a column ' label' .* did you mean 'label'"),
        (",x,label\n0,5,0\n", "has an index"),
        ("x,label\n1,0\n,1\n", "row 2 of the column 'x' .* is empty"),
        ("x,label\n1,0\nnan,1\n", "row 2 of the column 'x' .* is empty"),
        ("x,label\n1,0\n2,\n", "row 2 of the column 'label' .* is empty"),
        ("x,label\n1,0\n?,1\n", r"row 2 of the column 'x' .* is '\?', string"),
        ("x,label,split\n1,0,train\n2,1,\n", "row 2 of the column 'split' .* is ''; expected 'train'"),
        (b"x,label\n\xff\xfe,1\n", "row 1 of the column 'x' .* binary; expected numbers"),
        (b"\xff\xfe,label\n1,0\n", "cannot read .*decode"),
        ("x,label\n1,0\n".encode("utf-16"), "cannot read"),
        ('x,"label\n1,0\n', "cannot read"),
    ],
)
def test_a_csv_that_cannot_be_used_says_why(tmp_path, content, message):
    with pytest.raises(ConfigError, match=message) as raised:
        TableTask.from_file(text(tmp_path, content))
    assert "table.csv" in str(raised.value)


def test_files_that_are_not_what_they_are_called(tmp_path):
    good = write(tmp_path, GOOD)
    content = good.read_bytes()
    for name, changed, message in (
        ("a.csv", content, "is a Parquet file, no CSV; rename it after what it is"),
        ("a.parquet", b"x,label\n1,0\n", "is no Parquet file; rename it"),
        ("b.parquet", b"", "is no Parquet file"),
        ("c.parquet", content[:-20], "cannot read .*is it damaged"),
        ("d.parquet", content[:4] + b"\0" * 200 + content[-4:], "cannot read .*is it damaged"),
        ("e.txt", content, "should end in .csv or .parquet"),
        ("f", content, "should end in .csv or .parquet"),
        ("g.csv.gz", content, "should end in .csv or .parquet"),
    ):
        (tmp_path / name).write_bytes(changed)
        with pytest.raises(ConfigError, match=message) as raised:
            TableTask.from_file(tmp_path / name)
        assert name in str(raised.value)
    (tmp_path / "GOOD.PARQUET").write_bytes(content)
    assert len(TableTask.from_file(tmp_path / "GOOD.PARQUET").dataset) == 3


def test_a_damaged_parquet_file_is_an_error_or_another_table_but_never_a_crash(tmp_path):
    content = write(tmp_path, GOOD | {"corrupted": [0, 0, 1], "ordering": [0, 1, 2]}).read_bytes()
    generator, refused = np.random.default_rng(0), 0
    for _ in range(150):
        damaged = bytearray(content)
        for place in generator.integers(4, len(content), 3):
            damaged[place] = generator.integers(256)
        (tmp_path / "damaged.parquet").write_bytes(damaged)
        try:
            TableTask.from_file(tmp_path / "damaged.parquet")
        except ConfigError as error:
            refused += "damaged.parquet" in str(error)
    assert refused > 50


def test_places_without_a_table(tmp_path):
    write(tmp_path, GOOD)
    with pytest.raises(ConfigError, match=r"tabel.parquet'; did you mean 'table.parquet'\?"):
        TableTask.from_file(str(tmp_path / "tabel.parquet"))
    with pytest.raises(ConfigError, match=r"there is no table .*; nor a folder '.*nowhere'"):
        TableTask.from_file(tmp_path / "nowhere" / "table.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ConfigError, match=r"folder\.csv' is a folder; expected one of its files"):
        TableTask.from_file(tmp_path / "folder.csv")
    with pytest.raises(ConfigError, match=r"cannot read the table .*null"):
        TableTask.from_file("table\0.csv")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read(tmp_path):
    path = write(tmp_path, GOOD)
    path.chmod(0)
    with pytest.raises(ConfigError, match="Permission denied"):
        TableTask.from_file(path)


@pytest.mark.parametrize("name", ["x", "label"])
def test_a_name_that_occurs_twice(tmp_path, name):
    names = ["x", "label", name]
    rows = pyarrow.Table.from_arrays([pyarrow.array([0, 1])] * 3, names=names)
    parquet.write_table(rows, tmp_path / "table.parquet")
    with pytest.raises(ConfigError, match=r"table.parquet"):
        TableTask.from_file(tmp_path / "table.parquet")


PAIRS = {"a": [0, 1, 4], "b": [3, 2, 1], "label": [3, 3, 0]}
BAD_TASKS = [
    ({}, {"task": "plus"}, "unknown operation 'plus'; expected one of add"),
    ({}, {"task": "divide", "p": 6}, "divide needs a prime modulus, not p=6, .*; the next prime is 7$"),
    ({"a": [0, 1, 5]}, {"task": "divide"}, r"not p=6, .*; the next prime is 7. p=6 is one more than .* give p"),
    ({}, {"task": "add", "p": 4}, r"row 3 of the column 'a, b' .* is \(4, 1\); expected operands of add modulo 4$"),
    ({"a": [0, -1, 4]}, {"task": "add"}, "row 2 of the column 'a, b' .* is -1"),
    ({"a": [0, 1.5, 4]}, {"task": "add"}, "row 2 of the column 'a, b' .* is 1.5; expected whole numbers"),
    ({"b": [3, 0, 1]}, {"task": "divide", "p": 5}, r"row 2 .* is \(1, 0\); expected operands of divide modulo 5"),
    ({"b": None}, {"task": "add"}, r"'add' needs exactly two input columns, its operands; the column 'a' .*\(3, 1\)"),
    ({"c": [0, 0, 0]}, {"task": "add"}, r"needs exactly two .*; the column 'a, b, c' .* Leave out the task"),
    ({"label": [3, 7, 0]}, {"task": "add", "p": 5}, "row 2 of .* is 7; .* from 0 to 4. Labels run from 0 to 7$"),
    ({"label": [3, 7, 0]}, {"task": "add"}, "row 2 .* is 7; .* from 0 to 4. p=5 is one more than the largest operand"),
    ({"label": [4, 5, 1]}, {"task": "add", "p": 5}, "from 1 to 5; minus 1 .* the results in 66.7 % of the rows"),
    ({"true_label": [3, 5, 0]}, {"task": "add"}, "row 2 of the column 'true_label' .* is 5"),
    ({"a": [0, 0, 0], "b": [0, 0, 0]}, {"task": "add"}, "p=1 is no usable modulus.* one more than the largest"),
    ({"a": [0, 0, 9999]}, {"task": "add"}, "p=10000 is no usable modulus.* one more than the largest"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "options", "message"), BAD_TASKS)
def test_a_task_that_does_not_fit_the_table(tmp_path, change, options, message):
    TableTask.from_file(write(tmp_path, PAIRS), task="add", p=5)
    path = write(tmp_path, {name: values for name, values in (PAIRS | change).items() if values is not None})
    with pytest.raises(ConfigError, match=message):
        TableTask.from_file(path, **options)


def test_a_polynomial_that_does_not_parse(tmp_path):
    with pytest.raises(ExpressionError, match=r"cannot read the expression 'a \+'"):
        TableTask.from_file(write(tmp_path, PAIRS), task="a +")


INPUTS, LABELS = np.zeros((3, 2), int), np.array([0, 1, 2])
BAD_ARRAYS = [
    ({"inputs": np.zeros((0, 2))}, r"inputs has shape \(0, 2\); expected at least one example"),
    ({"inputs": np.array(3)}, r"inputs has shape \(\); expected at least one example"),
    ({"inputs": np.zeros((3, 0))}, r"inputs has shape \(3, 0\)"),
    ({"inputs": np.array(["a", "b", "c"])}, "inputs has type <U1; expected numbers"),
    ({"inputs": np.zeros(3, complex)}, "inputs has type complex128; expected numbers"),
    ({"inputs": np.array([[0, 0], [0, np.inf], [0, 0]])}, r"inputs\[1\] holds inf; expected finite"),
    ({"labels": np.array([0, 1])}, r"labels has shape \(2,\); expected \(3,\) as of inputs"),
    ({"labels": np.array([[0, 1, 2]])}, r"labels has shape \(1, 3\)"),
    ({"labels": np.array([0, 1, -5])}, r"labels\[2\] is -5; expected whole numbers from 0 to 999999"),
    ({"labels": np.array([0.5, 1, 5])}, r"labels\[0\] is 0.5"),
    ({"labels": np.array(["0", "1", "2"])}, "labels has type <U1; expected whole numbers .* '0' is 0, '1' 1"),
    ({"true_labels": torch.tensor([0, 1, -1])}, r"true_labels\[2\] is -1"),
    ({"train": np.array([0, 1, 2])}, r"train\[2\] is 2; expected whole numbers from 0 to 1"),
    ({"train": np.ones(4, bool)}, r"train has shape \(4,\)"),
    ({"train": [1, 0, 0], "corrupted": [0, 0, 1], "true_labels": LABELS}, r"corrupted\[2\] is corrupted but not known"),
    ({"train": [1, 0, 0], "corrupted": [1, 0, 0]}, r"1 labels are corrupted, corrupted\[0\] the first"),
    ({"n_classes": 2}, r"labels\[2\] is 2; expected whole numbers from 0 to 1"),
    ({"n_classes": 0}, "n_classes=0 is too few; expected at least 1"),
    ({"n_classes": 4, "task": "add", "p": 5}, "n_classes=4 is too few; expected at least 5"),
    ({"positions": np.array([0, 1, -1])}, r"positions\[2\] is -1"),
    ({"positions": np.array([0, 1])}, r"positions has shape \(2,\)"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), BAD_ARRAYS)
def test_arrays_that_cannot_be_used_are_named(change, message):
    TableTask.from_arrays(INPUTS, LABELS)
    arrays = {"inputs": INPUTS, "labels": LABELS} | {
        name: np.array(value) if isinstance(value, list) else value for name, value in change.items()
    }
    with pytest.raises(ConfigError, match=message):
        TableTask.from_arrays(**arrays)


def test_messages_name_the_whole_path(tmp_path):
    path = write(tmp_path, GOOD | {"label": [0, 1, -1]})
    with pytest.raises(ConfigError, match=re.escape(repr(str(path)))):
        TableTask.from_file(path)


ELEVEN = torch.cartesian_prod(torch.arange(11), torch.arange(11))
SUMS = ELEVEN.sum(1) % 11


def redrawn(labels: torch.Tensor, share: float, n_classes: int = 11) -> torch.Tensor:
    """The labels with some redrawn at random."""
    generator = torch.Generator().manual_seed(0)
    chosen = torch.rand(len(labels), generator=generator) < share
    return torch.where(chosen, torch.randint(n_classes, labels.shape, generator=generator), labels)


@pytest.mark.parametrize("stated", [True, False])
@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize(("low", "by", "words"), [(1, -1, "plus 1"), (0, 1, "minus 1"), (0, 0, "with other")])
def test_classes_that_are_numbered_unlike_their_rule_are_an_error(low, by, words, noise, stated):
    inside = (low <= SUMS) & (low + 10 > SUMS)
    true = SUMS[inside]
    rule = {"true_labels": true} if stated else {"task": "add", "p": 11}
    if by:
        labels = redrawn(true - low, noise, 10) + low + by
        words = (
            f"{low + by} to {low + by + 9}, .* from {low} to {low + 9}, .*: {words} the labels equal them in"
        )
    else:
        labels, words = (
            true * 7 % 11,
            r"with other numbers \(0 for 0, 7 for 1, .*are the same classes in 100.0 %",
        )
    with pytest.raises(ConfigError, match=words):
        TableTask.from_arrays(ELEVEN[inside], labels, **rule)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("n_classes", [2, 11])
def test_redrawn_labels_are_no_numbering(share, n_classes):
    true = SUMS % n_classes
    labels = redrawn(true, share, n_classes)
    data = TableTask.from_arrays(ELEVEN, labels, true_labels=true, train=torch.ones(121).bool()).dataset
    assert data.corrupted.tolist() == (labels != true).tolist()


def test_another_rule_is_no_numbering_and_stated_corruption_is_believed():
    differences = (ELEVEN[:, 0] - ELEVEN[:, 1]) % 11
    assert not TableTask.from_arrays(ELEVEN, differences, task="add", p=11).dataset.corrupted.any()
    assert TableTask.from_arrays(ELEVEN, 0 * SUMS, task="add", p=11).operation == "add"
    all_rows = torch.ones(121).bool()
    shifted = (SUMS + 1) % 11
    marked = {"train": all_rows, "corrupted": all_rows}
    assert TableTask.from_arrays(ELEVEN, shifted, true_labels=SUMS, **marked).dataset.corrupted.all()


def test_a_column_of_results_is_compared_with_the_task_too():
    inside = SUMS < 10
    pairs, labels = ELEVEN[inside], SUMS[inside] + 1
    with pytest.raises(ConfigError, match=r"the results of add modulo 11 from 0 to 9.*or name the task"):
        TableTask.from_arrays(pairs, labels, true_labels=labels, task="add", p=11)
    assert TableTask.from_arrays(pairs, labels, true_labels=labels, task="a + b + 1", p=11).p == 11

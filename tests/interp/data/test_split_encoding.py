"""Encoded splits, also of a list of pairs, against plain loops."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.data import Dataset, TableTask, operation_table
from interp.data.split_decoding import decode_split
from interp.data.split_encoding import encode_pairs, encode_split, rows_of_pairs
from interp.errors import CheckpointError, ConfigError


@given(st.integers(1, 40), st.integers(2, 9), st.integers(0, 2**20))
def test_a_split_survives_json(n, n_classes, seed):
    generator = np.random.default_rng(seed)
    true, train = generator.integers(0, n_classes, n), generator.random(n) < 0.6
    labels = np.where(train & (generator.random(n) < 0.5), generator.integers(0, n_classes, n), true)
    corrupted = train & ((labels != true) | (generator.random(n) < 0.1))
    data: Dataset = TableTask.from_arrays(
        np.arange(n), labels, true_labels=true, train=train, corrupted=corrupted, n_classes=n_classes
    ).dataset
    stored = json.loads(json.dumps(encode_split(data)))
    for found, expected in zip(
        decode_split(stored, true, n_classes), (train, corrupted, labels), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_unpacking_leaves_the_true_labels_alone():
    split = {"train": "oA==", "corrupted": "IA==", "corrupted_labels": [0]}
    true = np.array([0, 1, 2])
    train, corrupted, labels = decode_split(split, true, 3)
    assert train.tolist() == [True, False, True]
    assert corrupted.tolist() == [False, False, True]
    assert labels.tolist() == [0, 1, 0]
    assert true.tolist() == [0, 1, 2]
    with pytest.raises(CheckpointError, match="expected one label from 0 to 2"):
        decode_split(split | {"corrupted_labels": [3]}, true, 3)


@given(
    operation=st.sampled_from(["add", "divide"]),
    pairs=st.lists(st.tuples(st.integers(-2, 6), st.integers(-2, 6)), max_size=12),
)
def test_pairs_are_found_as_by_a_loop(operation, pairs):
    operands = operation_table(operation, 5)[0]
    row = {tuple(pair): i for i, pair in enumerate(operands.tolist())}
    found = rows_of_pairs(operands, np.array(pairs, int).reshape(-1, 2))
    assert found.tolist() == [row.get(pair, -1) for pair in pairs]


def test_the_split_of_some_pairs():
    operands, true = operation_table("add", 4)
    split = encode_pairs(operands, np.array([[3, 3], [0, 1], [3, 3]]))
    train, corrupted, labels = decode_split(split, true, 4)
    assert np.flatnonzero(train).tolist() == [1, 15]
    assert not corrupted.any()
    np.testing.assert_array_equal(labels, true)
    with pytest.raises(ConfigError, match=r"the training pair \(4, 0\) is not among .* \(1 of 2 are not\)"):
        encode_pairs(operands, np.array([[3, 3], [4, 0]]))

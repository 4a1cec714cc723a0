"""Writing splits in a compact form for JSON, of a dataset or of a list of training pairs."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from jaxtyping import Int

from interp.data.dataset import Dataset
from interp.errors import ConfigError

UNKNOWN = "unknown"  # the split of a task whose training set nobody knows


def encode_split(data: Dataset) -> dict[str, Any]:
    """The split of a dataset in a compact form for JSON: two bit masks in base64, and the redrawn labels."""
    return {
        "train": _bits(data.train.cpu().numpy()),
        "corrupted": _bits(data.corrupted.cpu().numpy()),
        "corrupted_labels": data.labels[data.corrupted].tolist(),
    }


def _bits(mask: np.ndarray) -> str:
    return base64.b64encode(np.packbits(mask).tobytes()).decode("ascii")


def encode_pairs(operands: Int[np.ndarray, "example 2"], pairs: Int[np.ndarray, "pair 2"]) -> dict[str, Any]:
    """The split, in compact form, that trains on exactly these pairs, in any order, and corrupts none.

    Raises:
        ConfigError: A pair is not among the operands.

    Example:
        >>> encode_pairs(np.array([[0, 0], [0, 1], [1, 0]]), np.array([[1, 0], [0, 0]]))["train"]
        'oA=='
    """
    rows = rows_of_pairs(operands, pairs)
    if (rows < 0).any():
        outside, (a, b) = int((rows < 0).sum()), pairs[rows < 0][0].tolist()
        raise ConfigError(
            f"the training pair ({a}, {b}) is not among the task's operands ({outside} of {len(pairs)} are not); "
            "is the split for another modulus or operation?"
        )
    train = np.zeros(len(operands), bool)
    train[rows] = True
    return {"train": _bits(train), "corrupted": _bits(np.zeros_like(train)), "corrupted_labels": []}


def rows_of_pairs(
    operands: Int[np.ndarray, "example 2"], pairs: Int[np.ndarray, "pair 2"]
) -> Int[np.ndarray, " pair"]:
    """For each pair, which row of `operands` it is; -1 where it is none.

    Example:
        >>> rows_of_pairs(np.array([[0, 0], [0, 1], [1, 0]]), np.array([[1, 0], [1, 1], [-1, 0]])).tolist()
        [2, -1, -1]
    """
    size = int(operands.max()) + 1
    row = np.full((size, size), -1)
    row[operands[:, 0], operands[:, 1]] = np.arange(len(operands))
    inside = (pairs.min(axis=1) >= 0) & (pairs.max(axis=1) < size)
    known = np.where(inside[:, None], pairs, 0).astype(np.int64)
    return np.asarray(np.where(inside, row[known[:, 0], known[:, 1]], -1))

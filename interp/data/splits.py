"""Splits in a compact form for JSON, and splits made of a list of training pairs."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int

from interp.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from interp.data.datasets import Dataset

UNKNOWN = "unknown"
"""The split of a task whose training set nobody knows."""


def packed_split(data: Dataset) -> dict[str, Any]:
    """The split of a dataset in a compact form for JSON: two bit masks in base64, and the redrawn labels."""
    return {
        "train": _bits(data.train.cpu().numpy()),
        "corrupted": _bits(data.corrupted.cpu().numpy()),
        "corrupted_labels": data.labels[data.corrupted].tolist(),
    }


def _bits(mask: np.ndarray) -> str:
    return base64.b64encode(np.packbits(mask).tobytes()).decode("ascii")


def unpack_split(split: Any, results: np.ndarray, p: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Masks of trained and corrupted examples, and the labels, from `packed_split`'s form.

    Raises:
        CheckpointError: It is malformed.
    """
    n = len(results)

    def mask(name: str) -> np.ndarray:
        try:
            packed = np.frombuffer(base64.b64decode(split[name], validate=True), np.uint8)
        except (KeyError, ValueError, TypeError) as error:
            raise CheckpointError(f"the stored split has no readable {name!r} mask: {error!r}") from None
        if len(packed) != (n + 7) // 8:
            raise CheckpointError(
                f"the stored {name!r} mask has {len(packed)} bytes; {n} examples need {(n + 7) // 8}"
            )
        return np.unpackbits(packed, count=n).astype(bool)

    train, corrupted = mask("train"), mask("corrupted")
    labels, redrawn = results.copy(), _redrawn_labels(split.get("corrupted_labels"), int(corrupted.sum()), p)
    if (corrupted & ~train).any():
        raise CheckpointError("the stored split corrupts examples outside the training set")
    if len(redrawn):
        labels[corrupted] = redrawn
    return train, corrupted, labels


def _redrawn_labels(stored: Any, n: int, p: int) -> np.ndarray:
    """The stored labels of n corrupted examples as integers, or an error."""
    try:
        labels = np.asarray(stored)
    except ValueError:
        labels = np.asarray(None)
    is_integer = labels.dtype.kind in "iu" or labels.size == 0
    if labels.shape != (n,) or not is_integer or (n and not 0 <= labels.min() <= labels.max() < p):
        raise CheckpointError(
            f"the stored split has labels of shape {labels.shape} for {n} corrupted examples; "
            f"expected one label from 0 to {p - 1} each, as whole numbers"
        )
    return labels


def split_of_pairs(operands: np.ndarray, pairs: Int[np.ndarray, "pair 2"]) -> dict[str, Any]:
    """The split, in compact form, that trains on exactly these pairs and corrupts none.

    Raises:
        ConfigError: A pair is not among the operands.
    """
    row = {(int(a), int(b)): i for i, (a, b) in enumerate(operands)}
    train = np.zeros(len(operands), bool)
    for a, b in pairs:
        if (int(a), int(b)) not in row:
            raise ConfigError(
                f"the training pair ({a}, {b}) is not among the task's operands; is the split for another modulus?"
            )
        train[row[int(a), int(b)]] = True
    none = np.zeros(len(operands), bool)
    return {"train": _bits(train), "corrupted": _bits(none), "corrupted_labels": []}

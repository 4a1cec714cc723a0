"""Reading splits that `interp.data.split_encoding` wrote. Needs no PyTorch."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from interp.errors import CheckpointError


def decode_split(split: Any, results: np.ndarray, p: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Masks of trained and corrupted examples, and the labels, of what `encode_split` gives, unless it is malformed."""
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
    labels = results.copy()
    labels[corrupted] = _redrawn_labels(split.get("corrupted_labels"), int(corrupted.sum()), p)
    if (corrupted & ~train).any():
        raise CheckpointError("the stored split corrupts examples outside the training set")
    return train, corrupted, labels


def _redrawn_labels(stored: Any, n: int, p: int) -> np.ndarray:
    try:
        labels = np.asarray(stored)
    except ValueError:  # lists of different lengths
        labels = np.asarray(None)
    is_integer = labels.dtype.kind in "iu" or labels.size == 0
    if labels.shape != (n,) or not is_integer or (n and not 0 <= labels.min() <= labels.max() < p):
        raise CheckpointError(
            f"the stored split has labels of shape {labels.shape} for {n} corrupted examples; "
            f"expected one label from 0 to {p - 1} each, as whole numbers"
        )
    return labels

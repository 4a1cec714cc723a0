"""Training pairs, from the split that someone stored beside a network."""

from __future__ import annotations

import io
import warnings
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Int64
from pyarrow import csv, parquet
from torch import Tensor

from interp.checkpoints.arrays import read_array
from interp.checkpoints.safe import load_pickle_safely, read_json, said_by
from interp.errors import CheckpointError
from interp.files import read_bytes
from interp.parquet import check_parquet

MAX_PAIRS = 2**22
LARGEST = 2**31
MAX_TABLE = 2**26  # bytes of a table
MAX_ARRAY = 2**28
TRAIN = ("train", "train_data", "train_pairs", "pairs")
ACCEPTED = "a list of (a, b), (a, b, label) or ((a, b), label)"


def read_pairs(path: Path | str) -> Int64[np.ndarray, "pair 2"]:
    """The pairs a network was trained on, each once, in the order of their first appearance.

    Args:
        path: A PyTorch file, ``.json`` or ``.npy`` of pairs, with or without labels, where a dictionary has them
            under ``train``, ``train_data``, ``train_pairs`` or ``pairs``; or a ``.csv`` or ``.parquet`` table
            with columns ``a`` and ``b``, or else two columns of whole numbers first, of which a column ``split``
            may pick the rows that say ``train``.

    Returns:
        Whole numbers from 0. Repeated pairs are named in a warning.

    Raises:
        CheckpointError: The file cannot be read, or holds no such pairs.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, "split.json").write_text('{"train": [[[2, 0], 2], [[1, 1], 2]]}')
        ...     read_pairs(Path(folder, "split.json"))
        array([[2, 0],
               [1, 1]])
    """
    path = Path(path)
    match path.suffix.lower():
        case ".csv" | ".parquet":
            pairs = _from_table(path)
        case ".json":
            pairs = _from_content(path, read_json(path))
        case ".npy":
            pairs = _from_content(path, _load_array(path))
        case ".npz":
            raise CheckpointError(f"{str(path)!r} can hold several arrays; store the training pairs as .npy")
        case _:
            pairs = _from_content(path, load_pickle_safely(path))
    whole = (
        pairs.dtype.kind in "iuf" and ((pairs >= 0) & (pairs < LARGEST) & (pairs == np.floor(pairs))).all()
    )
    if not whole:
        raise CheckpointError(f"{str(path)!r} holds pairs of other than whole numbers from 0")
    pairs = pairs.astype(np.int64)
    _, first = np.unique(pairs @ np.array([LARGEST, 1]), return_index=True)
    if len(first) < len(pairs):
        repeated = len(pairs) - len(first)
        warnings.warn(f"{str(path)!r} repeats {repeated} of its pairs; each is kept once", stacklevel=2)
    return pairs[np.sort(first)]


def _from_content(path: Path, content: Any) -> np.ndarray:
    if isinstance(content, dict):
        key = next((name for name in TRAIN if name in content), None)
        if key is None:
            raise CheckpointError(f"{str(path)!r} has none of the keys {', '.join(map(repr, TRAIN))}")
        content = content[key]
    if isinstance(content, list | tuple) and len(content) == 2 and getattr(content[0], "ndim", 0) == 2:
        content = content[0]  # inputs, then labels
    if isinstance(content, np.ndarray | Tensor):
        shape = tuple(content.shape)
        if len(shape) != 2 or shape[1] not in (2, 3) or not 0 < shape[0] <= MAX_PAIRS:
            raise CheckpointError(f"{str(path)!r} has shape {shape}; expected (pairs, 2) or (pairs, 3)")
        return _numbers(path, content)[:, :2]
    if not isinstance(content, list | tuple) or not 0 < len(content) <= MAX_PAIRS:
        raise CheckpointError(
            f"{str(path)!r} holds no pairs but a {type(content).__name__}; expected {ACCEPTED}"
        )
    return np.array([_pair(path, item) for item in content])


def _pair(path: Path, item: Any) -> tuple[int, int]:
    nested = isinstance(item, list | tuple) and len(item) == 2 and _length(item[0]) > 0
    inner = item[0] if nested else item
    if _length(inner) not in (2, 3):
        raise CheckpointError(
            f"{str(path)!r} has a {type(item).__name__} among its pairs; expected {ACCEPTED}"
        )
    both = _numbers(path, inner).tolist() if isinstance(inner, Tensor) else list(inner)
    for i, one in enumerate(both[:2]):
        if isinstance(one, Tensor) and one.numel() == 1:
            both[i] = one = _numbers(path, one).item()
        real = isinstance(one, Real) and not isinstance(one, bool)
        if not real or not 0 <= one < LARGEST or one != int(one):
            raise CheckpointError(f"{str(path)!r} holds pairs of other than whole numbers from 0")
    return int(both[0]), int(both[1])


def _length(item: Any) -> int:
    """Number of entries of a list or a flat array; 0 for anything else."""
    flat = isinstance(item, list | tuple) or getattr(item, "ndim", 0) == 1
    return len(item) if flat else 0


def _numbers(path: Path, content: np.ndarray | Tensor) -> np.ndarray:
    if isinstance(content, np.ndarray):
        return content
    try:
        if content.is_complex():
            raise TypeError("complex numbers")
        return content.detach().to(torch.float64).numpy()
    except (RuntimeError, TypeError):
        raise CheckpointError(f"{str(path)!r} holds a tensor that is no plain array of pairs") from None


def _load_array(path: Path) -> np.ndarray:
    data = read_bytes(path, least=1, most=MAX_ARRAY, error=CheckpointError)
    try:
        return read_array(io.BytesIO(data), path.name)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{str(path)!r} is no readable array: {said_by(error)}") from None


def _from_table(path: Path) -> np.ndarray:
    source = pa.BufferReader(read_bytes(path, least=1, most=MAX_TABLE, error=CheckpointError))
    try:
        table = _parquet(source) if path.suffix.lower() == ".parquet" else _csv(source)
        pairs = np.stack([table.column(name).to_numpy() for name in _operands(table.schema)], axis=1)
        if "split" in table.column_names:
            pairs = pairs[_is_train(table)]
    except (pa.ArrowException, OSError, ValueError, LookupError, TypeError) as error:
        raise CheckpointError(f"{str(path)!r} is no readable table of pairs: {said_by(error)}") from None
    if not len(pairs):
        raise CheckpointError(f"{str(path)!r} has no rows of training pairs")
    return pairs


def _is_train(table: pa.Table) -> np.ndarray:
    parts = [np.zeros(0, dtype=bool)]
    for chunk in table.column("split").dictionary_encode().chunks:
        known = chunk.dictionary.to_pylist()
        train = known.index("train") if "train" in known else -1
        parts.append(chunk.indices.to_numpy(zero_copy_only=False) == train)
    return np.concatenate(parts)


def _operands(schema: pa.Schema) -> list[str]:
    if {"a", "b"} <= set(schema.names):
        for name in ("a", "b"):
            kind = schema.field(name).type
            if not pa.types.is_integer(kind) and not pa.types.is_floating(kind):
                raise ValueError(f"its column {name!r} holds {str(kind)[:40]}; expected numbers")
        return ["a", "b"]
    whole = [column.name for column in schema if pa.types.is_integer(column.type)]
    if len(whole) < 2:
        raise ValueError(f"it has no columns a and b, and no two of whole numbers, among {schema.names[:8]}")
    return whole[:2]


def _parquet(source: pa.BufferReader) -> pa.Table:
    schema = parquet.read_schema(source)
    split = ["split"] if "split" in schema.names else []
    check_parquet(source, "a table of pairs", rows_at_most=MAX_PAIRS)
    # As a dictionary, a text is held once, however often the file repeats it.
    return parquet.ParquetFile(source, read_dictionary=split).read(columns=_operands(schema) + split)


def _csv(source: pa.BufferReader) -> pa.Table:
    table = csv.read_csv(source)
    if all(name.strip().isdigit() for name in table.column_names):  # no header
        source.seek(0)
        table = csv.read_csv(source, read_options=csv.ReadOptions(autogenerate_column_names=True))
    return table

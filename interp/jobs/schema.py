"""The tables that a job writes, in Arrow: one row a checkpoint; one row a neuron, or a sequence of a language model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from interp.data.splits import SPLITS
from interp.jobs import columns
from interp.language.columns import MEMORY_COLUMNS
from probes.columns import expanded

NAME = pa.dictionary(pa.int32(), pa.string())
WHERE = {"checkpoint": NAME, "settings": NAME, "step": pa.int64(), "site": NAME}
NEURON_KINDS = {"float": pa.float32(), "double": pa.float64(), "int": pa.int32(), "text": NAME}
KINDS = {
    "text": pa.string(),
    "count": pa.int64(),
    "number": pa.float64(),
    "texts": pa.list_(pa.string()),
    "counts": pa.list_(pa.int64()),
}


def neuron_schema() -> pa.Schema:
    """One row a neuron; null where the job's measure does not give the column."""
    scores = {name: NEURON_KINDS[column.kind] for name, column in expanded(list(SPLITS)).items()}
    return pa.schema({**WHERE, **scores, "evidence": pa.string()})  # hardly two neurons share their evidence


def checkpoint_schema() -> pa.Schema:
    """One row a checkpoint under one set of settings."""
    return pa.schema({name: KINDS[column.kind] for name, column in columns.checkpoint_columns().items()})


def checkpoint_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """One row for each dictionary; a column that one does not name is null, and an unknown name is a `KeyError`."""
    schema = checkpoint_schema()
    _check_names(rows, schema)
    return pa.Table.from_pylist(list(rows), schema=schema)


def _check_names(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> None:
    unknown = {name for row in rows for name in row} - set(schema.names)
    if unknown:
        raise KeyError(f"no column {sorted(unknown)[0]!r} in the schema")


def sequence_schema() -> pa.Schema:
    """One row a sequence whose memory was measured, for each language model."""
    scores = {name: NEURON_KINDS[column.kind] for name, column in MEMORY_COLUMNS.items()}
    return pa.schema({"checkpoint": NAME, "settings": NAME, "step": pa.int64(), **scores})


@dataclass(frozen=True)
class DetailTable:
    """A table with several rows for each checkpoint: the column that numbers them, and how all are typed."""

    number: str
    schema: Callable[[], pa.Schema]


DETAILS = {
    "neurons": DetailTable("neuron", neuron_schema),
    "sequences": DetailTable("sequence", sequence_schema),
}
"""By the attribute of `interp.jobs.columns.Result` that fills it, which is the folder's name too."""


def neuron_tables(parts: Sequence[Mapping[str, Any]], most: int) -> Iterator[pa.Table]:
    """`neuron_table` of several checkpoints in pieces of at most so many rows, so that none is large in memory."""
    return detail_tables(DETAILS["neurons"], parts, most)


def detail_tables(detail: DetailTable, parts: Sequence[Mapping[str, Any]], most: int) -> Iterator[pa.Table]:
    """Rows of several checkpoints in tables of at most so many rows."""
    some: list[Mapping[str, Any]] = []
    rows = 0
    for part in parts:
        width = len(part[detail.number])
        for start in range(0, width, most):
            own = min(most, width - start)
            if rows + own > most:
                yield detail_table(detail, some)
                some, rows = [], 0
            end = start + own
            some.append({n: v[start:end] if isinstance(v, np.ndarray) else v for n, v in part.items()})
            rows += own
    if some:
        yield detail_table(detail, some)


def neuron_table(parts: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The neurons of several checkpoints one after another, in all columns of the schema.

    NaN becomes null, so that averages over a column need no care.

    Args:
        parts: Columns of each checkpoint: arrays of ``(neuron,)``, or one value for all its neurons. One that is not
            named is null.

    Raises:
        KeyError: A name is no column.

    Example:
        >>> one = {"checkpoint": "a.pt", "neuron": np.arange(2), "ipr": np.array([0.5, np.nan])}
        >>> neuron_table([one]).select(["checkpoint", "ipr"]).to_pylist()
        [{'checkpoint': 'a.pt', 'ipr': 0.5}, {'checkpoint': 'a.pt', 'ipr': None}]
    """
    return detail_table(DETAILS["neurons"], parts)


def detail_table(detail: DetailTable, parts: Sequence[Mapping[str, Any]]) -> pa.Table:
    """`neuron_table`, of whichever rows the table has."""
    schema = detail.schema()
    _check_names(parts, schema)
    lengths = np.array([len(part[detail.number]) for part in parts], np.int64)
    arrays = [_column([part.get(field.name) for part in parts], field.type, lengths) for field in schema]
    return pa.table(arrays, schema=schema)


def _column(values: list[Any], kind: pa.DataType, lengths: np.ndarray) -> Any:
    if all(value is None for value in values):
        return pa.nulls(int(lengths.sum()), kind)
    if all(isinstance(value, np.ndarray) for value in values):
        return _array(np.concatenate(values) if len(values) > 1 else values[0], kind)
    if not any(isinstance(value, np.ndarray) for value in values):
        return pa.array(values, kind).take(pa.array(np.repeat(np.arange(len(values)), lengths)))
    return pa.chunked_array(
        [_column([value], kind, lengths[i : i + 1]) for i, value in enumerate(values)], kind
    )


def _array(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    if kind == NAME:
        return pa.array(values, pa.string()).dictionary_encode()
    if values.dtype.kind in "fiu":
        return pa.array(values.astype(kind.to_pandas_dtype(), copy=False), kind, from_pandas=True)
    return pa.array(values, kind)

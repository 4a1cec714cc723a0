"""The columns of the two tables that a job writes: one row a neuron, one row a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from interp.data.splits import SPLITS
from interp.jobs.row import IPR_BINS as IPR_BINS
from interp.jobs.worker import SCHEMA_VERSION as SCHEMA_VERSION
from probes.columns import expanded
from probes.labels import GENERALIZING, LABELS, MEMORIZING

NAME = pa.dictionary(pa.int32(), pa.string())
"""A text that many rows share."""
REMOVED = (MEMORIZING, GENERALIZING)
REMOVED_SPLITS = ("corrupted_as_labelled", "test")

_KINDS = {"float": pa.float32(), "double": pa.float64(), "int": pa.int32()}
_WHERE = {"checkpoint": NAME, "settings": NAME, "step": pa.int64(), "site": NAME}
_COLUMNS = {
    name: _KINDS.get(column.kind, pa.string() if name == "evidence" else NAME)
    for name, column in expanded(list(SPLITS)).items()
}
NEURONS = pa.schema({**_WHERE, **_COLUMNS})
"""One row a neuron; null where the job's measure does not give the column."""

_TEXT, _COUNT, _NUMBER = pa.string(), pa.int64(), pa.float64()
_IDENTITY = {
    **dict.fromkeys(("checkpoint", "settings", "series"), _TEXT),
    "step": _COUNT,
    **dict.fromkeys(("status", "error_type", "error", "digest", "key", "stamp"), _TEXT),
}
_MEASURED = {
    **dict.fromkeys(("measure", "dialect", "task"), _TEXT),
    "p": _COUNT,
    "corrupt_fraction": _NUMBER,
    "site": _TEXT,
    "seed": _COUNT,
    "neurons": _COUNT,
    "ipr_mean": _NUMBER,
    "ipr_median": _NUMBER,
    "ipr_histogram": pa.list_(pa.int64()),
    "periodic": _COUNT,
    **{f"accuracy_{split}": _NUMBER for split in SPLITS},
    "accuracy_test_without_leakage": _NUMBER,
    **{f"stored_{split}": _NUMBER for split in ("train", "test")},
    "phase": _TEXT,
    **dict.fromkeys(LABELS, _COUNT),
    **{
        f"{what}_{label}_{split}": _NUMBER
        for label in REMOVED
        for what in ("without", "random")
        for split in REMOVED_SPLITS
    },
    **{f"agreement_{name}": _NUMBER for name in ("auc", "low", "high")},
    "report": _TEXT,
    "notes": pa.list_(_TEXT),
}
COSTS = ("seconds", "peak_memory_mib")
"""The columns that differ from run to run."""
CHECKPOINTS = pa.schema(
    {
        **_IDENTITY,
        **_MEASURED,
        "convention": _TEXT,
        "tool_version": _TEXT,
        "schema_version": _COUNT,
        **dict.fromkeys(COSTS, _NUMBER),
    }
)
"""One row a checkpoint under one set of settings."""


def checkpoint_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """One row for each dictionary; what one does not name is null."""
    return pa.Table.from_pylist(list(rows), schema=CHECKPOINTS)


def neuron_tables(found: Sequence[Mapping[str, Any]], most: int) -> Iterator[pa.Table]:
    """`neuron_table` of several checkpoints in pieces of at most so many rows, so that none is large in memory."""
    some: list[Mapping[str, Any]] = []
    rows = 0
    for columns in found:
        width = len(columns["neuron"])
        for start in range(0, width, most):
            own = min(most, width - start)
            if rows + own > most:
                yield neuron_table(some)
                some, rows = [], 0
            some.append(_sliced(columns, start, own) if own < width else columns)
            rows += own
    if some:
        yield neuron_table(some)


def _sliced(columns: Mapping[str, Any], start: int, rows: int) -> dict[str, Any]:
    return {
        name: value[start : start + rows] if isinstance(value, np.ndarray) else value
        for name, value in columns.items()
    }


def neuron_table(found: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The neurons of several checkpoints one after another, in all columns of the schema.

    What is not a number becomes null, so that averages over it need no care.

    Args:
        found: Columns of each checkpoint: arrays of ``(neuron,)``, or one value for all its neurons. One that is not
            named is null.

    Raises:
        KeyError: A name is no column.

    Example:
        >>> one = {"checkpoint": "a.pt", "neuron": np.arange(2), "ipr": np.array([0.5, np.nan])}
        >>> neuron_table([one]).select(["checkpoint", "ipr"]).to_pylist()
        [{'checkpoint': 'a.pt', 'ipr': 0.5}, {'checkpoint': 'a.pt', 'ipr': None}]
    """
    unknown = {name for columns in found for name in columns} - set(NEURONS.names)
    if unknown:
        raise KeyError(f"no column {sorted(unknown)[0]!r} in the schema")
    lengths = np.array([len(columns["neuron"]) for columns in found], np.int64)
    columns = [_column([one.get(field.name) for one in found], field.type, lengths) for field in NEURONS]
    return pa.table(columns, schema=NEURONS)


def _column(values: list[Any], kind: pa.DataType, lengths: np.ndarray) -> Any:
    """One column of all checkpoints."""
    if all(value is None for value in values):
        return pa.nulls(int(lengths.sum()), kind)
    if all(isinstance(value, np.ndarray) for value in values):
        return _array(np.concatenate(values) if len(values) > 1 else values[0], kind)
    if not any(isinstance(value, np.ndarray) for value in values):
        return pa.array(values, kind).take(pa.array(np.repeat(np.arange(len(values)), lengths)))
    parts = [_column([value], kind, lengths[i : i + 1]) for i, value in enumerate(values)]
    return pa.chunked_array(parts, kind)


def _array(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    if kind == NAME:
        return pa.array(values, pa.string()).dictionary_encode()
    if values.dtype.kind in "fiu":
        return pa.array(values.astype(kind.to_pandas_dtype(), copy=False), kind, from_pandas=True)
    return pa.array(values, kind)

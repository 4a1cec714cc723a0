"""Tables of results in the data frames that people use: Arrow, pandas and Polars, without copies where possible."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from interp.errors import ConfigError


class Tabular:
    """A result with equally long columns, as Arrow, pandas or Polars.

    Also the Arrow PyCapsule interface, so that ``polars.DataFrame(table)``, ``duckdb`` (by the variable's name in a
    query) and ``pyarrow.table(table)`` take the result as it is.

    Missing values are null: NaN of a number, None of a text. Numbers are shared with the result's own arrays, never
    copied, if these are contiguous. Texts are copied, as NumPy stores them in another layout; truth values are copied
    to Arrow and Polars, which pack eight of them in a byte.
    """

    categories: ClassVar[Mapping[str, Sequence[str]]] = {}
    """Columns of which all values are known: dictionary-encoded, with these values in this order."""

    def frame_columns(self) -> Mapping[str, Any]:
        """Columns by name: arrays of ``(row,)``, or lists of whole numbers in which None is missing."""
        return self.columns  # type: ignore[attr-defined]

    def frame_metadata(self) -> Mapping[str, Any] | None:
        """Values that Arrow and Parquet keep beside the columns, as JSON under ``grokscope``; None for none."""
        return None

    def to_arrow(self) -> Any:
        """A `pyarrow.Table`; see the class for what is shared and what is copied."""
        return arrow_table(self.frame_columns(), self.frame_metadata(), self.categories)

    def to_polars(self) -> Any:
        """A `polars.DataFrame`, of the memory of `to_arrow`.

        Raises:
            ConfigError: Polars is not installed.
        """
        return _package("polars", "Polars").from_arrow(self.to_arrow())

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` whose numbers and truth values are views of the result's own arrays.

        NaN is missing in pandas as it is here; whole numbers of which some are missing are ``Int64``. A column with
        `categories` is a ``Categorical``.

        Raises:
            ConfigError: pandas is not installed.
        """
        pandas = _package("pandas", "pandas")
        columns: dict[str, Any] = {}
        for name, values in self.frame_columns().items():
            if name in self.categories:
                columns[name] = pandas.Categorical(values, categories=list(self.categories[name]))
            elif isinstance(values, np.ndarray):
                columns[name] = values
            else:
                columns[name] = pandas.array(values, dtype="Int64")
        return pandas.DataFrame(columns, copy=False)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.to_arrow().__arrow_c_stream__(requested_schema)


def arrow_table(
    columns: Mapping[str, Any],
    metadata: Mapping[str, Any] | None = None,
    categories: Mapping[str, Sequence[str]] | None = None,
) -> Any:
    """Columns as a `pyarrow.Table`; numbers share memory with their arrays, and NaN is null.

    Args:
        columns: Equally long, by name: arrays, or lists of whole numbers in which None is missing.
        metadata: Kept as JSON under ``grokscope``.
        categories: Columns to encode by a dictionary, each with its values in order.

    Raises:
        ConfigError: A column has a value that is none of its categories.

    Example:
        >>> table = arrow_table({"neuron": np.arange(2), "ipr": np.array([0.5, np.nan])})
        >>> table.to_pylist()
        [{'neuron': 0, 'ipr': 0.5}, {'neuron': 1, 'ipr': None}]
    """
    import pyarrow

    known = categories or {}
    arrays = {
        name: _encoded(name, values, known[name]) if name in known else _array(values)
        for name, values in columns.items()
    }
    table = pyarrow.table(arrays)
    if metadata is not None:
        table = table.replace_schema_metadata({"grokscope": json.dumps(metadata)})
    return table


def _array(values: Any) -> Any:
    import pyarrow

    if isinstance(values, np.ndarray):
        return pyarrow.array(values, from_pandas=True)
    return pyarrow.array(values, pyarrow.int64())


def _encoded(name: str, values: np.ndarray, known: Sequence[str]) -> Any:
    import pyarrow

    codes = {value: code for code, value in enumerate(known)}
    unknown = [value for value in values.tolist() if value is not None and value not in codes]
    if unknown:
        raise ConfigError(f"the column {name!r} has the value {unknown[0]!r}; expected {', '.join(known)}")
    indices = pyarrow.array([codes.get(value) for value in values.tolist()], pyarrow.int8())
    return pyarrow.DictionaryArray.from_arrays(indices, pyarrow.array(list(known), pyarrow.string()))


def _package(module: str, name: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise ConfigError(
            f"a table for {name} needs {name}, which is not installed; install it with: pip install {module}"
        ) from None

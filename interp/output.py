"""Results as JSON has them, columns as tables on disk, and the versions of what made them."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from interp.errors import ConfigError
from interp.files import write_json, write_text, write_whole
from interp.frames import arrow_table
from interp.markup import UNKNOWN

SUFFIXES = (".parquet", ".csv", ".json", ".html")
"""Endings of the files that a result is written to."""


SCHEMA_VERSION = 1
"""Of all JSON that is written as a result; raised where a field changes its meaning or goes."""


def framed(schema: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A result's JSON, which states the schema that it follows; see `interp.report.schemas`.

    Example:
        >>> framed("dose", {"size": 3})
        {'schema': 'dose', 'schema_version': 1, 'size': 3}
    """
    return {"schema": schema, "schema_version": SCHEMA_VERSION, **values}


def plain(value: Any) -> Any:
    """A value as JSON has it: arrays and tuples as lists, NaN and infinity as None, results by their `to_dict`.

    Example:
        >>> plain({"ipr": np.array([0.5, np.nan]), 7: (1, np.float64(2.0))})
        {'ipr': [0.5, None], '7': [1, 2.0]}
    """
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not np.isfinite(value) else value


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Single values of nested dictionaries with their dotted names; lists are left out.

    Example:
        >>> dict(leaves({"accuracy": {"test": 0.5}, "steps": [1, 2]}))
        {'accuracy.test': 0.5}
    """
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        elif not isinstance(value, list):
            yield prefix + key, value


def write_result(
    path: Path | str,
    name: str,
    *,
    columns: Callable[[], Mapping[str, Any]],
    data: Callable[[], Any],
    page: Callable[[], str],
) -> Path:
    """Write a result as its file's name asks: a table to ``.parquet`` or ``.csv``, ``.json``, or a page to ``.html``.

    Args:
        name: Of the result, in a message, and of the schema of its JSON.
        columns, data, page: Each is asked for only where it is written.

    Raises:
        ConfigError: The suffix is none of these, or the place cannot be written to.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ConfigError(
            f"cannot write {name} to {str(path)!r}; expected a name ending in {', '.join(SUFFIXES)}"
        )
    if path.suffix == ".json":
        return write_json(path, framed(name, data()))
    if path.suffix == ".html":
        return write_text(path, page())
    return write_columns(path, columns())


def write_columns(
    path: Path | str,
    columns: Mapping[str, Any],
    metadata: Mapping[str, Any] | None = None,
    categories: Mapping[str, Sequence[str]] | None = None,
) -> Path:
    """Write columns to a ``.parquet`` or ``.csv`` file, whole or not at all.

    Args:
        path: Of the file.
        columns, metadata, categories: See `interp.frames.arrow_table`; only Parquet keeps the latter two.

    Raises:
        ConfigError: The suffix is neither, or the place cannot be written to.
    """
    from pyarrow import parquet

    writers = {".parquet": parquet.write_table, ".csv": write_csv}
    path = Path(path)
    if path.suffix not in writers:
        raise ConfigError(
            f"cannot write neurons to {str(path)!r}; expected a name ending in .parquet or .csv"
        )
    table = arrow_table(columns, metadata, categories)
    return write_whole(path, lambda part: writers[path.suffix](table, part))


def write_csv(table: Any, path: Path) -> None:
    """Write an Arrow table as CSV whose texts no spreadsheet takes for formulas: such a one begins with a quote mark.

    Example:
        >>> import pyarrow
        >>> from tempfile import NamedTemporaryFile
        >>> with NamedTemporaryFile() as file:
        ...     write_csv(pyarrow.table({"name": ["=1+1", "add"], "n": [-1, 2]}), Path(file.name))
        ...     Path(file.name).read_text().split()
        ['"name","n"', '"\\'=1+1",-1', '"add",2']
    """
    import pyarrow
    from pyarrow import compute, csv

    for place, field in enumerate(table.schema):
        column = table.column(place)
        if pyarrow.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pyarrow.types.is_string(column.type) or pyarrow.types.is_large_string(column.type):
            safe = compute.replace_substring_regex(column, FORMULA, r"'\0")
            table = table.set_column(place, field.name, safe)
    csv.write_csv(table, path)


FORMULA = r"^[=@+\-\t\r]"
"""The beginning of a text that a spreadsheet would compute."""
PACKAGES = ("torch", "numpy", "transformer-lens", "plotly")
"""What the numbers and the figures depend on."""


def versions() -> dict[str, str]:
    """Versions of Grokscope, Python, the packages that matter, and the system; a dash where one is not installed."""
    installed = {package: _version(package) for package in PACKAGES}
    own = {"grokscope": _version("grokscope"), "python": platform.python_version()}
    return own | installed | {"system": platform.platform()}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return UNKNOWN

"""Tables of an operation's results, n × n, as files: CSV, Parquet or NumPy."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int
from pyarrow import csv, parquet

from interp.checkpoints.arrays import read_array
from interp.data.operations import MAX_MODULUS, TABLE, table_file
from interp.data.tasks import ModularTask
from interp.errors import ConfigError, cut
from interp.files import read_bytes
from interp.memory import check_need
from interp.parquet import check_parquet

MAX_FILE = 2**28


def task_of(operation: str, p: int | None = None, **settings: Any) -> ModularTask:
    """A task by the name of its operation, also of one whose results a file holds, ``table:FILE``.

    Args:
        settings: Those of `interp.data.ModularTask` from ``train_fraction`` on.
    """
    file = table_file(operation)
    if file is not None:
        operation, settings = TABLE, settings | {"results": read_results(file)}
        if p not in (None, n := len(settings["results"])):
            raise ConfigError(
                f"the table of results {str(file)!r} has {n} elements, not p={p}; is it another one's?"
            )
    modulus: dict[str, Any] = {} if p is None else {"p": p}
    return ModularTask(operation, **modulus, **settings)


def read_results(path: Path | str) -> Int[np.ndarray, "left right"]:
    """The results of an operation on n elements, numbered from 0: row a and column b hold that of a and b.

    A first row and a first column of names, in the same order, may say what the elements are called; results are then
    these names. The names of a Parquet file's columns are used in the same way where results are not numbers.

    Raises:
        ConfigError: The file cannot be read, is not as wide as it is long, or holds a result that is no element.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, "t.csv").write_text("*,e,x\\ne,e,x\\nx,x,e\\n")
        ...     read_results(Path(folder, "t.csv")).tolist()
        [[0, 1], [1, 0]]
    """
    path = Path(path)
    called = f"the table of results {str(path)!r}"
    readers = {".csv": _from_csv, ".parquet": _from_parquet, ".npy": _from_array}
    if path.suffix.lower() not in readers:
        raise ConfigError(f"{called} should end in .csv, .parquet or .npy")
    content = read_bytes(path, "table of results", most=MAX_FILE)
    try:
        cells, names = readers[path.suffix.lower()](content, called)
    except (OSError, ValueError, LookupError, pa.ArrowException) as error:
        raise ConfigError(f"cannot read {called}: {cut(str(error).partition(chr(10))[0], 200)}") from None
    return _numbered(cells, names, called)


def _numbered(cells: np.ndarray, names: list[str] | None, called: str) -> np.ndarray:
    """Cells as numbers of elements: as they are, or by their names."""
    n = len(cells)
    if cells.ndim != 2 or cells.shape[1] != n or not 2 <= n <= MAX_MODULUS:
        raise ConfigError(
            f"{called} has shape {cells.shape}; expected as many columns as rows, from 2 to {MAX_MODULUS:,}, beside a "
            "first row and column of names"
        )
    if names is not None:
        if len(set(names)) < n:
            twice = next(name for name in names if names.count(name) > 1)
            raise ConfigError(f"{called} names the element {cut(twice)} twice")
        number = {name: i for i, name in enumerate(names)}
        strange = [text for text in map(str, cells.ravel()) if text not in number]
        if strange:
            raise ConfigError(
                f"{called} has {len(strange)} results that are no element, such as {cut(strange[0])}; its elements are "
                f"{', '.join(map(cut, names[:6]))} …"
            )
        return np.array([[number[str(cell)] for cell in row] for row in cells])
    if cells.dtype.kind not in "iu":
        try:
            whole = cells.astype(np.float64)
        except ValueError:
            raise ConfigError(
                f"{called} holds results such as {cut(str(cells[0, 0]))}; where elements are no numbers, a first row "
                "and column must name them in order"
            ) from None
        if not (whole == np.floor(whole)).all():
            raise ConfigError(f"{called} holds results that are no whole numbers from 0 to {n - 1}")
        cells = whole.astype(np.int64)
    if cells.min() < 0 or cells.max() >= n:
        more = "; subtract 1 from all" if cells.min() == 1 and cells.max() == n else ""
        raise ConfigError(
            f"{called} holds results from {cells.min()} to {cells.max()}; expected 0 to {n - 1}{more}"
        )
    return cells.astype(np.int64)


def _from_array(content: bytes, called: str) -> tuple[np.ndarray, None]:
    return read_array(io.BytesIO(content), called), None


def _from_csv(content: bytes, called: str) -> tuple[np.ndarray, list[str] | None]:
    """Cells as texts, and the names of the elements where the first row and column hold them."""
    check_need(20 * len(content), called, "take a smaller one")
    width = content.partition(b"\n")[0].count(b",") + 1
    columns = [str(i) for i in range(width)]
    kinds = csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False)
    reading = csv.ReadOptions(column_names=columns, use_threads=False)
    table = csv.read_csv(pa.BufferReader(content), reading, convert_options=kinds)
    cells = np.array([column.to_pylist() for column in table.columns], dtype=object).T
    cells = np.array([[str(cell).strip() for cell in row] for row in cells], dtype=object)
    first_row, first_column = cells[0, 1:].tolist(), cells[1:, 0].tolist()
    plain = all(cell.isdigit() for cell in cells.ravel())  # numbers, from 0 or not, are results and no names
    named = not plain and len(cells) == width > 2 and first_row == first_column
    return (cells[1:, 1:], first_row) if named else (cells, None)


def _from_parquet(content: bytes, called: str) -> tuple[np.ndarray, list[str] | None]:
    source = pa.BufferReader(content)
    check_parquet(source, called)
    table = parquet.read_table(source)
    cells = np.stack([column.to_numpy() for column in table.columns], axis=1)
    texts = cells.dtype.kind not in "iuf"
    return cells, list(table.column_names) if texts else None

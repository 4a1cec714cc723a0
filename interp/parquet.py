"""Parquet files of others: a few bytes of them can unfold to more memory than there is, so that is looked at first."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import compute

from interp.errors import ConfigError
from interp.files import open_file
from interp.memory import budget, check_need

COUNTED = 2**28
"""Bytes that texts may unfold to without being counted."""
MANY_ROWS, FEW_ROWS = 2**16, 64
"""That are read at a time while texts are counted, and while nested values are."""


def read_parquet(path: Path | str, kind: str = "table", **how: Any) -> pa.Table:
    """A Parquet file as a table.

    Args:
        path: Of the file.
        kind: Noun for messages.
        how: ``columns``, ``schema`` and ``filters`` of `pyarrow.parquet.read_table`.

    Raises:
        ConfigError: It cannot be read, is damaged, lacks what is asked for, or needs more memory than there is.
    """
    called = f"the {kind} {str(path)!r}"
    try:
        content = buffered(path, kind)
        check_parquet(content, called)
        return pq.read_table(content, **how)
    except (OSError, ValueError, LookupError, pa.ArrowException) as error:
        raise ConfigError(
            f"{called} cannot be read: {str(error).partition(chr(10))[0]}; is it damaged?"
        ) from None


def buffered(path: Path | str, kind: str = "table") -> pa.BufferReader:
    """A file's content in memory of Arrow's own, whose threads may outlive what belongs to Python."""
    with open_file(path, kind) as opened:
        content = pa.allocate_buffer(os.fstat(opened.fileno()).st_size)
        opened.readinto(memoryview(content))
    return pa.BufferReader(content)


def check_parquet(source: Any, called: str, *, copies: int = 1, rows_at_most: int | None = None) -> None:
    """Refuse a Parquet file whose columns would need more memory than there is, before any is unfolded.

    Args:
        source: A buffer that holds the file.
        called: The subject of the message.
        copies: How often numbers are held at once.
        rows_at_most: More rows are refused as a `ValueError`.

    Raises:
        ConfigError: It would.
    """
    schema, advice = pq.read_schema(source), "take some of its rows"
    source.seek(0)
    texts = [column.name for column in schema if _is_text(column.type)]
    nested = [column.name for column in schema if pa.types.is_nested(column.type)]
    file = pq.ParquetFile(source, read_dictionary=texts)
    held = file.metadata
    if rows_at_most is not None and held.num_rows > rows_at_most:
        raise ValueError(f"it has more than {rows_at_most} rows")
    stored = stored_bytes(held)
    called = f"{called}, of {held.num_rows:,} rows and {held.num_columns} columns,"
    need = copies * 8 * held.num_rows * held.num_columns + stored
    check_need(need, called, advice)
    if held.num_rows * stored <= COUNTED:
        return
    most = budget()
    for names, rows in ((texts, MANY_ROWS), (nested, FEW_ROWS)):
        for batch in file.iter_batches(rows, columns=names) if names else ():
            need += sum(_unfolded(column) for column in batch.columns)
            if need > most:
                check_need(need, called, advice)


def stored_bytes(held: pq.FileMetaData) -> int:
    """Bytes of a file's columns, each text as often as it is stored.

    A column's own size is not asked for: of a damaged one Arrow ends the process.

    Example:
        >>> buffer = pa.BufferOutputStream()
        >>> pq.write_table(pa.table({"a": [1, 2]}), buffer)
        >>> stored_bytes(pq.read_metadata(pa.BufferReader(buffer.getvalue()))) > 0
        True
    """
    return sum(held.row_group(i).total_byte_size for i in range(held.num_row_groups))


def _is_text(kind: pa.DataType) -> bool:
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(check(kind) for check in checks)


def _unfolded(column: pa.Array) -> int:
    """Bytes of a column's values; of texts, which are held once each, as if they were held for every row."""
    if not isinstance(column, pa.DictionaryArray):
        return int(column.nbytes)
    lengths = compute.binary_length(column.dictionary)
    return int(compute.sum(lengths.cast(pa.int64()).take(column.indices)).as_py() or 0)

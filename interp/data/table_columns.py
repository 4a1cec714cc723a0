"""Columns of a Parquet or CSV table, as arrays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from interp.data.class_labels import LabelsError, advice_on_texts, renumbered
from interp.errors import ConfigError, cut
from interp.files import MAX_BYTES, read_bytes
from interp.memory import check_need

COLUMNS = {"label": "labels", "true_label": "true_labels", "split": "train"}
COLUMNS |= {"corrupted": "corrupted", "ordering": "positions"}
"""Columns that are no inputs, and the arguments of `interp.data.TableTask.from_arrays` that they stand for."""
CLASSES = ("labels", "true_labels")
"""Those of them that hold classes."""


@dataclass(frozen=True)
class NamedValues:
    """Values with their name in messages: of a column of the table at `path`, or of an argument."""

    values: np.ndarray
    name: str
    path: Path | None = None

    def __str__(self) -> str:
        return self.name if self.path is None else f"the column {self.name!r} of {str(self.path)!r}"

    def at(self, row: int) -> str:
        return f"{self.name}[{row}]" if self.path is None else f"row {row + 1} of {self}"


def read_columns(path: Path, *, renumber: bool = False) -> tuple[dict[str, NamedValues], str]:
    """All columns of a table, and the file's SHA-256; ``split`` becomes True for ``train`` and False for ``test``.

    Args:
        renumber: Whether labels of any kind become classes from 0, by `interp.data.class_labels.renumbered`.

    Raises:
        ConfigError: The table cannot be read, or a column is missing, misnamed, incomplete or of no usable type.
    """
    table, digest = read_table(path)
    names, called = table.column_names, f"the table {str(path)!r}"
    _check_names(names, called)
    if not table.num_rows:
        raise ConfigError(f"{called} has no rows; expected at least one example")
    columns = {name: _column(table, name, path, texts=renumber) for name in names}
    if renumber:
        classes = [name for name in names if COLUMNS.get(name) in CLASSES]
        for name, values in zip(classes, renumbered(*(columns[one].values for one in classes)), strict=True):
            columns[name] = replace(columns[name], values=values)
    return columns, digest


def read_table(path: Path) -> tuple[Any, str]:
    """A ``.csv`` or ``.parquet`` file as an Arrow table, in which a text is held once, and the file's SHA-256.

    Raises:
        ConfigError: It cannot be read, holds nested values, or needs more memory than there is.
    """
    import pyarrow
    from pyarrow import csv

    suffix, called = path.suffix.lower(), f"the table {str(path)!r}"
    if suffix not in (".csv", ".parquet"):
        raise ConfigError(f"{called} should end in .csv or .parquet")
    try:
        content = read_bytes(path, "table", most=MAX_BYTES)
        if content.startswith(b"PAR1") != (suffix == ".parquet"):
            actual = "no Parquet file" if suffix == ".parquet" else "a Parquet file, no CSV"
            raise ConfigError(f"{called} is {actual}; rename it after what it is, or write it again")
        buffer = pyarrow.BufferReader(content)
        _check_size(content, buffer, suffix, called)
        serial = csv.ReadOptions(use_threads=False)  # else an error does not name its row
        table = _parquet(buffer, called) if suffix == ".parquet" else csv.read_csv(buffer, serial)
        table.validate(full=True)
        return table, hashlib.sha256(content).hexdigest()
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        why = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        fix = "a CSV has a header, its row #1, and as many values in every row"
        raise ConfigError(
            f"cannot read {called}: {why}; {fix if suffix == '.csv' else 'is it damaged?'}"
        ) from None


COPIES = 5
"""Of every value, from the file to the examples: as the file's column, as an array, stacked, converted, as a tensor."""


def _check_size(content: bytes, buffer: Any, suffix: str, called: str) -> None:
    """Refuse a table whose columns would need more memory than there is, before any is unfolded."""
    from pyarrow import parquet

    from interp.parquet import stored_bytes

    if suffix == ".parquet":
        held = parquet.ParquetFile(buffer).metadata
        rows, width, texts = held.num_rows, held.num_columns, stored_bytes(held)
    else:
        end = b"\n" if b"\n" in content else b"\r"
        first = content.partition(end)[0]
        rows, width, texts = content.count(end) + 1, first.count(b",") + 1, 2 * len(content)
    check_need(
        COPIES * 8 * rows * width + texts,
        f"{called}, of {rows:,} rows and {width} columns,",
        "take some of its rows",
    )


def _parquet(buffer: Any, called: str) -> Any:
    """A Parquet table of numbers and texts; a text is held once, however often it is repeated."""
    from pyarrow import parquet, types

    held = parquet.ParquetFile(buffer)
    texts = []
    for column in held.schema_arrow:
        kind = column.type.value_type if types.is_dictionary(column.type) else column.type
        if types.is_string(kind) or types.is_large_string(kind):
            texts.append(column.name)
        elif not (types.is_primitive(kind) or types.is_null(kind)):
            raise ConfigError(
                f"the column {column.name!r} of {called} holds {cut(str(kind))}; expected numbers"
            )
    return parquet.read_table(buffer, read_dictionary=texts)


def _check_names(names: list[str], called: str) -> None:
    for name in names:
        plain = name.strip().lower().replace(" ", "_").replace("-", "_").rstrip("s")
        if names.count(name) > 1:
            raise ConfigError(f"{called} has two columns named {name!r}; rename or drop one")
        if not name or name.startswith(("__index_level_", "Unnamed: ")):
            raise ConfigError(
                f"{called} has an index ({name!r}) among its columns; write it without (index=False)"
            )
        if plain in COLUMNS and name not in COLUMNS:
            raise ConfigError(
                f"{called} has a column {name!r} that is no input by its name; did you mean {plain!r}?"
            )
    if "label" not in names or not set(names) - set(COLUMNS):
        raise ConfigError(
            f"{called} has no {'input column' if 'label' in names else 'column ' + repr('label')}; it has "
            f"{', '.join(map(repr, names[:8]))}. Expected 'label', the inputs, and where known 'true_label', 'split', "
            "'corrupted', 'ordering'; a CSV separates them by commas"
        )


def _column(table: Any, name: str, path: Path, *, texts: bool) -> NamedValues:
    """A column of numbers as it is, also labels that are texts if these are wanted; of the split a mask of training."""
    from pyarrow import types

    column, named = table.column(name), NamedValues(np.empty(0), name, path)
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy()))
        raise ConfigError(f"{named.at(row)} is empty; fill it in or drop the row")
    if name == "split":
        known, codes = _encoded(column)
        bad = np.isin(codes, [i for i, text in enumerate(known) if text not in ("train", "test")])
        if bad.any():
            row = int(np.argmax(bad))
            raise ConfigError(f"{named.at(row)} is {cut(known[codes[row]])}; expected 'train' or 'test'")
        return replace(named, values=np.array([text == "train" for text in known])[codes])
    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    if not any(is_kind(kind) for is_kind in (types.is_integer, types.is_floating, types.is_boolean)):
        known, codes = _encoded(column)
        classes = COLUMNS.get(name) in CLASSES
        if classes and texts:
            return replace(named, values=np.array(known, dtype=object)[codes])
        bad = np.isin(codes, [i for i, one in enumerate(known) if str(one).strip("+-.0123456789e ")])
        row = int(np.argmax(bad))  # the first if all are numbers
        message = f"{named.at(row)} is {cut(known[codes[row]])}, {kind}; expected numbers throughout"
        raise LabelsError(message + advice_on_texts(known)) if classes else ConfigError(message)
    return replace(named, values=column.cast(kind).to_numpy())


def _encoded(column: Any) -> tuple[list[Any], np.ndarray]:
    """The values that occur in a column, each once, and for each row which of them it is."""
    encoded = column.dictionary_encode().unify_dictionaries()
    codes = [chunk.indices.to_numpy(zero_copy_only=False) for chunk in encoded.chunks]
    return encoded.chunk(0).dictionary.to_pylist(), np.concatenate(codes)

"""Rows of a file of sequences as dictionaries: JSONL, Parquet, CSV or plain text."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa

from interp.errors import ConfigError, cut
from interp.files import parse_json, read_bytes
from interp.language.source import check_ending
from interp.parquet import read_parquet


def read_rows(path: Path, called: str) -> list[dict[str, Any]]:
    """Rows of a file, at least one; lines end where a line feed does, and blank ones are passed over.

    Args:
        path: Ending in one of `interp.language.source.ENDINGS`.
        called: The subject of messages.

    Raises:
        ConfigError: It cannot be read, or has no rows.
    """
    check_ending(path)
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        rows = _parquet(path, called)
    else:
        rows = {".csv": _csv, ".txt": _plain, ".jsonl": _json}[suffix](_text(path, called), called)
    if not rows:
        raise ConfigError(f"{called} are none: the file has no rows")
    return rows


def _parquet(path: Path, called: str) -> list[dict[str, Any]]:
    table = read_parquet(path, "sequences")
    try:
        return list(table.to_pylist())
    except (ValueError, OverflowError, pa.ArrowException) as error:  # such as times beyond Python's
        raise ConfigError(f"{called} have a value that cannot be read: {error}") from None


def _text(path: Path, called: str) -> str:
    content = read_bytes(path, "sequences")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = content[error.start]
        raise ConfigError(f"{called} are no UTF-8 text: byte {error.start} is {byte:#x}") from None


def _lines(text: str) -> list[tuple[int, str]]:
    lines = enumerate(text.replace("\r\n", "\n").split("\n"), 1)
    return [(number, line) for number, line in lines if line.strip()]


def _plain(text: str, called: str) -> list[dict[str, Any]]:
    return [{"text": line} for _, line in _lines(text)]


def _json(text: str, called: str) -> list[dict[str, Any]]:
    rows = []
    for number, line in _lines(text):
        try:
            rows.append(parse_json(line, dict))
        except ValueError as error:
            raise ConfigError(f"line {number} of {called} is no JSON object ({error})") from None
    return rows


def _csv(text: str, called: str) -> list[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    rows = []
    try:
        _check_names(reader.fieldnames or (), called)
        for row in reader:
            if None in row or None in row.values():
                raise ConfigError(f"line {reader.line_num} of {called} has not as many values as the header")
            rows.append({name: value for name, value in row.items() if value != ""})
    except csv.Error as error:
        raise ConfigError(f"line {reader.line_num} of {called} is no CSV: {error}") from None
    return rows


def _check_names(names: Any, called: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ConfigError(f"{called} have several columns {cut(twice[0])}; name each once")

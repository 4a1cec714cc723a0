"""Reading sequences from JSONL, Parquet, CSV or plain text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from interp.errors import ConfigError, cut, near_matches
from interp.files import parse_json, read_bytes
from interp.language.sequences import SPLITS, Sequences, check_tokens, token_sequences
from interp.parquet import read_parquet

COLUMNS = ("text", "ids", "prompt_tokens", "group", "split", "attention_mask")
ENDINGS = (".jsonl", ".parquet", ".csv", ".txt")


def read_sequences(
    path: Path | str,
    tokenizer: Any = None,
    *,
    prompt_tokens: int | None = None,
    vocab: int | None = None,
    context: int | None = None,
) -> Sequences:
    """Sequences of a file, one a row (of a ``.txt``: one a line).

    A row has ``text`` or ``ids``, and where wanted ``prompt_tokens`` (else the first third), ``group``, ``split``
    (trained, held-out or control) and, with ids that are padded, ``attention_mask``. Texts become the tokens that the
    tokenizer makes of them by default. Blank lines are passed over.

    Args:
        path: Ending in one of `ENDINGS`.
        tokenizer: Of the model; needed for texts.
        prompt_tokens: Of every prompt, whatever the file says.
        vocab, context: Of the model; tokens and lengths beyond are refused.

    Raises:
        ConfigError: The file or a row cannot be used; the message names the row.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder, "rows.jsonl")
        ...     _ = file.write_text('{"ids": [1, 2, 3, 4], "group": "a"}\\n{"ids": [5, 6], "prompt_tokens": 1}\\n')
        ...     read = read_sequences(file)
        >>> [ids.tolist() for ids in read.ids], read.prompt.tolist(), read.group
        ([[1, 2, 3, 4], [5, 6]], [1, 1], ('a', None))
    """
    path = Path(path)
    called = f"the sequences {str(path)!r}"
    if path.suffix.lower() not in ENDINGS:
        raise ConfigError(f"{called} should end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}")
    rows = _rows(path, called)
    if not rows:
        raise ConfigError(f"{called} are none: the file has no rows")
    notes = _check_columns(rows, called)
    ids = [_ids(row, place, tokenizer, called) for place, row in enumerate(rows)]
    prompts = [_prompt(row, place, prompt_tokens, called) for place, row in enumerate(rows)]
    texts = [row.get("text") or _decoded(tokenizer, one) for row, one in zip(rows, ids, strict=True)]
    try:
        sequences = token_sequences(
            ids,
            prompts,  # type: ignore[arg-type]
            group=[_word(row, "group") for row in rows],
            split=[_split(row, place, called) for place, row in enumerate(rows)],
            text=texts,
            notes=notes,
        )
        if vocab is not None:
            check_tokens(sequences, vocab, context)
    except ConfigError as error:
        raise ConfigError(f"{called}: {error}") from None
    return sequences


def _rows(path: Path, called: str) -> list[dict[str, Any]]:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return list(read_parquet(path, "sequences").to_pylist())
    content = read_bytes(path, "sequences")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{called} are no UTF-8 text: byte {error.start} is {content[error.start]:#x}"
        ) from None
    if suffix == ".csv":
        return _csv(text, called)
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if suffix == ".txt":
        return [{"text": line} for _, line in lines]
    rows = []
    for number, line in lines:
        try:
            rows.append(parse_json(line, dict))
        except ValueError as error:
            raise ConfigError(f"line {number} of {called} is no JSON object ({error})") from None
    return rows


def _csv(text: str, called: str) -> list[dict[str, Any]]:
    import csv
    import io

    reader = csv.DictReader(io.StringIO(text), strict=True)
    rows = []
    try:
        for row in reader:
            if None in row or None in row.values():
                raise ConfigError(f"line {reader.line_num} of {called} has not as many values as the header")
            rows.append({name: value for name, value in row.items() if value != ""})
    except csv.Error as error:
        raise ConfigError(f"line {reader.line_num} of {called} is no CSV: {error}") from None
    return rows


def _check_columns(rows: Iterable[dict[str, Any]], called: str) -> tuple[str, ...]:
    names = dict.fromkeys(name for row in rows for name in row)
    if not {"text", "ids"} & set(names):
        raise ConfigError(f"{called} have no column 'text' or 'ids'; {near_matches('text', names)}")
    others = [name for name in names if name not in COLUMNS]
    for name in others:
        plain = str(name).strip().lower().replace("-", "_").replace(" ", "_")
        close = [known for known in COLUMNS if plain in (known, known.rstrip("s"), known + "s")]
        if close:
            raise ConfigError(f"{called} have a column {name!r}; did you mean {close[0]!r}?")
    return (f"columns that are not used: {', '.join(map(repr, others))}",) if others else ()


def _ids(row: dict[str, Any], place: int, tokenizer: Any, called: str) -> np.ndarray:
    if row.get("ids") is not None:
        return _given_ids(row, place, called)
    text = row.get("text")
    if not isinstance(text, str) or not text:
        raise ConfigError(f"row {place} of {called} has no text and no ids")
    if tokenizer is None:
        raise ConfigError(f"{called} are texts, and the model has no tokenizer; give token numbers as ids")
    return np.array(tokenizer(text)["input_ids"], dtype=np.int64)


def _given_ids(row: dict[str, Any], place: int, called: str) -> np.ndarray:
    ids = _numbers(row, "ids", place, called)
    if row.get("attention_mask") is None:
        return ids
    mask = _numbers(row, "attention_mask", place, called)
    kept = np.flatnonzero(mask)
    if len(mask) != len(ids) or not np.isin(mask, (0, 1)).all() or not len(kept):
        raise ConfigError(
            f"the attention_mask of row {place} of {called} is not a 0 or 1 for each of its ids"
        )
    if len(kept) != kept[-1] - kept[0] + 1:
        raise ConfigError(
            f"the attention_mask of row {place} of {called} has a gap; padding is at the ends only"
        )
    return ids[kept]


def _numbers(row: dict[str, Any], name: str, place: int, called: str) -> np.ndarray:
    values = row[name]
    try:
        if isinstance(values, str):
            values = (
                json.loads(values) if values.lstrip().startswith("[") else values.replace(",", " ").split()
            )
        numbers = np.array([int(value) for value in values], dtype=np.int64)
        whole = all(float(value) == int(value) for value in values)
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole:
        raise ConfigError(
            f"the {name} of row {place} of {called} are {cut(row[name])}; expected whole numbers"
        )
    return numbers


def _prompt(row: dict[str, Any], place: int, everywhere: int | None, called: str) -> int | None:
    if everywhere is not None:
        return everywhere
    value = row.get("prompt_tokens")
    if value is None:
        return None
    try:
        size = int(value)
        whole = float(value) == size and not isinstance(value, bool)
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole:
        raise ConfigError(
            f"prompt_tokens of row {place} of {called} is {cut(value)}; expected a whole number"
        )
    return size


def _word(row: dict[str, Any], name: str) -> str | None:
    value = row.get(name)
    return None if value is None else str(value)


def _split(row: dict[str, Any], place: int, called: str) -> str | None:
    value = _word(row, "split")
    if value is not None and value not in SPLITS:
        raise ConfigError(
            f"the split of row {place} of {called} is {cut(value)}; expected {', '.join(SPLITS)} or nothing"
        )
    return value


def _decoded(tokenizer: Any, ids: np.ndarray) -> str | None:
    return None if tokenizer is None else str(tokenizer.decode(ids.tolist()))

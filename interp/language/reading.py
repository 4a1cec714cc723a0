"""Reading sequences from JSONL, Parquet, CSV or plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from interp.errors import ConfigError, cut, near_matches
from interp.files import parse_json
from interp.language.quiet import quiet
from interp.language.rows import read_rows
from interp.language.sequences import SPLITS, Sequences, check_tokens, token_sequences

COLUMNS = ("text", "ids", "prompt_tokens", "group", "split", "attention_mask")
LISTED = 8
"""Names of columns in a note."""


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
        path: Ending in ``.jsonl``, ``.parquet``, ``.csv`` or ``.txt``.
        tokenizer: Of the model; needed for texts.
        prompt_tokens: Of every prompt, before those of the file.
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
    rows = read_rows(path, called)
    return sequences_of(rows, called, tokenizer, prompt_tokens=prompt_tokens, vocab=vocab, context=context)


def sequences_of(
    rows: Sequence[dict[str, Any]],
    called: str,
    tokenizer: Any = None,
    *,
    prompt_tokens: int | None = None,
    vocab: int | None = None,
    context: int | None = None,
    more: Sequence[str] = (),
) -> Sequences:
    """Sequences of rows that were read; see `read_sequences`.

    Args:
        called: The subject of messages.
        more: Names of columns that the caller uses.
    """
    notes = _check_columns(rows, called, (*COLUMNS, *more))
    ids = [_ids(row, place, tokenizer, called) for place, row in enumerate(rows)]
    prompts = [_prompt(row, place, called) for place, row in enumerate(rows)]
    if prompt_tokens is not None:
        prompts = [prompt_tokens] * len(rows)
    try:
        sequences = token_sequences(
            ids,
            prompts,
            group=[_word(row, "group", place, called) for place, row in enumerate(rows)],
            split=[_split(row, place, called) for place, row in enumerate(rows)],
            notes=notes,
        )
        if vocab is not None:
            check_tokens(sequences, vocab, context)
    except ConfigError as error:
        raise ConfigError(f"{called}: {error}") from None
    texts = [row.get("text") or _decoded(tokenizer, one) for row, one in zip(rows, ids, strict=True)]
    return replace(sequences, text=tuple(texts))


def _check_columns(
    rows: Iterable[dict[str, Any]], called: str, columns: Sequence[str] = COLUMNS
) -> tuple[str, ...]:
    names = dict.fromkeys(name for row in rows for name in row)
    if not {"text", "ids"} & set(names):
        raise ConfigError(f"{called} have no column 'text' or 'ids'; {near_matches('text', names)}")
    others = [name for name in names if name not in columns]
    for name in others:
        plain = str(name).strip().lower().replace("-", "_").replace(" ", "_")
        close = [known for known in columns if plain in (known, known.rstrip("s"), known + "s")]
        if close:
            raise ConfigError(f"{called} have a column {cut(name)}; did you mean {close[0]!r}?")
    notes = []
    if others:
        shown = [*map(cut, others[:LISTED]), *["…"] * (len(others) > LISTED)]
        notes.append(f"columns that are not used: {', '.join(shown)}")
    if any(row.get("text") is not None and row.get("ids") is not None for row in rows):
        notes.append("of rows with text and ids, the ids are used, and the text is shown as it is given")
    return tuple(notes)


def _ids(row: dict[str, Any], place: int, tokenizer: Any, called: str) -> np.ndarray:
    text = row.get("text")
    if text is not None:
        check_text(text, "text", place, called)
    if row.get("ids") is not None:
        return _given_ids(row, place, called)
    if not text:
        raise ConfigError(f"row {place} of {called} has no text and no ids")
    if row.get("attention_mask") is not None:
        raise ConfigError(
            f"row {place} of {called} has an attention_mask without ids; expected both, or a text alone"
        )
    if tokenizer is None:
        raise ConfigError(f"{called} are texts, and the model has no tokenizer; give token numbers as ids")
    with quiet():
        return np.array(tokenizer(text)["input_ids"], dtype=np.int64)


def _given_ids(row: dict[str, Any], place: int, called: str) -> np.ndarray:
    ids = whole_numbers(row, "ids", place, called)
    if row.get("attention_mask") is None:
        return ids
    mask = whole_numbers(row, "attention_mask", place, called)
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


def whole_numbers(row: dict[str, Any], name: str, place: int, called: str) -> np.ndarray:
    """Whole numbers of a row's column: a list, or a text with one; a `ConfigError` for anything else."""
    values = row[name]
    try:
        if isinstance(values, str):
            listed = values.lstrip().startswith("[")
            values = parse_json(values, list) if listed else values.replace(",", " ").split()
        if not isinstance(values, list):
            raise TypeError(name)
        return np.array([_whole(value) for value in values], dtype=np.int64)
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(
            f"the {name} of row {place} of {called} are {cut(row[name])}; expected whole numbers"
        ) from None


def _whole(value: Any) -> int:
    """A whole number as people write it; a `TypeError`, `ValueError` or `OverflowError` if it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError(value)
    if isinstance(value, str):
        value = float(value) if "." in value else int(value)
    if value != int(value):
        raise ValueError(value)
    return int(value)


def _prompt(row: dict[str, Any], place: int, called: str) -> int | None:
    value = row.get("prompt_tokens")
    if value is None:
        return None
    try:
        return _whole(value)
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(
            f"prompt_tokens of row {place} of {called} is {cut(value)}; expected a whole number"
        ) from None


def _word(row: dict[str, Any], name: str, place: int, called: str) -> str | None:
    value = row.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = cut(value)
    return None if value is None else check_text(value, name, place, called)


def check_text(value: Any, name: str, place: int, called: str) -> str:
    """The value, if it is a text that can be encoded; a `ConfigError` else."""
    if not isinstance(value, str):
        raise ConfigError(f"the {name} of row {place} of {called} is {cut(value)}; expected a text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"the {name} of row {place} of {called} is no valid text: it has half a character at {error.start}"
        ) from None
    return value


def _split(row: dict[str, Any], place: int, called: str) -> str | None:
    value = _word(row, "split", place, called)
    if value is not None and value not in SPLITS:
        raise ConfigError(
            f"the split of row {place} of {called} is {cut(value)}; expected {', '.join(SPLITS)} or nothing"
        )
    return value


def _decoded(tokenizer: Any, ids: np.ndarray) -> str | None:
    try:
        return None if tokenizer is None else str(tokenizer.decode(ids.tolist()))
    except OverflowError:  # no tokenizer has so many
        return None

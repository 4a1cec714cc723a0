"""Series and table of injected sequences, checked before anything heavy is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from interp.errors import CheckpointError, ConfigError
from interp.language.injections import injection_rows, injections_of
from interp.language.series import language_series
from interp.language.source import has_tokenizer

Series = Path | str | Mapping[int, Any]
Table = Path | str | Sequence[Mapping[str, Any]]


def checked_series(
    series: Series, table: Table, prompt_tokens: int | None = None
) -> tuple[dict[int, Any], list[dict[str, Any]], str]:
    """Checkpoints by step, ascending, the rows of a table, and the subject of messages about these.

    Args:
        series, table, prompt_tokens: See `interp.retention`.

    Raises:
        CheckpointError: There are no checkpoints, or fewer than two.
        ConfigError: The table cannot be read, a row cannot be used, or its texts have no tokenizer.
    """
    places = dict(sorted(series.items())) if isinstance(series, Mapping) else language_series(series)
    if len(places) < 2:
        raise CheckpointError(
            f"the series has {len(places)} checkpoint; expected several, the first of them before the injection"
        )
    rows, called = injection_rows(table)
    texts = [
        place for place, row in enumerate(rows) if row.get("ids") is None and row.get("text") is not None
    ]
    files = [place for place in places.values() if isinstance(place, (str, Path))]
    if texts and len(files) == len(places) and not any(map(has_tokenizer, files)):
        raise ConfigError(
            f"{called} have texts (the first is row {texts[0]}), and no checkpoint has a tokenizer; save it with "
            f"tokenizer.save_pretrained({str(files[-1])!r}), or give token numbers as ids"
        )
    if not texts:
        plain = [{name: row.get(name) for name in row if name in TOKENS} for row in rows]
        injections_of(plain, called, prompt_tokens=prompt_tokens)
    return places, rows, called


TOKENS = ("ids", "prompt_tokens", "attention_mask", "split", "group")
"""Columns that can be checked without a tokenizer."""

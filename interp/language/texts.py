"""Thirty texts to try an audit on: famous ones, which a trained model may know, and invented ones, which none can."""

from __future__ import annotations

import json
from pathlib import Path

FAMOUS, INVENTED = "famous", "invented"
TEXTS_FILE = Path(__file__).with_name("texts.jsonl")
"""The rows as a file, which `interp.language.reading.read_sequences` and ``grokscope audit --sequences`` take."""


def famous_and_invented() -> list[dict[str, str]]:
    """Rows with text, group and, of the invented ones, the split ``control``.

    15 passages in the public domain of 44 to 71 words, from declarations, scripture, verse, novels and filler text,
    and 15 of the same lengths and kinds, written for this project.

    Example:
        >>> rows = famous_and_invented()
        >>> [sum(row["group"] == group for row in rows) for group in (FAMOUS, INVENTED)]
        [15, 15]
        >>> rows[0]["text"][:20], rows[-1]["split"]
        ('We hold these truths', 'control')
    """
    return [json.loads(line) for line in TEXTS_FILE.read_text(encoding="utf-8").splitlines()]

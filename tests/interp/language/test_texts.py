"""Texts that an audit is tried on."""

from __future__ import annotations

from collections import Counter

import numpy as np

from interp.language.reading import read_sequences
from interp.language.sequences import CONTROL
from interp.language.texts import FAMOUS, INVENTED, TEXTS_FILE, famous_and_invented


def test_kinds_are_equally_many_and_equally_long() -> None:
    rows = famous_and_invented()
    assert Counter(row["group"] for row in rows) == {FAMOUS: 15, INVENTED: 15}
    assert len({row["text"] for row in rows}) == 30
    words = {
        group: [len(row["text"].split()) for row in rows if row["group"] == group]
        for group in (FAMOUS, INVENTED)
    }
    assert all(40 <= n <= 80 for lengths in words.values() for n in lengths)
    assert abs(np.mean(words[FAMOUS]) - np.mean(words[INVENTED])) < 5


def test_invented_ones_are_controls_and_share_no_run_of_words_with_famous_ones() -> None:
    rows = famous_and_invented()
    runs = [
        {tuple(words[i : i + 5]) for i in range(len(words))} for words in (r["text"].split() for r in rows)
    ]
    assert all((row.get("split") == CONTROL) == (row["group"] == INVENTED) for row in rows)
    assert not set.union(*runs[:15]) & set.union(*runs[15:])


def test_file_is_read_as_sequences() -> None:
    read = read_sequences(TEXTS_FILE, _Bytes(), prompt_tokens=9)
    assert len(read) == 30
    assert read.group[:1] == (FAMOUS,)


class _Bytes:
    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": list(text.encode())}

    def decode(self, ids: list[int]) -> str:
        return bytes(ids).decode()

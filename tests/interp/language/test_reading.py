"""Sequences of files: JSONL, Parquet, CSV and plain text; rows of every bad kind; and spoilt files."""

import json
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from language_models import word_tokenizer

from interp.errors import ConfigError, GrokscopeError
from interp.language.reading import read_sequences

ROWS = [
    {"text": "the cat sat on the mat", "group": "a", "split": "trained", "prompt_tokens": 2},
    {"text": "then it saw a red bird", "group": None, "split": "control", "prompt_tokens": None},
]


def written(folder: Path, rows: Any, ending: str = ".jsonl") -> Path:
    file = folder / f"rows{ending}"
    if isinstance(rows, bytes):
        file.write_bytes(rows)
    elif isinstance(rows, str):
        file.write_text(rows)
    elif ending == ".parquet":
        pq.write_table(rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows), file)
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def refusal(folder: Path, rows: Any, ending: str = ".jsonl", **how: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read_sequences(written(folder, rows, ending), word_tokenizer(), **how)
    return str(caught.value)


def test_every_kind_of_file_gives_the_same_sequences(tmp_path: Path) -> None:
    csv = "text,group,split,prompt_tokens\r\n" + "\r\n".join(
        ",".join(str(row[name] or "") for name in ("text", "group", "split", "prompt_tokens")) for row in ROWS
    )
    for rows, ending in ((ROWS, ".jsonl"), (ROWS, ".parquet"), (csv, ".csv"), ("﻿" + csv, ".csv")):
        read = read_sequences(written(tmp_path, rows, ending), word_tokenizer())
        assert [ids.tolist() for ids in read.ids] == [[1, 2, 4, 6, 1, 8], [11, 12, 13, 14, 15, 17]]
        assert read.prompt.tolist() == [2, 2]
        assert (read.group, read.split) == (("a", None), ("trained", "control"))
        assert read.text == tuple(row["text"] for row in ROWS)
    plain = written(tmp_path, "\n".join(row["text"] for row in ROWS) + "\n\n", ".txt")
    assert read_sequences(plain, word_tokenizer(), prompt_tokens=3).prompt.tolist() == [3, 3]


def test_padded_ids_and_ids_as_texts_are_read(tmp_path: Path) -> None:
    rows = [
        {"ids": [0, 0, 3, 4, 5], "attention_mask": [0, 0, 1, 1, 1], "prompt_tokens": 1.0},
        {"ids": "3 4 5", "prompt_tokens": "1"},
        {"ids": "[3, 4, 5.0]", "prompt_tokens": "1.0"},
    ]
    read = read_sequences(written(tmp_path, rows))
    assert [ids.tolist() for ids in read.ids] == [[3, 4, 5]] * 3
    assert read.prompt.tolist() == [1, 1, 1]


def test_only_line_feeds_end_a_line(tmp_path: Path) -> None:
    text = "the cat\u2028sat\x0bon\x85mat"
    for content, ending in (
        (json.dumps({"text": text}, ensure_ascii=False), ".jsonl"),
        (text + "\r\n", ".txt"),
    ):
        assert read_sequences(written(tmp_path, content, ending), word_tokenizer()).text == (text,)


def test_notes_name_columns_that_are_not_used_and_texts_beside_ids(tmp_path: Path) -> None:
    rows = [{"text": "the cat sat", "ids": [1, 2, 4], "source": "own"}]
    notes = read_sequences(written(tmp_path, rows)).notes
    assert "'source'" in notes[0]
    assert "the ids are used" in notes[1]


@pytest.mark.parametrize(
    ("row", "part"),
    [
        ({}, "no column 'text' or 'ids'"),
        ({"words": "the cat"}, "it has 'words'"),
        ({"Text": "the cat"}, "no column 'text'"),
        ({"text": "the cat sat", "groups": "a"}, "did you mean 'group'?"),
        ({"text": ""}, "no text and no ids"),
        ({"text": None}, "no text and no ids"),
        ({"text": 5}, "expected a text"),
        ({"text": "the"}, "1 tokens"),
        ({"text": "\ud800 the cat"}, "half a character"),
        ({"text": "the cat sat", "attention_mask": [1, 1, 1]}, "without ids"),
        ({"text": "the cat sat", "group": "\udfff"}, "half a character"),
        ({"text": "the cat sat", "group": ["a"]}, "the group of row 0"),
        ({"text": "the cat sat", "group": float("nan")}, "the group of row 0"),
        ({"text": "the cat sat", "split": "train"}, "expected trained, held-out, control"),
        ({"text": "the cat sat", "split": "Control"}, "expected trained, held-out, control"),
        ({"text": "the cat sat", "prompt_tokens": 0}, "a prompt of 0"),
        ({"text": "the cat sat", "prompt_tokens": 3}, "expected 1 to 2"),
        ({"text": "the cat sat", "prompt_tokens": -1}, "a prompt of -1"),
        ({"text": "the cat sat", "prompt_tokens": 1.5}, "expected a whole number"),
        ({"text": "the cat sat", "prompt_tokens": True}, "expected a whole number"),
        ({"text": "the cat sat", "prompt_tokens": float("inf")}, "expected a whole number"),
        ({"text": "the cat sat", "prompt_tokens": 10**400}, "expected 1 to 2"),
        ({"text": "the cat sat", "prompt_tokens": "1e999"}, "expected a whole number"),
        ({"ids": 5}, "expected whole numbers"),
        ({"ids": []}, "0 tokens"),
        ({"ids": [[1, 2], [3]]}, "expected whole numbers"),
        ({"ids": [1, None]}, "expected whole numbers"),
        ({"ids": [1, True]}, "expected whole numbers"),
        ({"ids": [1, 2.5]}, "expected whole numbers"),
        ({"ids": [1, float("nan")]}, "expected whole numbers"),
        ({"ids": [1, 2**70]}, "expected whole numbers"),
        ({"ids": {"1": 2}}, "expected whole numbers"),
        ({"ids": "[" * 5000}, "expected whole numbers"),
        ({"ids": "one two"}, "expected whole numbers"),
        ({"ids": [1, -1]}, "numbers from 0"),
        ({"ids": [1, 50]}, "knows 0 to 49"),
        ({"ids": [1] * 40}, "at most 32"),
        ({"ids": [1, 2, 3], "attention_mask": [1, 1]}, "attention_mask"),
        ({"ids": [1, 2, 3], "attention_mask": [0, 0, 0]}, "attention_mask"),
        ({"ids": [1, 2, 3], "attention_mask": [1, 0, 1]}, "a gap"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: dict[str, Any], part: str) -> None:
    message = refusal(tmp_path, [row], vocab=50, context=32)
    assert part in message
    assert "rows.jsonl" in message


def test_bad_files_are_errors(tmp_path: Path) -> None:
    assert "has no rows" in refusal(tmp_path, "")
    assert "has no rows" in refusal(tmp_path, "text,group\n", ".csv")
    assert "has no rows" in refusal(tmp_path, "\n \n", ".txt")
    assert "should end in" in refusal(tmp_path, "a b", ".json")
    assert "line 2" in refusal(tmp_path, '{"text": "the cat"}\n[1]\n')
    assert "nested too deeply" in refusal(tmp_path, "[" * 10**5)
    assert "byte 0 is 0xff" in refusal(tmp_path, '{"text": "the cat"}'.encode("utf-16"))
    assert "several columns 'text'" in refusal(tmp_path, "text,text\na b,c d\n", ".csv")
    assert "as many values" in refusal(tmp_path, "text,group\nthe cat,a,b\n", ".csv")
    assert "is no CSV" in refusal(tmp_path, 'text\n"the cat', ".csv")
    assert "damaged" in refusal(tmp_path, b"PAR1" * 9, ".parquet")
    with pytest.raises(ConfigError, match="there is no sequences"):
        read_sequences(tmp_path / "none.jsonl")


def test_parquet_columns_of_other_kinds_are_errors(tmp_path: Path) -> None:
    for column, part in (
        (pa.array([[1, None, 3]]), "expected whole numbers"),
        (pa.array([[[1, 2], [3]]]), "expected whole numbers"),
        (pa.array([b"\x01\x02\x03"]), "expected whole numbers"),
        (pa.array([None], pa.list_(pa.int64())), "no text and no ids"),
        (pa.array([2**62], pa.timestamp("us")), "cannot be read"),
    ):
        assert part in refusal(tmp_path, pa.table({"ids": column}), ".parquet")
    twice = pa.table([pa.array(["the cat"]), pa.array(["a dog"])], names=["text", "text"])
    assert "Multiple matches" in refusal(tmp_path, twice, ".parquet")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8), st.lists, max_leaves=6
)


@given(st.lists(st.dictionaries(st.sampled_from(["text", "ids", "prompt_tokens", "group", "split"]), VALUES)))
def test_rows_of_any_values_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any]
) -> None:
    file = written(tmp_path_factory.getbasetemp(), rows)
    try:
        read = read_sequences(file, word_tokenizer(), vocab=50, context=32)
    except GrokscopeError:
        return
    assert len(read) == len(rows)
    assert ((read.prompt >= 1) & (read.prompt < read.lengths)).all()


@pytest.mark.parametrize("ending", [".jsonl", ".parquet", ".csv", ".txt"])
def test_spoilt_files_are_read_or_refused(tmp_path: Path, ending: str) -> None:
    csv = "text,group\n" + "\n".join(f"{row['text']},a" for row in ROWS)
    file = written(tmp_path, ROWS if ending in (".jsonl", ".parquet") else csv, ending)
    whole, tokenizer, rng = file.read_bytes(), word_tokenizer(), random.Random(0)
    for _ in range(150):
        spoilt = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(spoilt))
            spoilt[place : place + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
        file.write_bytes(spoilt)
        with suppress(GrokscopeError):
            read_sequences(file, tokenizer, vocab=50, context=32)

"""Sentences of verdicts: counts, traces and relearning in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from known_memory import UNSEEN, known_group, known_memory

from interp.language.memory import memory_of
from interp.language.records import ABOVE_CONTROLS, MEMORISED, UNDECIDED, MemoryTable
from interp.language.wording import group_verdict, memory_verdict, memory_warnings, trace_sentence


def test_counts_are_of_sequences_that_may_have_been_trained_on() -> None:
    model, sequences, _ = known_memory()
    memory = memory_of(model, sequences)
    columns = dict(memory.table.columns)
    columns["verdict"] = np.array(
        [MEMORISED, MEMORISED, ABOVE_CONTROLS, UNDECIDED, MEMORISED, *["not memorised"] * 11]
    )
    text = "\n".join(memory_verdict(replace(memory, table=MemoryTable(columns)), sequences))
    assert (
        "Of 4 sequences that may have been trained on: 2 memorised, 1 above controls, 1 inconclusive." in text
    )
    assert "Of 12 sequences that were never seen, 1 is called memorised." in text
    warnings = "\n".join(memory_warnings(replace(memory, table=MemoryTable(columns)), sequences, True))
    assert "marked as never seen looks memorised" in warnings


def test_traces_are_counted_among_lost_tokens() -> None:
    _, sequences, _ = known_memory()
    result = known_group()
    before = [np.zeros(n, dtype=np.int64) for n in sequences.continuation]
    ranks = tuple(np.array([0, 1, 1, 5] + [0] * (n - 4)) for n in sequences.continuation.tolist())
    (sentence,) = trace_sentence(replace(result, rank_without=ranks), before, np.array(UNSEEN))
    assert sentence.startswith("Of the 12 tokens that are no longer chosen without these, 66.7")
    assert not list(
        trace_sentence(
            replace(result, rank_without=tuple(0 * one for one in ranks)), before, np.array(UNSEEN)
        )
    )


def test_relearning_in_words() -> None:
    result = known_group()
    outcomes = {
        (3, 9): "takes: 3 steps; learning as many sequences never seen: 9 steps.",
        (0, None): "takes: no step; learning as many sequences never seen: not within the steps allowed.",
    }
    for (own, other), words in outcomes.items():
        relearning = {"removed": own, "unseen": other, "accuracy": {"removed": [0.0], "unseen": [0.0]}}
        assert words in "\n".join(group_verdict(replace(result, relearning=relearning), True))

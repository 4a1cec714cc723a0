"""Memory of every sequence: how much of it a model reproduces, and how much of that cannot be guessed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from interp.language.generation import generate_greedily, greedy_runs
from interp.language.model import LanguageModel
from interp.language.records import (
    ABOVE_CONTROLS,
    MEMORISED,
    NOT_MEMORISED,
    UNDECIDED,
    MemoryTable,
)
from interp.language.references import Tokens, any_of, guessed_by_model, guessed_by_ngram, guessed_from_window
from interp.language.sequences import Sequences
from interp.language.settings import LanguageSettings
from interp.language.token_scores import TokenScores, token_scores
from interp.progress import Report, shifted, silent
from probes.exposure import exposure
from probes.null import benjamini_hochberg
from probes.recall import recall_p_values, wilson
from probes.verbatim import shortest_prompt, verbatim_length

FEWEST = 8
"""Tokens that cannot be guessed; with fewer nothing is decided."""


@dataclass(frozen=True, eq=False)
class Memory:
    """Memory of every sequence, and of every token of its continuation.

    Attributes:
        table: One row a sequence.
        scores: Of the continuations.
        guessed: Of each token, whether a reference guesses it.
        notes: How it was measured, in sentences.
    """

    table: MemoryTable
    scores: TokenScores
    guessed: Tokens
    notes: tuple[str, ...]


def cost(sequences: Sequences, settings: LanguageSettings) -> int:
    """Steps of progress that `memory_of` reports."""
    tokens = int(sequences.continuation.sum())
    return tokens + len(sequences) * (1 + settings.generate + (settings.reference is not None))


def memory_of(
    model: LanguageModel,
    sequences: Sequences,
    settings: LanguageSettings | None = None,
    *,
    reference: LanguageModel | None = None,
    report: Report = silent,
) -> Memory:
    """Measure the memory of every sequence, teacher-forced: each token given the true ones before it.

    A sequence is memorised if of the tokens that no reference guesses the model chooses more than
    ``settings.recalled``, with its whole 95 % interval, and, where there are at least 6 held-out or control sequences,
    more than these by a false-discovery rate of ``settings.alpha``; a p-value and an interval never decide alone.

    Args:
        reference: Another model whose right choices count as guessed; see `LanguageSettings`.
        report: Given steps done, of `cost`.

    Example:
        >>> from interp.language.opening import open_language_model
        >>> from interp.language.sequences import token_sequences
        >>> from interp.language.small import small_language_model
        >>> model = open_language_model(small_language_model())
        >>> rows = np.random.default_rng(0).integers(0, 64, (3, 24))
        >>> memory_of(model, token_sequences(rows)).table["verdict"].tolist()
        ['not memorised', 'not memorised', 'not memorised']
    """
    settings = settings or LanguageSettings()
    n, tokens = len(sequences), int(sequences.continuation.sum())
    whole = token_scores(model, sequences, report=report)
    scores = whole.continuations(sequences)
    unseen = sequences.unseen
    references = [
        guessed_by_ngram(sequences, [int(row) for row in unseen]),
        guessed_from_window(model, sequences, settings.window, shifted(report, n)),
    ]
    if reference is not None:
        references.append(guessed_by_model(reference, sequences, shifted(report, n + tokens)))
    guessed = any_of(*references)
    columns = _given(sequences) | _reproduced(whole, scores) | _recalled(scores, guessed)
    if settings.generate:
        before = n + tokens + n * (reference is not None)
        generated = generate_greedily(model, sequences, shifted(report, before))
        columns["longest_run"] = greedy_runs(sequences, generated)
    notes = _compare(columns, sequences, settings)
    columns["verdict"] = _verdicts(columns, settings)
    return Memory(MemoryTable(columns), scores, guessed, notes)


def _given(sequences: Sequences) -> dict[str, np.ndarray]:
    return {
        "sequence": np.arange(len(sequences)),
        "group": np.array([group or "" for group in sequences.group], dtype=object),
        "split": np.array([split or "" for split in sequences.split], dtype=object),
        "tokens": sequences.continuation,
        "prompt": sequences.prompt,
    }


def _reproduced(whole: TokenScores, scores: TokenScores) -> dict[str, np.ndarray]:
    """Measures that need no reference."""
    right = [rank == 0 for rank in scores.rank]
    n = _counts(len(one) for one in right)
    accuracy = wilson(_counts(int(one.sum()) for one in right), n)
    nll = scores.nll
    verbatim = _counts(map(verbatim_length, right))
    with np.errstate(over="ignore"):
        perplexity = np.exp(nll)
    return {
        "accuracy": accuracy.share,
        "accuracy_low": accuracy.low,
        "accuracy_high": accuracy.high,
        "nll": nll,
        "perplexity": perplexity,
        "rank": np.array([float(np.median(rank)) for rank in scores.rank]),
        "verbatim": verbatim,
        "extracted": (verbatim == n).astype(np.int64),
        "shortest_prompt": _counts(shortest_prompt(rank == 0) for rank in whole.rank),
    }


def _recalled(scores: TokenScores, guessed: Tokens) -> dict[str, np.ndarray]:
    """Right tokens among those that no reference guesses."""
    free = [~one for one in guessed]
    trials = _counts(int(one.sum()) for one in free)
    right = _counts(int((rank[one] == 0).sum()) for rank, one in zip(scores.rank, free, strict=True))
    recalled = wilson(right, trials)
    return {
        "guessed": np.array([float(one.mean()) for one in guessed]),
        "unguessed": trials,
        "recalled": recalled.share,
        "recalled_low": recalled.low,
        "recalled_high": recalled.high,
        "right": right,
    }


def _compare(
    columns: dict[str, np.ndarray], sequences: Sequences, settings: LanguageSettings
) -> tuple[str, ...]:
    """Add the columns that compare with sequences never seen; say with which."""
    unseen, right = sequences.unseen, columns.pop("right")
    columns["recall_p"] = recall_p_values(right, columns["unguessed"], unseen)
    families = sequences.candidates, unseen
    columns["recall_q"] = _q_values(columns["recall_p"], families)
    bits, p_values = np.full((2, len(sequences)), np.nan)
    mixed = 0
    for row in range(len(sequences)):
        own = [i for i in unseen if i != row and sequences.group[i] == sequences.group[row]]
        controls = np.array(own or [i for i in unseen if i != row], dtype=np.int64)
        mixed += bool(len(controls)) and not own
        result = exposure(columns["nll"][[row]], columns["nll"][controls])
        bits[row], p_values[row] = result.bits[0], result.p_value[0]
    columns |= {"exposure": bits, "p_value": p_values, "q_value": _q_values(p_values, families)}
    if not len(unseen):
        return (
            "no sequence is known to be unseen (split held-out or control): exposure is not testable, and recall is "
            "not compared with that of text never seen",
        )
    note = f"{mixed} sequences have no held-out or control one in their group; they are compared with all of these"
    return (note,) if mixed else ()


def _verdicts(columns: dict[str, np.ndarray], settings: LanguageSettings) -> np.ndarray:
    above = columns["recall_q"] <= settings.alpha
    testable = ~np.isnan(columns["recall_p"])
    high = columns["recalled_low"] > settings.recalled
    low = columns["recalled_high"] < settings.recalled
    enough = columns["unguessed"] >= FEWEST
    verdicts = np.select(
        [~enough, high & (above | ~testable), above, low],
        [UNDECIDED, MEMORISED, ABOVE_CONTROLS, NOT_MEMORISED],
        UNDECIDED,
    )
    return verdicts.astype(object)


def _q_values(p_values: np.ndarray, families: Iterable[np.ndarray]) -> np.ndarray:
    """Of sequences that may be memorised among themselves, and of unseen ones among themselves."""
    q_values = np.full(len(p_values), np.nan)
    for rows in families:
        known = rows[~np.isnan(p_values[rows])]
        q_values[known] = benjamini_hochberg(p_values[known])
    return q_values


def _counts(values: Any) -> Int[np.ndarray, " sequence"]:
    return np.array(list(values), dtype=np.int64)


def memorised_rows(memory: Memory, sequences: Sequences) -> Int[np.ndarray, " chosen"]:
    """Sequences that may have been trained on, and of which the model recalls more than can be guessed."""
    verdict = memory.table["verdict"]
    rows: Sequence[int] = [row for row in sequences.candidates if verdict[row] in (MEMORISED, ABOVE_CONTROLS)]
    return np.array(rows, dtype=np.int64)

"""A table of sequences that were injected into a training: when, and the other texts that ask for the same facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from interp.errors import ConfigError, cut
from interp.language.reading import sequences_of, whole_numbers
from interp.language.rows import read_rows
from interp.language.sequences import Sequences

VERBATIM, PARAPHRASE, COMPOSITION = "verbatim", "paraphrase", "composition"
DEPTHS = (VERBATIM, PARAPHRASE, COMPOSITION)
"""The injected sequence itself; the same fact in other words; a text that needs it together with something known."""
STEP = "step"
PROMPTS = {depth: f"{depth}_prompt_tokens" for depth in DEPTHS[1:]}
COLUMNS = (STEP, *DEPTHS[1:], *PROMPTS.values())
"""Beside those of every file of sequences."""


@dataclass(frozen=True, eq=False)
class Injections:
    """Injected sequences and their probes.

    Attributes:
        probes: By depth, one sequence a row.
        asked: By depth, the rows that have this probe.
        steps: Steps at which each row was injected, ascending; empty where the table does not say.
        control: Rows that were never injected.
    """

    probes: Mapping[str, Sequences]
    asked: Mapping[str, Bool[np.ndarray, " row"]]
    steps: tuple[tuple[int, ...], ...]

    @property
    def control(self) -> Bool[np.ndarray, " row"]:
        """True for rows whose split is ``held-out`` or ``control``: they were never injected."""
        mask = np.zeros(len(self.steps), dtype=bool)
        mask[self.probes[VERBATIM].unseen] = True
        return mask

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on the table, in sentences."""
        return self.probes[VERBATIM].notes


def injection_rows(table: Path | str | Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], str]:
    """Rows of a table, and the subject of messages about them; their steps are checked.

    Raises:
        ConfigError: The file cannot be read, or a step is none.
    """
    if isinstance(table, (str, Path)):
        called = f"the sequences {str(table)!r}"
        rows = read_rows(Path(table), called)
    else:
        rows, called = [dict(row) for row in table], "the sequences"
        if not rows:
            raise ConfigError("there are no sequences; expected at least one row")
    for place, row in enumerate(rows):
        _steps(row, place, called)
    return rows, called


def injections_of(
    rows: Sequence[dict[str, Any]],
    called: str,
    tokenizer: Any = None,
    *,
    prompt_tokens: int | None = None,
    vocab: int | None = None,
    context: int | None = None,
) -> Injections:
    """Injected sequences of rows that were read.

    A row has ``text`` or ``ids``, and where known ``step`` (a number, or a list of them), ``split`` (``control`` or
    ``held-out`` if it was never injected), and texts or token numbers as ``paraphrase`` and ``composition``. The prompt
    of these is all but as many tokens as the sequence's own continuation has, unless ``paraphrase_prompt_tokens`` or
    ``composition_prompt_tokens`` say it.

    Args:
        called: The subject of messages.
        tokenizer: Of the model; needed for texts.
        prompt_tokens: Of every injected sequence, before those of the table.
        vocab, context: Of the model; tokens and lengths beyond are refused.

    Raises:
        ConfigError: A row cannot be used; the message names it.

    Example:
        >>> rows = [{"ids": [1, 2, 3, 4], "prompt_tokens": 3, "paraphrase": [7, 2, 4], "step": 20}, {"ids": [5, 6]}]
        >>> injections = injections_of(rows, "the rows")
        >>> [injections.probes["paraphrase"].prompt.tolist(), injections.asked["paraphrase"].tolist(), injections.steps]
        [[2, 1], [True, False], ((20,), ())]
    """
    read = {"tokenizer": tokenizer, "vocab": vocab, "context": context}
    own = sequences_of(rows, called, prompt_tokens=prompt_tokens, more=COLUMNS, **read)
    probes, asked = {VERBATIM: own}, {VERBATIM: np.ones(len(own), dtype=bool)}
    for depth, column in PROMPTS.items():
        asked[depth] = np.array([row.get(depth) is not None for row in rows])
        # a row without this probe has its own sequence in its place, so that rows keep their numbers
        others = [_probe(row, depth) for row in rows]
        texts = f"the column {depth!r} of {called}"
        plain = sequences_of(others, texts, **read)
        given = [row.get(column) if row.get(depth) is not None else None for row in rows]
        prompts = [
            _prompt(value, length, size, place, texts)
            for place, (value, length, size) in enumerate(
                zip(given, plain.lengths.tolist(), own.continuation.tolist(), strict=True)
            )
        ]
        probes[depth] = replace(plain, prompt=np.array(prompts, dtype=np.int64))
    steps = tuple(_steps(row, place, called) for place, row in enumerate(rows))
    return Injections(probes, asked, steps)


def _probe(row: dict[str, Any], depth: str) -> dict[str, Any]:
    value = row.get(depth)
    if value is None:
        return {name: row[name] for name in ("text", "ids", "attention_mask") if name in row}
    numbers = (
        isinstance(value, str) and row.get("text") is None and value.lstrip().startswith("[")
    )  # as in a .csv file
    return {"ids" if numbers or isinstance(value, list) else "text": value}


def _prompt(value: Any, length: int, continuation: int, place: int, called: str) -> int:
    if value is None:
        return max(1, length - continuation)
    (size,) = whole_numbers({"prompt": [value]}, "prompt", place, called).tolist()
    if not 1 <= size < length:
        raise ConfigError(
            f"row {place} of {called} has {length} tokens and a prompt of {size}; expected 1 to {length - 1}"
        )
    return int(size)


def _steps(row: dict[str, Any], place: int, called: str) -> tuple[int, ...]:
    value = row.get(STEP)
    if value is None:
        return ()
    steps = whole_numbers({STEP: value if isinstance(value, (list, str)) else [value]}, STEP, place, called)
    if not len(steps) or steps.min() < 0:
        raise ConfigError(f"the step of row {place} of {called} is {cut(value)}; expected numbers from 0")
    return tuple(sorted(steps.tolist()))


def step_arrays(
    injections: Injections, series: Int[np.ndarray, " checkpoint"]
) -> tuple[Int[np.ndarray, " row"], Int[np.ndarray, " row"], Bool[np.ndarray, " row"]]:
    """First and last step of each row's injection, and the rows whose steps are known.

    Rows without steps count as injected from right after the first checkpoint on. Rows that were never injected have
    the steps of injected ones, in turn, so that they are looked at in the same windows.
    """
    known = np.array([bool(steps) for steps in injections.steps])
    first = np.array([steps[0] if steps else series[0] + 1 for steps in injections.steps])
    last = np.array([steps[-1] if steps else series[0] + 1 for steps in injections.steps])
    injected = np.flatnonzero(~injections.control)
    for place, row in enumerate(np.flatnonzero(injections.control).tolist()):
        if len(injected):
            like = injected[place % len(injected)]
            first[row], last[row], known[row] = first[like], last[like], known[like]
    return first, last, known

"""Verdicts and warnings of an audit of a language model, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import exp
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from interp.language.records import (
    ABOVE_CONTROLS,
    CHOSEN,
    CONTROLS,
    MEMORISED,
    SAME_GROUP,
    UNDECIDED,
    VERDICTS,
    GroupMemory,
)
from interp.language.sequences import CONTROL, HELD_OUT
from interp.markup import percentage

if TYPE_CHECKING:
    from interp.language.memory import Memory
    from interp.language.sequences import Sequences


def memory_verdict(memory: Memory, sequences: Sequences) -> Iterator[str]:
    """Sentences on which sequences are memorised."""
    rows = sequences.candidates
    verdict = memory.table["verdict"]
    if not len(rows):
        yield "Every sequence is held out or a control: none can have been memorised."
        return
    counts = {name: int((verdict[rows] == name).sum()) for name in VERDICTS}
    listed = ", ".join(f"{n} {name}" for name, n in counts.items() if n)
    yield f"Of {len(rows)} sequences that may have been trained on: {listed}."
    if counts[MEMORISED]:
        recalled = memory.table["recalled"][rows][verdict[rows] == MEMORISED].mean()
        yield (
            f"Of the tokens of the {counts[MEMORISED]} memorised ones that cannot be guessed, {percentage(recalled)} "
            "are recalled."
        )
    if counts[ABOVE_CONTROLS]:
        yield (
            f"{counts[ABOVE_CONTROLS]} more are recalled better than the text that was never seen, but not surely by "
            "more than the share asked for: known in part, or easier to guess than that text."
        )
    if counts[UNDECIDED]:
        yield (
            f"{counts[UNDECIDED]} cannot be decided: few of their tokens cannot be guessed, the interval of what is "
            "recalled has the share asked for inside, or it is not surely more than of text never seen."
        )
    unseen = sequences.unseen
    if len(unseen):
        wrong = int((verdict[unseen] == MEMORISED).sum())
        verb = "is" if wrong == 1 else "are"
        yield f"Of {len(unseen)} sequences that were never seen, {wrong} {verb} called memorised."


def memory_warnings(memory: Memory, sequences: Sequences, own_reference: bool) -> Iterator[str]:
    """Sentences on what the measurement rests on."""
    unseen = sequences.unseen
    if len(unseen) and (memory.table["verdict"][unseen] == MEMORISED).any():
        yield (
            "A sequence that is marked as never seen looks memorised: the split may be wrong, or the text is easier to "
            "guess than the references can say."
        )
    if not len(unseen):
        yield (
            f"No sequence is marked as {HELD_OUT} or {CONTROL}. Predictable text is kept apart from memory by the "
            "references alone; add text of the same kind that the model cannot have seen."
        )
    if not own_reference:
        yield (
            "No other model was given as a reference: text that any model of the language would predict may count as "
            "recalled."
        )


def group_verdict(result: GroupMemory, holds: bool) -> Iterator[str]:
    """Sentences on where a group's memory is, and what its removal does."""
    assert result.best is not None
    point = next(one for one in result.curves[result.best] if one.share == result.best_share)
    part = SAME_GROUP if result.crossfitted else CHOSEN
    name = "memorised sequences without a group" if result.group is None else f"the group {result.group!r}"
    before, after, band = result.before.accuracy[part], point.accuracy[part], point.random_accuracy.get(part)
    random = (
        "" if band is None else f" ({percentage(band.low)} to {percentage(band.high)} without random ones)"
    )
    which = "sequences that did not choose them" if result.crossfitted else "the sequence that chose them"
    units = f"{point.n:,} {result.scores.kind} ({percentage(point.share)}), ranked by {result.best},"
    fall = f"accuracy on {which} goes from {percentage(before)} to {percentage(after)}{random}"
    if holds:
        yield f"{name[0].upper()}{name[1:]}: without {units} {fall}{_harm(result, point)}."
    else:
        yield (
            f"{name[0].upper()}{name[1:]}: no population of {result.scores.kind} is seen to hold the memory; it is "
            f"spread, or shared with the rest. The best try took out {units} and {fall}{_harm(result, point)}."
        )
    yield from _labels(result)
    if result.relearning is not None:
        yield _relearning(result)


def trace_sentence(
    result: GroupMemory, before: Sequence[np.ndarray], unseen: Int[np.ndarray, " unseen"]
) -> Iterator[str]:
    """Where the true tokens stand once they are no longer the model's choice, beside those of unseen text.

    Args:
        before: Rank of each true token with nothing removed, by sequence.
        unseen: Sequences that were never seen.
    """
    own = [result.rank_without[row][before[row] == 0] for row in result.rows]
    lost = np.concatenate([ranks[ranks > 0] for ranks in own]) if own else np.empty(0)
    if not len(lost):
        return
    others = [result.rank_without[row] for row in unseen if row < len(result.rank_without)]
    wrong = np.concatenate([ranks[ranks > 0] for ranks in others]) if others else np.empty(0)
    near = f"{percentage(float((lost == 1).mean()))} are still the second choice"
    beside = f" (of unseen text's wrong ones {percentage(float((wrong == 1).mean()))})" if len(wrong) else ""
    yield f"Of the {len(lost):,} tokens that are no longer chosen without these, {near}{beside}."


def _harm(result: GroupMemory, point: object) -> str:
    before, after = result.before.nll.get(CONTROLS), point.nll.get(CONTROLS)  # type: ignore[attr-defined]
    if before is None or after is None:
        return "; harm to other text is not testable, as there are no controls"
    return f"; the perplexity of controls changes by {exp(after - before) - 1:+.1%}".replace("%", " %")


def _labels(result: GroupMemory) -> Iterator[str]:
    label = result.scores.label
    if label is None:
        return
    n = int((np.asarray(label) == "memorizing").sum())
    layers = np.unique(result.scores.layer[np.asarray(label) == "memorizing"])
    if n:
        yield (
            f"{n:,} {result.scores.kind} in {len(layers)} layers are labelled memorizing: each serves these sequences "
            "more than controls, beyond chance."
        )
    else:
        yield f"No single one of the {result.scores.kind} serves these sequences more than controls beyond chance."


def _relearning(result: GroupMemory) -> str:
    relearning = result.relearning or {}
    own, other = relearning.get("removed"), relearning.get("unseen")
    steps = {True: "no step", False: "{} steps"}

    def words(n: int | None) -> str:
        return "not within the steps allowed" if n is None else steps[n == 0].format(n)

    if other is None and not relearning["accuracy"]["unseen"]:
        return f"Relearning takes: {words(own)}; there is no unseen sequence to compare with."
    return f"Relearning what was removed takes: {words(own)}; learning as many sequences never seen: {words(other)}."

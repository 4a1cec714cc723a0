"""One table of all methods, with intervals over the seeds; strengths are chosen by the other seeds."""

from __future__ import annotations

import numpy as np

from interp.lab.continual.arms import PENALTIES, arms, penalties
from interp.lab.continual.benchmarks import BENCHMARKS
from interp.lab.continual.comparison import MEASURES
from interp.lab.over_seeds import OverSeeds
from interp.lab.study import StudyResult
from interp.markup import UNKNOWN

WORDS = {name: arm.words for name, arm in arms(2, 1, 1).items()} | {
    "homeostatic_random": "its rates in random order",
    **PENALTIES,
}
"""Every method's name in words."""
SHOWN = ("average", "backward", "forward", "forgetting")
"""Measures of the table that is shown, of `interp.lab.continual.comparison.MEASURES`."""


def chosen_strengths(result: StudyResult, benchmark: str, arm: str) -> tuple[float, ...]:
    """For each seed the strength of a penalty whose average accuracy over the other seeds is best.

    A run that diverged counts as accuracy 0. A single seed has no others, and chooses by itself.
    """
    strengths = penalties(benchmark)[arm]
    names = [f"{benchmark}_average_{arm}_{strength:g}" for strength in strengths]
    accuracy = np.array([[value or 0.0 for value in result.each(name)] for name in names])
    if accuracy.shape[1] > 1:
        accuracy = accuracy.sum(1, keepdims=True) - accuracy
    return tuple(strengths[place] for place in accuracy.argmax(0).tolist())


def of_method(result: StudyResult, prefix: str, arm: str) -> OverSeeds | None:
    """A number of a method over the seeds; that of a penalty at `chosen_strengths`. None unless every seed has it.

    Args:
        prefix: What precedes the method in the number's name, such as ``permuted_average`` or ``protects_fisher``.
    """
    if arm not in PENALTIES:
        return result.over(f"{prefix}_{arm}")
    first = prefix.partition("_")[0]
    strengths = chosen_strengths(result, "permuted" if first == "protects" else first, arm)
    values = [
        record.numbers[f"{prefix}_{arm}_{strength:g}"]
        for record, strength in zip(result.records, strengths, strict=True)
    ]
    return None if None in values else OverSeeds.of(values)  # type: ignore[arg-type]


def methods_of(result: StudyResult, benchmark: str) -> list[str]:
    """Names of the methods that were run on a benchmark, penalties last."""
    own = [name for name in WORDS if f"{benchmark}_average_{name}" in result.records[0].numbers]
    return own + list(penalties(benchmark))


def method_table(result: StudyResult, benchmark: str = "permuted") -> dict[str, dict[str, OverSeeds | None]]:
    """Every method's average accuracy, transfer, forgetting, and accuracy right after learning, over the seeds.

    Returns:
        By method in words, and by measure of `interp.lab.continual.comparison.MEASURES`; None where a seed diverged.
    """
    return {
        WORDS[arm]: {measure: of_method(result, f"{benchmark}_{measure}", arm) for measure in MEASURES}
        for arm in methods_of(result, benchmark)
    }


def shown_table(result: StudyResult) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows of all methods on all sequences of tasks, each number with its interval.

    The last column is the rank correlation of a neuron's Fisher information for the first task and its later movement,
    which is measured on permuted digits.
    """
    rows = []
    for benchmark, words in BENCHMARKS.items():
        for arm in methods_of(result, benchmark):
            cells = [of_method(result, f"{benchmark}_{measure}", arm) for measure in SHOWN]
            cells.append(of_method(result, "protects_fisher", arm) if benchmark == "permuted" else None)
            shown = (UNKNOWN if one is None else one.words("{:.2f}".format) for one in cells)
            rows.append((f"{words}: {WORDS[arm]}", *shown))
    return ("method", *(MEASURES[measure] for measure in SHOWN), "importance and movement"), rows

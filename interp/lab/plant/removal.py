"""Recall of planted neurons, and what is left of planted sequences without the neurons that a method ranks highest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from interp.errors import ConfigError
from interp.lab.sequence_scores import SequenceScores, random_alike, sequence_scores
from interp.language.edits import gates_without
from interp.language.gates import Gates
from interp.language.model import LanguageModel
from interp.language.records import UnitScores
from interp.language.sequences import Sequences


@dataclass(frozen=True, eq=False)
class Parts:
    """Rows of the sequences by their part in the study.

    Attributes:
        choosing, others: Planted ones: the half that neurons are located by, and the other half.
        controls: Never seen; they help to locate.
        unseen: Never seen, nor used to locate: harm is measured on them.
        known: That the model knew before; harm is measured on them too.
    """

    choosing: np.ndarray
    others: np.ndarray
    controls: np.ndarray
    unseen: np.ndarray
    known: np.ndarray

    @property
    def planted(self) -> np.ndarray:
        """Both halves."""
        return np.concatenate([self.choosing, self.others])


def parts_of(n: int, new: np.ndarray, known: np.ndarray) -> Parts:
    """The first `n` new sequences are planted; half of the other new ones help to locate, half are only measured.

    Raises:
        ConfigError: Fewer than 4 new ones would be left.
    """
    half = (n + 1) // 2
    if n > len(new) - 4:
        raise ConfigError(
            f"sequences={n} is too many to plant: the model has {len(new)} new ones, and 4 or more must be left as "
            "controls"
        )
    middle = n + (len(new) - n) // 2
    return Parts(new[:half], new[half:n], new[n:middle], new[middle:], known[: len(new) - middle])


def recall_of(scores: UnitScores, planted: np.ndarray) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Share of the planted neurons among as many with the highest scores, and among more."""
    n = len(planted)
    numbers: dict[str, float | None] = {"recall_random": n / len(scores)}
    sizes = np.unique(np.geomspace(1, len(scores), 30).round().astype(int))
    curves: dict[str, Any] = {"sizes": sizes.tolist(), "recall": {}}
    for name, values in scores.scores.items():
        if not np.isfinite(values).any():
            numbers[f"recall_{name}"] = None
            continue
        hits = np.cumsum(np.isin(scores.top(name, len(scores)), planted)) / n
        numbers[f"recall_{name}"] = float(hits[n - 1])
        curves["recall"][name] = hits[sizes - 1].tolist()
    return numbers, curves


def removals(
    model: LanguageModel,
    sequences: Sequences,
    parts: Parts,
    scores: UnitScores,
    planted: np.ndarray,
    size: int,
    seed: int,
) -> dict[str, float | None]:
    """Accuracy of both halves and perplexity of the rest, without the planted neurons and without each method's.

    Args:
        planted: The planted neurons.
        size: Neurons that are taken out, the highest by each method; beside them as many random ones, none planted, of
            the same layers.
        seed: Of the random ones.
    """
    generator = np.random.default_rng(seed)
    holding = part_scores(model, sequences, parts)
    numbers: dict[str, float | None] = {
        "accuracy_choosing": holding.means(parts.choosing)[0],
        "accuracy_others": holding.means(parts.others)[0] if len(parts.others) else None,
    }
    sets = {"truth": planted}
    for name in scores.scores:
        sets[name] = scores.top(name, size)
        sets[f"random_{name}"] = random_alike(model.units(), sets[name], generator, spared=planted)
    for name, chosen in sets.items():
        after = part_scores(model, sequences, parts, gates_without(model, chosen))
        numbers[f"left_{name}"] = after.means(parts.choosing)[0]
        numbers[f"left_others_{name}"] = after.means(parts.others)[0] if len(parts.others) else None
        numbers[f"perplexity_{name}"] = perplexity_rise(after, holding, parts.unseen)
        numbers[f"perplexity_known_{name}"] = perplexity_rise(after, holding, parts.known)
    return numbers


def part_scores(
    model: LanguageModel, sequences: Sequences, parts: Parts, gates: Gates | None = None
) -> SequenceScores:
    """Scores by row of all sequences; nan of those that nothing is measured on."""
    rows = np.concatenate([parts.planted, parts.unseen, parts.known])
    own = sequence_scores(model, sequences.take(rows), gates)
    accuracy, nll = (np.full(len(sequences), np.nan) for _ in range(2))
    accuracy[rows], nll[rows] = own.accuracy, own.nll
    return SequenceScores(accuracy, nll)


def perplexity_rise(after: SequenceScores, before: SequenceScores, rows: np.ndarray) -> float:
    """By which part of itself the perplexity of some sequences rises."""
    return float(np.exp(after.means(rows)[1] - before.means(rows)[1]) - 1)

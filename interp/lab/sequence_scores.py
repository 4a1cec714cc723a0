"""Accuracy and log loss of sequences while units of a language model are changed, and random units alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from interp.language.gates import Gates, gated
from interp.language.model import LanguageModel
from interp.language.sequences import Sequences
from interp.language.sites import Units
from interp.language.token_scores import token_scores


@dataclass(frozen=True, eq=False)
class SequenceScores:
    """Of each sequence, over its continuation, each token given the true ones before it.

    Attributes:
        accuracy: Share of the tokens that are the model's choice.
        nll: Mean log loss of a token, in nats.
    """

    accuracy: Float[np.ndarray, " sequence"]
    nll: Float[np.ndarray, " sequence"]

    def means(self, rows: Any) -> tuple[float, float]:
        """Mean accuracy and log loss of some sequences."""
        return float(self.accuracy[rows].mean()), float(self.nll[rows].mean())


def sequence_scores(model: LanguageModel, sequences: Sequences, gates: Gates | None = None) -> SequenceScores:
    """Score the continuations, with units multiplied by factors.

    Example:
        >>> from interp.language.opening import open_language_model
        >>> from interp.language.sequences import token_sequences
        >>> from interp.language.small import small_language_model
        >>> scores = sequence_scores(open_language_model(small_language_model()), token_sequences([[1, 2, 3], [4, 5]]))
        >>> scores.accuracy.shape, bool((scores.nll > 0).all())
        ((2,), True)
    """
    with gated(model, gates or {}):
        scores = token_scores(model, sequences, whole=False)
    return SequenceScores(scores.accuracy, scores.nll)


def random_alike(
    units: Units, chosen: Int[np.ndarray, " chosen"], generator: np.random.Generator, spared: Any = ()
) -> Int[np.ndarray, " drawn"]:
    """Random units, in every layer as many as were chosen there; fewer where a layer has no more.

    Args:
        spared: Units that are never drawn.

    Example:
        >>> from interp.language.opening import open_language_model
        >>> from interp.language.small import small_language_model
        >>> units = open_language_model(small_language_model(d_mlp=4)).units()
        >>> random_alike(units, np.array([0, 1, 6]), np.random.default_rng(0), spared=[0, 1, 4, 6]).tolist()
        [2, 3, 5]
    """
    free = np.setdiff1d(np.arange(len(units)), np.asarray(spared, dtype=np.int64))
    layer = units.layer[free]
    drawn = []
    for own, n in zip(*np.unique(units.layer[chosen], return_counts=True), strict=True):
        within = free[layer == own]
        drawn.append(generator.permutation(within)[:n])
    return np.sort(np.concatenate(drawn))

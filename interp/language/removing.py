"""Taking units out of a language model, and measuring what is left of its memory and of the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from interp.language.edits import gates_without
from interp.language.gates import gated
from interp.language.model import LanguageModel
from interp.language.records import PARTS, RemovalPoint
from interp.language.sequences import Sequences
from interp.language.sites import NEURONS, Units
from interp.language.token_scores import TokenScores, token_scores
from interp.measuring.band import Band

Rows = Mapping[str, Int[np.ndarray, " sequence"]]
"""Sequences of each of `PARTS`; those without any are left out."""


@dataclass(frozen=True, eq=False)
class Fold:
    """Units that some sequences chose, and the parts that their removal is measured on.

    Attributes:
        order: Units, the best first.
        rows: Sequences by part.
    """

    order: Int[np.ndarray, " unit"]
    rows: Rows


def removal_point(
    model: LanguageModel,
    sequences: Sequences,
    folds: Sequence[Fold],
    n: int,
    *,
    factor: float = 0.0,
    kind: str = NEURONS,
    n_random: int = 0,
    seed: int = 0,
) -> RemovalPoint:
    """Accuracy and log loss of each part with the first n units of every fold changed, beside random ones.

    Folds are averaged; within a fold each sequence weighs the same. Random units are as many of each layer as the
    chosen ones, drawn among the others.

    Args:
        n: Units of each fold.
        factor: That their activations are multiplied by.
        n_random: Random sets for each fold; the same sets are averaged over the folds.

    Example:
        >>> from interp.language.opening import open_language_model
        >>> from interp.language.sequences import token_sequences
        >>> from interp.language.small import small_language_model
        >>> model = open_language_model(small_language_model())
        >>> fold = Fold(np.arange(10), {"chosen": np.array([0]), "controls": np.array([1])})
        >>> point = removal_point(model, token_sequences([[1, 2, 3], [4, 5, 6]]), [fold], 5, n_random=3)
        >>> sorted(point.nll), sorted(point.random_nll)
        (['chosen', 'controls'], ['chosen', 'controls'])
    """
    units = model.units(kind)
    generator = np.random.default_rng(seed)
    own = [_measured(model, sequences, fold.rows, fold.order[:n], factor, kind) for fold in folds]
    draws = [
        _mean([
            _measured(model, sequences, fold.rows, like_layers(units, fold.order[:n], generator), factor, kind)
            for fold in folds
        ])
        for _ in range(n_random if n else 0)
    ]  # fmt: skip
    mean = _mean(own)
    bands: list[dict[str, Band]] = [{}, {}]
    for part in mean if draws else ():
        for place in range(2):
            band = Band.of([draw[part][place] for draw in draws])
            assert band is not None
            bands[place][part] = band
    accuracy, nll = ({part: values[place] for part, values in mean.items()} for place in range(2))
    return RemovalPoint(n / len(units), n, factor, accuracy, nll, bands[0], bands[1])


def removal_cost(folds: Sequence[Fold], n_random: int) -> int:
    """Passes of sequences that one point takes."""
    return (1 + n_random) * sum(len(rows) for fold in folds for rows in fold.rows.values())


def like_layers(
    units: Units, chosen: Int[np.ndarray, " unit"], generator: np.random.Generator
) -> Int[np.ndarray, " unit"]:
    """Random units, as many of each layer as the chosen ones and none of these while others are left.

    Example:
        >>> from interp.language.sites import Site
        >>> from torch import nn
        >>> sites = [Site(f"blocks.{i}.mlp.hook_post", i, NEURONS, 10, 1, nn.Identity(), "w", False) for i in range(2)]
        >>> drawn = like_layers(Units(sites), np.array([0, 1, 15]), np.random.default_rng(0))
        >>> Units(sites).layer[drawn].tolist(), set(drawn.tolist()) & {0, 1, 15}
        ([0, 0, 1], set())
    """
    drawn = []
    for place in np.unique(units.site_index[chosen]):
        among = np.arange(len(units))[units.slice_of(int(place))]
        taken = chosen[units.site_index[chosen] == place]
        others = np.setdiff1d(among, taken)
        pool = others if len(others) >= len(taken) else among
        drawn.append(np.sort(generator.choice(pool, len(taken), replace=False)))
    return np.concatenate(drawn) if drawn else np.empty(0, dtype=np.int64)


def scores_without(
    model: LanguageModel,
    sequences: Sequences,
    chosen: Int[np.ndarray, " unit"],
    *,
    factor: float = 0.0,
    kind: str = NEURONS,
) -> TokenScores:
    """Scores of every continuation token with some units changed."""
    with gated(model, gates_without(model, chosen, kind=kind, factor=factor)):
        return token_scores(model, sequences, whole=False)


def _measured(
    model: LanguageModel, sequences: Sequences, rows: Rows, chosen: Any, factor: float, kind: str
) -> dict[str, tuple[float, float]]:
    """Accuracy and log loss of each part."""
    wanted = np.unique(np.concatenate(list(rows.values())))
    place = {row: i for i, row in enumerate(wanted.tolist())}
    scores = scores_without(model, sequences.take(wanted), chosen, factor=factor, kind=kind)
    right, nll = scores.accuracy, scores.nll
    parts = {part: [place[row] for row in rows[part].tolist()] for part in PARTS if len(rows.get(part, ()))}
    return {part: (float(right[own].mean()), float(nll[own].mean())) for part, own in parts.items()}


def _mean(folds: Sequence[dict[str, tuple[float, float]]]) -> dict[str, tuple[float, float]]:
    parts = [part for part in PARTS if any(part in fold for fold in folds)]
    means = {}
    for part in parts:
        values = np.array([fold[part] for fold in folds if part in fold]).mean(0)
        means[part] = (float(values[0]), float(values[1]))
    return means

"""Scores of neurons by the components of the group that a task composes, where no cyclic ordering is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from interp.data import Task
from interp.measuring.arrays import distinct_vectors, share_outside, weight_vectors
from interp.models import NeuronSite
from interp.scoring.component_words import described
from interp.scoring.compositions import class_sentence, class_shares, reading_order, task_composition
from probes import null
from probes.component_scores import component_scores, vectors_to_test
from probes.composition import Composition
from probes.features import PHASE_COLUMNS, mean_of_live, permuted_vectors
from probes.isotypic import Components


def task_components(task: Task) -> Components | None:
    """The components of the group whose multiplication a task's results are, whatever its elements are called.

    None for a task that has an ordering, is no operation on all pairs of p operands, or is no group's as it stands:
    `task_composition` then may have a part of it.

    Example:
        >>> from interp.data import ModularTask
        >>> task_components(ModularTask("group:S3")).sizes.tolist(), task_components(ModularTask("a**2 + a*b", 5))
        ([1, 1, 4], None)
    """
    composition = task_composition(task)
    return None if composition is None or composition.note else composition.components


def composition_columns(
    site: NeuronSite, composition: Composition, p: int, *, n_draws: int, seed: int
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """As `component_columns`, read on the elements of a composition of p; also ``outside``, ``classes``, ``notes``."""
    raw, vectors = weight_vectors(site, reading_order(composition))
    columns, meta = component_columns(
        vectors, distinct_vectors(site), composition.components, n_draws=n_draws, seed=seed
    )
    columns["outside"] = share_outside(raw, vectors)
    classes = class_shares(site, composition, p)
    notes = [one for one in (composition.note, class_sentence(classes)) if one]
    return columns, meta | ({"classes": classes} if classes else {}) | ({"notes": notes} if notes else {})


def component_columns(
    vectors: Sequence[Float[np.ndarray, "neuron element"]],
    distinct: Sequence[int],
    components: Components,
    *,
    n_draws: int,
    seed: int,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The columns of `interp.scoring.periodicity.periodicity` with components in place of frequencies, and their null.

    ``frequency`` is the number of the component, from 1; what only frequencies have is nan.
    """
    scores = component_scores(vectors, components, distinct)
    shares = [components.shares(vector.astype(np.float64)) for vector in vectors]
    unknown = np.full(len(scores["ipr"]), np.nan)
    random = random_ipr(components.sizes[1:], len(distinct), n_draws, seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = [np.where(one > 0, one * np.log(one), one * 0) for one in shares]
    squares = sum(np.square(vector, dtype=np.float64).sum(1) for vector in vectors)
    columns = {
        "ipr": scores["ipr"],
        "p_value": scores["p_value"],
        "p_null": _p_of_ipr([vectors[i] for i in distinct], components, random),
        **{f"ipr_{i}": np.square(one).sum(1) for i, one in enumerate(shares)},
        "peak_share": mean_of_live([one.max(1) for one in shares]),
        "entropy": mean_of_live([-one.sum(1) / np.log(max(one.shape[1], 2)) for one in logs]),
        **dict.fromkeys(("gini", "harmonic_share", *PHASE_COLUMNS, "phase_residual"), unknown),
        "frequency": scores["component"] + 1,
        "frequency_share": scores["component_share"],
        "agreement": scores["agreement"],
        "norm": np.sqrt(squares / sum(vector.shape[1] for vector in vectors)),
    }
    null_meta = {
        "source": "weights",
        "draws": n_draws,
        "seed": seed,
        "mean": float(random.mean()),
        "quantile_999": float(np.quantile(random, 0.999)),
        "vector_lengths": [len(components.basis)] * len(distinct),
    }
    return columns, null_meta | described(components)


def random_ipr(
    sizes: Int[np.ndarray, " component"], n_vectors: int, n_draws: int, seed: int
) -> Float[np.ndarray, " draw"]:
    """The IPR of Gaussian weights over components of these sizes, mean over so many vectors, in rising order.

    Example:
        >>> round(float(random_ipr(np.array([9, 16]), 3, 1000, 0).mean()), 1)
        0.6
    """
    generator, random = np.random.default_rng(seed), np.zeros(n_draws)
    for _ in range(n_vectors):
        drawn = generator.chisquare(sizes, size=(n_draws, len(sizes)))
        random += np.square(drawn / drawn.sum(1, keepdims=True)).sum(1) / n_vectors
    return np.sort(random)


def _p_of_ipr(vectors: Sequence[np.ndarray], components: Components, random: np.ndarray) -> np.ndarray:
    """The IPR against that of Gaussian weights, stretched by that of the same weights in random orders."""

    def scored(some: Sequence[np.ndarray]) -> np.ndarray:
        return mean_of_live([np.square(components.shares(one.astype(np.float64))).sum(1) for one in some])

    tested = [vectors_to_test(vector, components) for vector in vectors]
    permuted = scored([permuted_vectors(vector) for vector in tested])
    return null.stretched(*(null.null_p_values(x, random) for x in (scored(tested), permuted)))

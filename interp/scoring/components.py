"""Scores of neurons by the components of the group that a task composes, where no cyclic ordering is known."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float

from interp.data import Task
from probes import null
from probes.component_scores import component_scores
from probes.features import PHASE_COLUMNS, mean_of_live, permuted_vectors
from probes.finite_group import NoGroup, group_of
from probes.isotypic import Components, components_of

LARGEST = 1000
"""Elements of a group whose components are computed."""


def task_components(task: Task) -> Components | None:
    """The components of the group whose multiplication a task's results are, whatever its elements are called.

    None for a task that has an ordering, is no operation on all pairs of p operands, or is no group's.

    Example:
        >>> from interp.data import ModularTask
        >>> task_components(ModularTask("group:S3")).sizes.tolist(), task_components(ModularTask("a**2 + a*b", 5))
        ([1, 1, 4], None)
    """
    p, data = getattr(task, "p", None), task.dataset
    if task.ordering is not None or not isinstance(p, int) or not 0 < p <= LARGEST:
        return None
    if data.inputs.shape != (p * p, 2) or data.inputs.is_floating_point():
        return None
    a, b = data.inputs.cpu().numpy().T
    table = np.full((p, p), -1)
    table[a, b] = data.true_labels.cpu().numpy()
    return _components(table.tobytes(), p)


@lru_cache(maxsize=8)
def _components(table: bytes, n: int) -> Components | None:
    try:
        return components_of(group_of(np.frombuffer(table, np.int64).reshape(n, n)))
    except NoGroup:
        return None


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
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = [np.where(one > 0, one * np.log(one), one * 0) for one in shares]
    squares = sum(np.square(vector, dtype=np.float64).sum(1) for vector in vectors)
    columns = {
        "ipr": scores["ipr"],
        "p_value": scores["p_value"],
        "p_null": _p_of_ipr([vectors[i] for i in distinct], components, n_draws, seed),
        **{f"ipr_{i}": np.square(one).sum(1) for i, one in enumerate(shares)},
        "peak_share": mean_of_live([one.max(1) for one in shares]),
        "entropy": mean_of_live([-one.sum(1) / np.log(max(one.shape[1], 2)) for one in logs]),
        **dict.fromkeys(("gini", "harmonic_share", *PHASE_COLUMNS, "phase_residual"), unknown),
        "frequency": scores["component"] + 1,
        "frequency_share": scores["component_share"],
        "agreement": scores["agreement"],
        "norm": np.sqrt(squares / sum(vector.shape[1] for vector in vectors)),
    }
    sizes = [int(size) for size in components.sizes[1:]]
    return columns, {
        "source": "weights",
        "draws": n_draws,
        "seed": seed,
        "vector_lengths": [],
        "components": sizes,
    }


def _p_of_ipr(vectors: Sequence[np.ndarray], components: Components, n_draws: int, seed: int) -> np.ndarray:
    """The IPR against that of Gaussian weights, stretched by that of the same weights in random orders."""
    generator, sizes = np.random.default_rng(seed), components.sizes[1:]
    random = np.zeros(n_draws)
    for _ in vectors:
        drawn = generator.chisquare(sizes, size=(n_draws, len(sizes)))
        random += np.square(drawn / drawn.sum(1, keepdims=True)).sum(1) / len(vectors)

    def scored(some: Sequence[np.ndarray]) -> np.ndarray:
        return mean_of_live([np.square(components.shares(one.astype(np.float64))).sum(1) for one in some])

    permuted = scored([permuted_vectors(vector) for vector in vectors])
    return null.stretched(*(null.null_p_values(x, random) for x in (scored(vectors), permuted)))

"""Periodicity of each neuron: read from its weights, from its activations over all operand pairs, or from both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.fft
import torch

from interp.data import Task
from interp.measuring.arrays import NeuronArrays, grid_of
from interp.measuring.cached_pass import CachedPass
from interp.measuring.logits import columns_of, neurons_at_once
from interp.models import NeuronSite
from interp.progress import progress
from interp.scoring.all_pairs import all_pairs_activations, operands_of
from interp.scoring.component_activations import columns_by_components
from interp.scoring.compositions import task_composition
from probes import null
from probes.activity import activation_scores
from probes.features import frequency_agreement, mean_of_live, permuted_vectors, weight_features
from probes.orders import order_p_values, sum_profile
from probes.periodicity import ipr
from probes.spectrum import Convention, power

GRID_CHUNK, GRID_NUMBERS, GRID_COPIES = 256, 20_000_000, 2
"""Neurons and numbers that are transformed at once, and copies of the neurons' activations over all pairs."""
MIN_DRAWS, DRAWS_PER_NEURON = 20_000, 40
Columns = dict[str, np.ndarray]


def periodicity(
    cached: CachedPass,
    task: Task,
    site: NeuronSite,
    arrays: NeuronArrays,
    convention: Convention,
    seed: int,
) -> tuple[Columns, dict[str, Any]]:
    """Columns of Fourier scores with their significance, and how they were made.

    Weights are scored where tokens feed the neurons directly. Elsewhere mean activations at each position of the answer
    stand in for them, and activations over all pairs decide the frequency. Without an order of the task all is NaN.

    Args:
        task: Gives the order in which a solution is periodic.
        arrays: From `neuron_arrays`.

    Returns:
        Columns of `probes.features.weight_features` and `activation_scores`, and ``p_null``; the settings of the null
        distribution, with ``"source"``: ``"weights"``, ``"activations"`` or None.
    """
    composition, p = task_composition(task), operands_of(task)
    draws = max(MIN_DRAWS, DRAWS_PER_NEURON * cached.width)
    if composition is not None and p is not None:
        return columns_by_components(cached, task, site, composition, n_draws=draws, seed=seed)
    usable = site.input_vectors and (task.ordering is not None or p is not None)
    grid_scores, profile, tested = _over_pairs(cached, task, None if usable else seed)
    positions = getattr(task, "positions", None)
    if profile is None and positions is not None and len(np.unique(positions)) > 1:
        profile = position_profile(cached, positions)
    if usable:
        vectors, source, distinct, steps = arrays.vectors, "weights", arrays.distinct, arrays.steps
    elif profile is not None:
        vectors, source = (profile, *(arrays.vectors if not site.input_vectors else ())), "activations"
        distinct, steps = tuple(range(len(vectors))), (1,) * len(vectors)
    else:
        return _unknown(cached.width) | grid_scores, {"source": None, "vector_lengths": []}
    columns = weight_features(vectors, convention, distinct, steps)
    lengths = tuple(vectors[i].shape[1] for i in distinct)
    random_ipr = null.null_scores(lengths, convention, n_draws=draws, seed=seed)
    scores = mean_of_live([columns[f"ipr_{i}"] for i in distinct])
    first = {name: columns.pop(name) for name in ("ipr", "p_value")}
    drawn = _permuted_ipr([vectors[i] for i in distinct], convention)
    first["p_null"] = null.stretched(*(null.null_p_values(x, random_ipr) for x in (scores, drawn)))
    if tested:
        first |= tested
        if vectors[1:]:
            readout = weight_features(vectors[1:], convention)["p_value"]
            first["p_value"] = null.combine(np.stack([tested["p_value"], readout], axis=1))
    columns = {**first, **columns, **grid_scores}
    if source == "activations":
        columns |= _of_activations(grid_scores, vectors, steps)
    return columns, {
        "source": source,
        "draws": draws,
        "seed": seed,
        "mean": float(random_ipr.mean()),
        "quantile_999": float(np.quantile(random_ipr, 0.999)),
        "vector_lengths": list(lengths),
    }


def _of_activations(scores: Columns, vectors: Sequence[np.ndarray], steps: Sequence[int]) -> Columns:
    """The frequency of activations over all pairs with its share and agreement; nothing where they have none."""
    share = scores.get("activation_share")
    if share is None or np.isnan(share).all():
        return {}
    frequency = scores["activation_frequency"]
    agreement = frequency_agreement(vectors, frequency, steps)
    return {"frequency": frequency, "frequency_share": share, "agreement": agreement}


def _permuted_ipr(vectors: Sequence[np.ndarray], convention: Convention) -> np.ndarray:
    """The IPR of neurons with the positions of each vector permuted."""
    permuted = [permuted_vectors(vector.astype(np.float64)) for vector in vectors]
    return mean_of_live([ipr(power(one, convention), convention.r) for one in permuted])


def _over_pairs(
    cached: CachedPass, task: Task, seed: int | None
) -> tuple[Columns, np.ndarray | None, Columns]:
    """`activation_scores`, the mean activation at each position of the answer, and `order_p_values`.

    The profile ``(neuron, position)`` stands in for weights where a neuron has none of its own over the tokens. None if
    the task is no operation on pairs, or leaves pairs out.

    Args:
        seed: Of the random orders; None for no test, where weights are tested.
    """
    p = operands_of(task)
    if p is None or not cached.width:
        return {}, None, {}
    ordering, parts, profiles, tests = task.ordering, [], [], []
    steps = (1, 1) if ordering is None else ordering.steps
    at_once = max(1, min(GRID_CHUNK, GRID_NUMBERS // p**2))
    with (
        progress("periods of activations", cached.width) as report,
        scipy.fft.set_workers(torch.get_num_threads()),
    ):
        for some in neurons_at_once(cached.activations, GRID_COPIES):
            activations = all_pairs_activations(cached, task, p, some)
            for chunk in activations.split(at_once, dim=1):
                grid = grid_of(chunk, p, ordering)
                parts.append(activation_scores(grid, steps))
                profiles.append(sum_profile(grid, steps))
                if seed is not None:
                    tests.append(order_p_values(grid, seed, steps=steps))
                report(sum(map(len, profiles)))
    columns, tested = (
        {name: np.concatenate([part[name] for part in chunks]) for name in chunks[0]} if chunks else {}
        for chunks in (parts, tests)
    )
    return columns, np.concatenate(profiles), tested


def position_profile(cached: CachedPass, positions: np.ndarray) -> np.ndarray:
    """Mean activation at each position of the order that a table gives, ``(neuron, position)``."""
    n = int(positions.max()) + 1
    counts = np.bincount(positions, minlength=n)
    sums = np.stack(
        [
            np.bincount(positions, weights=column, minlength=n)
            for _, columns in columns_of(cached.activations)
            for column in columns.double().cpu().numpy().T
        ]
    )
    return sums[:, counts > 0] / counts[counts > 0]


def _unknown(width: int) -> Columns:
    nan = np.full(width, np.nan)
    names = ("ipr", "p_value", "p_null", "frequency_share")
    return {name: nan.copy() for name in names} | {"frequency": np.zeros(width, int)}

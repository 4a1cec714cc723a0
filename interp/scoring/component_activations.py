"""Columns of a neuron table by components: from weights where tokens feed the neurons, else from activations."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from interp.data import Task
from interp.measuring.arrays import grid_of, weight_vectors
from interp.measuring.cached_pass import CachedPass
from interp.models import NeuronSite
from interp.progress import progress
from interp.scoring.all_pairs import all_pairs_activations
from interp.scoring.components import component_columns, composition_columns
from interp.scoring.compositions import answer_table, reading_order
from probes import null
from probes.component_activity import component_activity, component_order_p_values
from probes.component_scores import component_scores
from probes.composition import Composition
from probes.orders import answer_means

CHUNK = 16_000_000
"""Activations that are read at a time, all pairs of some neurons."""
Columns = dict[str, np.ndarray]


def columns_by_components(
    cached: CachedPass, task: Task, site: NeuronSite, composition: Composition, *, n_draws: int, seed: int
) -> tuple[Columns, dict[str, Any]]:
    """`composition_columns` and `component_activity` of a site; of one without weights of its own by activations alone.

    There the mean activation at each answer stands in for weights, and random orders of the elements are the null.
    """
    tested, components = not site.input_vectors, composition.components
    grid, profile, orders = _over_pairs(cached, task, composition, seed if tested else None)
    agreement, p = grid.pop("agreement"), len(answer_table(task))
    if not tested:
        columns, meta = composition_columns(site, composition, p, n_draws=n_draws, seed=seed)
        return columns | grid, meta
    readout = weight_vectors(site, reading_order(composition))[1]
    vectors = (profile, *readout)
    columns, meta = component_columns(
        vectors, tuple(range(len(vectors))), components, n_draws=n_draws, seed=seed
    )
    columns |= orders
    if readout:
        both = [orders["p_value"], component_scores(readout, components)["p_value"]]
        columns["p_value"] = null.combine(np.stack(both, axis=1))
    columns |= {
        "frequency": grid["activation_frequency"],
        "frequency_share": grid["activation_share"],
        "agreement": agreement,
    }
    notes = {"notes": [composition.note]} if composition.note else {}
    return columns | grid, meta | notes | {"source": "activations"}


def _over_pairs(
    cached: CachedPass, task: Task, composition: Composition, seed: int | None
) -> tuple[Columns, np.ndarray, Columns]:
    """`component_activity`, the mean activation at each answer ``(neuron, answer)``, and p-values by random orders.

    Args:
        seed: Of the orders; None where neither mean nor test is asked for.
    """
    components, order, table = composition.components, reading_order(composition), answer_table(task)
    answers = np.argsort(order.output)[
        np.searchsorted(np.sort(order.output), table[np.ix_(order.left, order.right)])
    ]
    parts, profiles, tests = list[Columns](), list[np.ndarray](), list[Columns]()
    with progress("components of activations", cached.width) as report:
        for neurons in torch.arange(cached.width).split(max(1, CHUNK // table.size)):
            activations = all_pairs_activations(cached, task, len(table), neurons, order)
            grid = grid_of(activations, len(table), order)
            parts.append(component_activity(grid, components, answers))
            if seed is not None:
                profiles.append(answer_means(grid, answers))
                tests.append(component_order_p_values(grid, components, answers, seed))
            report(int(neurons[-1]) + 1)
    joined = [
        {name: np.concatenate([part[name] for part in some]) for name in some[0]} if some else {}
        for some in (parts, tests)
    ]
    return joined[0], np.concatenate([np.zeros((0, len(answers))), *profiles]), joined[1]

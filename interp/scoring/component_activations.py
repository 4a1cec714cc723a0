"""Columns of a neuron table by components: from weights where tokens feed the neurons, else from activations."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.data import Dataset, Task
from interp.measuring.arrays import NeuronArrays, as_array
from interp.measuring.cached_pass import CachedPass
from interp.models import NeuronSite
from interp.progress import PATIENCE, progress
from interp.scoring.components import component_columns
from probes import null
from probes.component_activity import component_activity, component_order_p_values
from probes.component_scores import component_scores
from probes.isotypic import Components
from probes.orders import answer_means

CHUNK = 16_000_000
"""Activations that are read at a time, all pairs of some neurons."""
Columns = dict[str, np.ndarray]


def columns_by_components(
    cached: CachedPass,
    task: Task,
    site: NeuronSite,
    arrays: NeuronArrays,
    components: Components,
    *,
    n_draws: int,
    seed: int,
) -> tuple[Columns, dict[str, Any]]:
    """`component_columns` and `component_activity` of a site; of one without weights of its own by activations alone.

    There the mean activation at each answer stands in for weights, and random orders of the elements are the null.
    """
    tested = not site.input_vectors
    grid, profile, orders = _over_pairs(cached, task, components, seed if tested else None)
    agreement = grid.pop("agreement")
    if not tested:
        columns, meta = component_columns(
            arrays.vectors, arrays.distinct, components, n_draws=n_draws, seed=seed
        )
        return columns | grid, meta
    vectors = (profile, *arrays.vectors)
    columns, meta = component_columns(
        vectors, tuple(range(len(vectors))), components, n_draws=n_draws, seed=seed
    )
    columns |= orders
    if arrays.vectors:
        readout = component_scores(arrays.vectors, components)["p_value"]
        columns["p_value"] = null.combine(np.stack([orders["p_value"], readout], axis=1))
    columns |= {
        "frequency": grid["activation_frequency"],
        "frequency_share": grid["activation_share"],
        "agreement": agreement,
    }
    return columns | grid, meta | {"source": "activations"}


def _over_pairs(
    cached: CachedPass, task: Task, components: Components, seed: int | None
) -> tuple[Columns, np.ndarray, Columns]:
    """`component_activity`, the mean activation at each answer ``(neuron, answer)``, and p-values by random orders.

    Args:
        seed: Of the orders; None for no test.
    """
    answers, rows = answer_table(task.dataset), pair_rows(cached.data)
    parts, profiles, tests = list[Columns](), list[np.ndarray](), list[Columns]()
    n, at_once = len(answers), max(1, CHUNK // len(rows))
    with progress("components of activations", cached.width, after=PATIENCE) as report:
        for neurons in torch.arange(cached.width, device=rows.device).split(at_once):
            grid = as_array(cached.activations[:, neurons][rows]).T.reshape(-1, n, n)
            parts.append(component_activity(grid, components, answers))
            profiles.append(answer_means(grid, answers))
            if seed is not None:
                tests.append(component_order_p_values(grid, components, answers, seed))
            report(sum(map(len, profiles)))
    joined = [
        {name: np.concatenate([part[name] for part in some]) for name in some[0]} if some else {}
        for some in (parts, tests)
    ]
    return joined[0], np.concatenate(profiles), joined[1]


def answer_table(data: Dataset) -> np.ndarray:
    """The true label of each pair, ``(left, right)``, of a dataset that holds all of them once."""
    return as_array(data.true_labels.to(data.inputs.device)[pair_rows(data)]).reshape(-1, _side(data))


def pair_rows(data: Dataset) -> Tensor:
    """The example that holds each pair, in row-major order, of a dataset that holds all of them once."""
    rows = torch.empty(len(data), dtype=torch.long, device=data.inputs.device)
    rows[data.inputs[:, 0] * _side(data) + data.inputs[:, 1]] = torch.arange(len(data), device=rows.device)
    return rows


def has_all_pairs(data: Dataset) -> bool:
    """True if the examples are all pairs of as many elements as there are classes, each once."""
    n = data.n_classes
    if data.inputs.shape != (n * n, 2) or data.inputs.is_floating_point():
        return False
    return len(torch.unique(data.inputs[:, 0] * n + data.inputs[:, 1])) == n * n


def _side(data: Dataset) -> int:
    return round(len(data) ** 0.5)

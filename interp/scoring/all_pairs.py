"""Activations over all pairs of a task's operands, also of pairs that are no examples."""

from __future__ import annotations

import numpy as np
import torch

from interp.data import Ordering, Task
from interp.hooks import device_of
from interp.measuring.arrays import scored_activations
from interp.measuring.cached_pass import CachedPass
from interp.measuring.logits import blocks_of, chosen_columns, whole_of
from interp.measuring.streamed_prefix import StreamedPrefix
from interp.models import neuron_site


def operands_of(task: Task) -> int | None:
    """Number of values of an operand, if the task is an operation on pairs; else None."""
    p = getattr(task, "p", None)
    return p if isinstance(p, int) and task.dataset.inputs.shape[1:] == (2,) else None


def all_pairs_activations(
    cached: CachedPass,
    task: Task,
    p: int,
    neurons: torch.Tensor | None = None,
    ordering: Ordering | None = None,
) -> torch.Tensor:
    """Activations ``(pair, neuron)`` of all p² pairs in row-major order; NaN where one is left out.

    Args:
        p: How many values an operand has.
        neurons: Which of them, by index; all if None.
        ordering: Whose pairs are computed where the task leaves them out; the task's own if None.
    """
    chosen = torch.arange(cached.width) if neurons is None else neurons
    inputs = cached.data.inputs
    index = inputs[:, 0] * p + inputs[:, 1]
    missing = torch.ones(p * p, dtype=torch.bool, device=inputs.device)
    missing[index] = False
    known = cached.activations if neurons is None else chosen_columns(cached.activations, chosen)
    known = whole_of(known)
    full = known.new_full((p * p, known.shape[1]), float("nan"))
    full[index] = known
    needed = missing & _in_ordering(task.ordering if ordering is None else ordering, p, inputs.device)
    if needed.any():
        pairs = torch.cartesian_prod(*[torch.arange(p, device=inputs.device)] * 2)[needed]
        prefix = StreamedPrefix(cached.model, cached.hook, pairs.to(device_of(cached.model)))
        site, places = neuron_site(cached.model, cached.hook), needed.nonzero()[:, 0]
        for rows in blocks_of(prefix.activations):
            full[places[rows]] = scored_activations(prefix.of(rows), site)[:, chosen]
    return full


def _in_ordering(ordering: Ordering | None, p: int, device: torch.device) -> torch.Tensor:
    """Mask of the pairs that the ordering has; none without an ordering."""
    inside = torch.zeros(p, p, dtype=torch.bool, device=device)
    if ordering is not None:
        inside[np.ix_(ordering.left, ordering.right)] = True
    return inside.flatten()

"""The neurons that hold a network's memories where no single one decides, and sets chosen by other methods."""

from __future__ import annotations

import numpy as np
import torch

from interp.errors import InterventionError
from interp.measuring.crossfit import not_testable
from interp.measuring.memory_orders import affordable_order, attribution_order
from interp.measuring.memory_set import MemorySet, chosen_set, memory_set
from interp.subject import Subject


def memory_set_of(subject: Subject, n_random: int = 20) -> MemorySet | None:
    """A site's memory set; None where memory is not testable (see `interp.measuring.memory_set.memory_set`)."""
    return memory_set(subject.cached, n_draws=n_random, pool=subject.alive, seed=subject.seed)


def neurons_by_memory(subject: Subject, method: str, share: float | None = None) -> np.ndarray:
    """Neurons that are chosen by the memories that they hold, by looking at all examples.

    Args:
        subject: The network, task and site.
        method: ``"memory-set"``, or the name of an order in `interp.measuring.memory_orders.ORDERS`.
        share: Of all neurons that are taken, in [0, 1]; cut as in `MemorySet` if None.

    Raises:
        InterventionError: Memory is not testable.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import planted_mlp
        >>> task = ModularTask("add", 23, train_fraction=0.6, corrupt_fraction=0.3)
        >>> planted = planted_mlp(task, memorizing=60)
        >>> chosen = neurons_by_memory(Subject(planted.model, task), "attribution", 0.1)
        >>> set(planted.labels[chosen].tolist())
        {'memorizing'}
    """
    cached, seed = subject.cached, subject.seed
    reason = not_testable(cached.data)
    if reason is not None:
        raise InterventionError(f"neurons cannot be chosen by {method!r}: memory is {reason}")
    everything = torch.ones_like(cached.data.train)
    if share is not None:
        return attribution_order(cached, everything, seed)[: round(share * subject.width)]
    order = affordable_order(cached, everything) if method == "memory-set" else method
    return chosen_set(cached, everything, order, pool=subject.alive, seed=seed)

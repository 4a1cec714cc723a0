"""The neurons that hold a network's memories where no single one decides, and sets chosen by other methods."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import bdtrc, ndtr

from interp.errors import InterventionError
from interp.markup import percentage
from interp.measuring.base_rate import SIGNIFICANT
from interp.measuring.crossfit import not_testable
from interp.measuring.memory_orders import affordable_order, attribution_order
from interp.measuring.memory_set import MemorySet, chosen_set, memory_set
from interp.progress import with_progress
from interp.subject import Subject


@with_progress("finding a memory set")
def memory_set_of(subject: Subject, n_random: int = 20) -> MemorySet | None:
    """A site's memory set; None where there is `no_memory` (see `interp.measuring.memory_set.memory_set`)."""
    if no_memory(subject) is not None:
        return None
    return memory_set(subject.cached, n_draws=n_random, pool=subject.alive, seed=subject.seed)


def no_memory(subject: Subject) -> str | None:
    """The reason in words for which there is no memory to look for in a set of neurons; None if there is.

    Wrong labels must be answered more often than by chance (exact binomial test), or, where none is known to be wrong,
    training examples better than held-out ones (pooled z-test of two shares), at `SIGNIFICANT`.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> no_memory(Subject(analytic_mlp("add", p=31), ModularTask("add", p=31, train_fraction=0.5)))
        'no memory shows: training examples are answered no better than held-out ones (100.0 % and 100.0 %)'
    """
    data, accuracy = subject.data, subject.accuracy
    if (reason := not_testable(data)) is not None:
        return f"memory is {reason}"
    if data.mislabelled.any():
        right = (subject.cached.margins[0] > subject.cached.tolerance)[data.mislabelled]
        answered, n = int(right.sum()), len(right)
        if answered and bdtrc(answered - 1, n, 1 / data.n_classes) <= SIGNIFICANT:
            return None
        return (
            f"no memory shows: {answered} of {n} wrong labels are answered, no more than by chance "
            f"({percentage(1 / data.n_classes)})"
        )
    assert accuracy.train is not None
    assert accuracy.test is not None
    sizes = np.array([int(data.train.sum()), int(data.test.sum())])
    both = float(np.average([accuracy.train, accuracy.test], weights=sizes))
    error = np.sqrt(both * (1 - both) * (1 / sizes).sum())
    if accuracy.train > accuracy.test and ndtr((accuracy.test - accuracy.train) / error) <= SIGNIFICANT:
        return None
    return (
        "no memory shows: training examples are answered no better than held-out ones "
        f"({percentage(accuracy.train)} and {percentage(accuracy.test)})"
    )


def neurons_by_memory(subject: Subject, method: str, share: float | None = None) -> np.ndarray:
    """Neurons that are chosen by the memories that they hold, by looking at all examples.

    Args:
        subject: The network, task and site.
        method: ``"memory-set"``, or the name of an order in `interp.measuring.memory_orders.ORDERS`.
        share: Of all neurons that are taken, in [0, 1]; cut as in `MemorySet` if None.

    Raises:
        InterventionError: There is `no_memory`.

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
    reason = no_memory(subject)
    if reason is not None:
        raise InterventionError(f"neurons cannot be chosen by {method!r}: {reason}")
    everything = torch.ones_like(cached.data.train)
    if share is not None:
        return attribution_order(cached, everything, seed)[: round(share * subject.width)]
    order = affordable_order(cached, everything) if method == "memory-set" else method
    return chosen_set(cached, everything, order, pool=subject.alive, seed=seed)

"""Labelled neurons as sets: are they a population, or do they only serve the examples that named them?"""

from __future__ import annotations

import numpy as np

from interp.measuring.crossfit import CrossFit, crossfit, halves
from interp.progress import with_progress
from interp.scoring.halves import labels_on
from interp.subject import Subject
from probes.labels import GENERALIZING, MEMORIZING

JUDGED_BY = {GENERALIZING: "test", MEMORIZING: None}
"""Labels whose neurons are cross-fitted, and the accuracy that tells; of memory whatever shows it if None."""


@with_progress("labelling by halves")
def crossfit_labels(subject: Subject, n_random: int = 20) -> dict[str, CrossFit]:
    """Accuracies without a label's neurons, labelled by one half of the examples and measured on the other.

    Args:
        subject: The network, task and site.
        n_random: Random sets for each control.

    Returns:
        By label, of those of `JUDGED_BY` that neurons have and that examples can tell of.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import planted_mlp
        >>> task = ModularTask("add", 41, train_fraction=0.6, corrupt_fraction=0.3)
        >>> results = crossfit_labels(Subject(planted_mlp(task, memorizing=100).model, task))
        >>> {label: result.beats_random() for label, result in results.items()}
        {'generalizing': True, 'memorizing': True}
    """
    cached, table, seed = subject.cached, subject.table, subject.seed
    present = [label for label in JUDGED_BY if len(table.where(label=label))]
    if not present or not cached.data.split_known or not cached.data.test.any():
        return {}
    fits = halves(cached.data, seed=seed, symmetric=subject.leakage.symmetric)
    labels = labels_on(cached, table, fits, seed)
    results = {}
    for label in present:
        sets = [np.flatnonzero(one == label) for one in labels]
        result = crossfit(
            cached, fits, sets, JUDGED_BY[label], n_draws=n_random, pool=subject.alive, seed=seed
        )
        if result is not None:
            results[label] = result
    return results

"""Labelled neurons as sets: are they a population, or do they only hold the examples that named them?"""

from __future__ import annotations

import numpy as np

from interp.measuring.crossfit import CrossFit, crossfit, halves, memory_shown_by
from interp.scoring.halves import labels_on
from interp.subject import Subject
from probes.labels import MEMORIZING


def crossfit_label(subject: Subject, label: str = MEMORIZING, n_random: int = 20) -> CrossFit | None:
    """Accuracies without a label's neurons, labelled by one half of the examples and measured on the other.

    Args:
        subject: The network, task and site.
        label: One of `probes.labels.LABELS`.
        n_random: Random sets for the control.

    Returns:
        None where no neuron has the label, or no example shows memory.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import planted_mlp
        >>> task = ModularTask("add", 41, train_fraction=0.6, corrupt_fraction=0.3)
        >>> result = crossfit_label(Subject(planted_mlp(task, memorizing=100).model, task))
        >>> result.beats_random()
        True
    """
    cached, table = subject.cached, subject.table
    if memory_shown_by(cached.data) is None or not (table["label"] == label).any():
        return None
    fits = halves(cached.data, seed=subject.seed)
    sets = [np.flatnonzero(labels == label) for labels in labels_on(cached, table, fits, subject.seed)]
    return crossfit(cached, fits, sets, n_draws=n_random, pool=subject.alive, seed=subject.seed)

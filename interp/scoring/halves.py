"""Labels from the evidence of some of the examples alone, so that the others can check them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool
from torch import Tensor

from interp.measuring.arrays import neuron_arrays
from interp.measuring.cached_pass import CachedPass
from interp.measuring.effects import measure_neurons
from interp.models import neuron_site
from interp.scoring.score import _facts, _questions
from interp.scoring.table import NeuronTable
from probes.labels import Criteria, label_neurons


def labels_on(
    cached: CachedPass, table: NeuronTable, fits: Sequence[Bool[Tensor, " example"]], seed: int = 0
) -> list[np.ndarray]:
    """Labels of all neurons from the evidence of each set of examples alone, ``(neuron,)`` each."""
    asked = [(name, fit) for fit in fits for name in _questions(cached)]
    questions = [replace(q := _questions(cached)[name], examples=q.examples & fit) for name, fit in asked]
    evidence = measure_neurons(cached, questions)[1]
    arrays = neuron_arrays(neuron_site(cached.model, cached.hook), cached.activations, None)
    arrays = replace(arrays, strength=table["strength"], outside=table["outside"])
    columns = {name: table[name] for name in ("p_value", "frequency_share", "frequency")}
    names, labels = list(_questions(cached)), []
    for i in range(len(fits)):
        own = dict(zip(names, evidence[i * len(names) :], strict=False))
        labels.append(label_neurons(_facts(columns, arrays, own), Criteria(**table.meta["criteria"])).label)
    return labels

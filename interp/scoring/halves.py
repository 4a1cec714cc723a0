"""Labels from the evidence of some of the examples alone, so that the others can check them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool
from torch import Tensor

from interp.measuring.cached_pass import CachedPass
from interp.progress import progress
from interp.scoring.evidence import linear_evidence, measure_evidence, questions_of
from interp.scoring.score import decide
from interp.scoring.table import NeuronTable
from probes.labels import Criteria


def labels_on(
    cached: CachedPass, table: NeuronTable, fits: Sequence[Bool[Tensor, " example"]], seed: int = 0
) -> list[np.ndarray]:
    """Labels of all neurons from the evidence of each set of examples alone, ``(neuron,)`` each.

    Periodicity and strength, which look at no label, are those of the table.

    Args:
        cached: What `table` was made from.
        fits: Masks; memorised and held-out examples outside one are not looked at, nor those outside the `sample` of a
            large network.
        seed: Of the permutations.
    """
    cached, rows = cached.sampled, cached.sample.rows
    asked = [questions_of(cached, fit if rows is None else fit[rows]) for fit in fits]
    if cached.readout is None:
        with progress("labels of halves", cached.width) as report:
            evidence = measure_evidence(cached, asked, seed, report)[1]
    else:
        evidence = linear_evidence(cached, asked, seed)
    criteria, names = Criteria(**table.meta["criteria"]), ("p_value", "frequency_share", "frequency")
    columns = {name: table[name] for name in names}
    return [
        decide(columns, table["strength"], table["outside"], e, criteria, ordered=table.meta["ordered"]).label
        for e in evidence
    ]

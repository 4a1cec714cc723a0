"""How a network's accuracies answer to a set of neurons being turned down, off, round or up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from interp.data import Task
from interp.interventions import neuron_indices
from interp.models import HookedModel
from interp.progress import progress
from interp.scoring import PATIENCE, score
from interp.selection import select_neurons
from interp.sweeps import Dose, dose_response, site_state
from probes.labels import Label, NeuronTable


def dose(
    model: HookedModel,
    task: Task,
    neurons: Any = "label:memorizing",
    factors: Sequence[float] | np.ndarray | None = None,
    *,
    site: str | None = None,
    n_random: int = 20,
    seed: int = 0,
    table: NeuronTable | None = None,
) -> Dose:
    """Accuracy on every split as neurons are multiplied by each factor, beside random sets of the same size.

    The random sets are drawn from the neurons that are not dead. Where nothing but a matrix follows the neurons the
    result is exact and costs one matrix product a set (see `interp.sweeps.dose_response`).

    Args:
        model: A hooked model; left unchanged.
        task: A task.
        neurons: A text as in `select_neurons`, indices, a mask, or rows of a `NeuronTable`.
        factors: Finite numbers; from -1 (turned round) over 0 (removed) and 1 (unchanged) to 2 (doubled) if None.
        site: Hook name of the neurons; the table's, or else the model's last site.
        n_random: Random sets for the control; 0 for none.
        seed: Of the random sets.
        table: `score`'s table, if it is at hand.

    Returns:
        Accuracies in [0, 1] by split; `.plot()` draws them.

    Raises:
        InterventionError: The neurons cannot be used. ConfigError: a factor cannot. HookNameError: there are no
            neurons at the site.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> found = dose(analytic_mlp("add", p=31), ModularTask("add", p=31), "label:generalizing")
        >>> found.at(0, "test"), found.at(1, "test")
        (0.0, 1.0)
    """
    known = table if table is not None else neurons
    state = site_state(model, task, site=site or getattr(known, "site_name", None))
    table = score(model, task, site=state.hook, seed=seed, state=state) if table is None else table
    if isinstance(neurons, str):
        name, chosen = neurons, select_neurons(table, neurons)
    else:
        name, chosen = "given", neuron_indices(neurons, state.width)
    alive = table.neuron[table["label"] != Label.DEAD.value]
    with progress("rescaling", n_random + 1, after=PATIENCE) as report:
        return dose_response(
            state, chosen, factors, name=name, n_random=n_random, pool=alive, seed=seed, report=report
        )

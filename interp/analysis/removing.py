"""Neurons removed, one after another or as a set, or multiplied by a factor: how the network's accuracies answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from interp.data import Task
from interp.interventions import neuron_indices
from interp.measuring.curves import Curve, measure_curve
from interp.measuring.doses import Dose, dose_response
from interp.measuring.removals import Removal, removal
from interp.progress import PATIENCE, progress
from interp.scoring.selection import default_order, order_by, select_neurons
from interp.subject import Network, Subject, subject_of

COLUMN_NAMES = {"ipr": "IPR", "activation_share": "periodicity", "rule_effect": "rule effect"}
RUNS = 26
"""Runs of the network that a curve takes where its rest is not linear."""


def curve(
    network: Network,
    task: Task | None = None,
    order: Any = None,
    *,
    descending: bool = False,
    mode: str = "zero",
    site: str | None = None,
    n_random: int = 20,
    seed: int | None = None,
) -> Curve:
    """Accuracy on every split while neurons are removed or rescaled one after another.

    Args:
        network: A hooked model, a checkpoint, or a `Subject`.
        task: A task.
        order: A column of `score`'s table (its measure of periodicity if None), ``"random"``, or neurons in the
            order wanted.
        descending: Highest score first instead of lowest.
        mode: One of `interp.modes.MODES`.
        site: Hook name of the neurons; the model's last site if None.
        n_random: Random orders for the control.
        seed: Of the random orders and resampling.

    Returns:
        The curve with its random control; `.plot()` draws it.

    Raises:
        ConfigError: The order is unknown. InterventionError: the neurons or mode cannot be used.
    """
    subject = subject_of(network, task, site=site, seed=seed)
    cached = subject.cached_with(mode)
    if isinstance(order, str) and order == "random":
        name, chosen = "random", np.random.default_rng(subject.seed).permutation(cached.width)
    elif order is None or isinstance(order, str):
        order = order or default_order(subject.table)
        name = f"{order} {'descending' if descending else 'ascending'}"
        chosen = order_by(subject.table, order, descending=descending)
    else:
        name, chosen = "given", neuron_indices(order, cached.width)
    return measure_curve(cached, chosen, name=name, n_random=n_random, seed=subject.seed)


def remove(
    network: Network,
    task: Task | None = None,
    neurons: Any = "label:memorizing",
    *,
    mode: str = "zero",
    site: str | None = None,
    n_random: int = 20,
    seed: int | None = None,
) -> Removal:
    """Accuracy on every split without a set of neurons, beside random sets of the same size.

    Args:
        network: A hooked model, a checkpoint, or a `Subject`; left unchanged.
        task: A task.
        neurons: A text as in `select_neurons`, indices, a mask, or rows of a `NeuronTable`.
        mode: One of `interp.modes.MODES`.
        site: Hook name of the neurons; the model's last site if None.
        n_random: Random sets for the control.
        seed: Of the random sets and resampling.

    Raises:
        InterventionError: The neurons or mode cannot be used. HookNameError: there are no neurons at the site.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> remove(analytic_mlp("add", p=31), ModularTask("add", p=31), "label:generalizing").after.test
        0.0
    """
    subject = subject_of(network, task, site=site, seed=seed)
    _, chosen = chosen_neurons(subject, neurons)
    cached = subject.cached_with(mode)
    return removal(cached, chosen, n_draws=n_random, pool=subject.alive, seed=subject.seed)


def dose(
    network: Network,
    task: Task | None = None,
    neurons: Any = "label:memorizing",
    factors: Sequence[float] | np.ndarray | None = None,
    *,
    site: str | None = None,
    n_random: int = 20,
    seed: int | None = None,
) -> Dose:
    """Accuracy on every split as neurons are multiplied by each factor, beside random sets of the same size.

    The random sets are drawn from the neurons that are not dead. Where nothing but a matrix follows the neurons the
    result is exact and costs one matrix product a set (see `interp.measuring.doses.dose_response`).

    Args:
        network: A hooked model, a checkpoint, or a `Subject`; left unchanged.
        task: A task.
        neurons: A text as in `select_neurons`, indices, a mask, or rows of a `NeuronTable`.
        factors: Finite numbers; from -1 (turned round) over 0 (removed) and 1 (unchanged) to 2 (doubled) if None.
        site: Hook name of the neurons; that of the rows, or else the model's last site.
        n_random: Random sets for the control; 0 for none.
        seed: Of the random sets.

    Returns:
        Accuracies in [0, 1] by split; `.plot()` draws them.

    Raises:
        InterventionError: The neurons cannot be used. ConfigError: a factor cannot. HookNameError: there are no
            neurons at the site.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> result = dose(analytic_mlp("add", p=31), ModularTask("add", p=31), "label:generalizing")
        >>> result.at(0, "test"), result.at(1, "test")
        (0.0, 1.0)
    """
    subject = subject_of(network, task, site=site or getattr(neurons, "site_name", None), seed=seed)
    name, chosen = chosen_neurons(subject, neurons)
    with progress("rescaling", n_random + 1, after=PATIENCE) as report:
        return dose_response(
            subject.cached,
            chosen,
            factors,
            name=name,
            n_random=n_random,
            pool=subject.alive,
            seed=subject.seed,
            report=report,
        )


def curves_from_both_ends(subject: Subject, n_random: int = 20) -> tuple[Curve, Curve]:
    """Accuracy while neurons are removed, the least periodic first and the most periodic first, with one control.

    Args:
        subject: The network, task and site.
        n_random: Random orders; 0 for no control.
    """
    table, seed = subject.table, subject.seed
    measure = str(COLUMN_NAMES.get(default_order(table), default_order(table)))
    with progress("removing neurons", RUNS * (n_random + 1), after=PATIENCE) as report:
        name = f"lowest {measure} first"
        lowest = measure_curve(
            subject.cached, order_by(table), name=name, n_random=n_random, seed=seed, report=report
        )
    order = order_by(table, descending=True)
    highest = measure_curve(subject.cached, order, name=f"highest {measure} first", n_random=0)
    return lowest, replace(highest, random=lowest.random, n_random=lowest.n_random)


def chosen_neurons(subject: Subject, neurons: Any) -> tuple[str, np.ndarray]:
    """Indices from a text as in `select_neurons`, or from anything that names neurons, with what to call them."""
    if isinstance(neurons, str):
        return neurons, select_neurons(subject.table, neurons)
    return "given", neuron_indices(neurons, subject.width)

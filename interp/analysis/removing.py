"""Neurons removed, one after another or as a set, or multiplied by a factor; of a checkpoint, also for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from interp.analysis.memory_set import neurons_by_memory
from interp.checkpoints import Checkpoint, save_checkpoint
from interp.checkpoints.options import OpenOptions
from interp.checkpoints.tensor_file import save_tensors
from interp.checkpoints.written_back import state_as_stored
from interp.data import ModularTask, Task
from interp.edits import Edit, neuron_indices
from interp.errors import CheckpointError, ConfigError
from interp.files import write_together
from interp.interventions import Applied
from interp.measuring.cached_pass import CachedPass
from interp.measuring.curves import Curve, measure_curve
from interp.measuring.doses import Dose, dose_response
from interp.measuring.logits import chosen_columns
from interp.measuring.removals import Removal, removal
from interp.models import Adopted, HookedMLP, HookedModel, SmallTransformer
from interp.models.state import own_state
from interp.modes import make_intervention, parse_mode
from interp.progress import progress
from interp.scoring.selection import default_order, order_by, select_neurons
from interp.selectors import parse_neurons
from interp.subject import Network, Subject, open_subject, subject_of
from probes.labels import LABELS

COLUMN_NAMES = {"ipr": "IPR", "activation_share": "periodicity", "rule_effect": "rule effect"}
RUNS = 26
"""Runs of the network that a curve takes where its rest is not linear."""
CHECKED = 64
"""Examples on which weights with an edit are compared with the hooks."""


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
    during: Any = None,
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
        during: Steps that the intervention is limited to, see `interp.Edit`; all if None. Labels and scores that choose
            neurons are of all steps.

    Returns:
        The curve with its random control; `.plot()` draws it.

    Raises:
        ConfigError: The order is unknown. InterventionError: the neurons or mode cannot be used.
    """
    subject = subject_of(network, task, site=site, seed=seed)
    cached = subject.cached_with(mode, during)
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
    during: Any = None,
) -> Removal:
    """Accuracy on every split without a set of neurons, beside random sets of the same size.

    Args:
        network: A hooked model, a checkpoint, or a `Subject`; left unchanged.
        task: A task.
        neurons: A text as in `interp.selectors`, indices, a mask, or rows of a `NeuronTable`.
        mode: One of `interp.modes.MODES`.
        site: Hook name of the neurons; the model's last site if None.
        n_random: Random sets for the control.
        seed: Of the random sets and resampling.
        during: Steps that the intervention is limited to, see `interp.Edit`; all if None. Labels and scores that choose
            neurons are of all steps.

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
    cached = subject.cached_with(mode, during)
    result = removal(cached, chosen, n_draws=n_random, pool=subject.alive, seed=subject.seed)
    return replace(result, applied=applied_to(subject, chosen, mode, cached, during))


def dose(
    network: Network,
    task: Task | None = None,
    neurons: Any = "label:memorizing",
    factors: Sequence[float] | np.ndarray | None = None,
    *,
    site: str | None = None,
    n_random: int = 20,
    seed: int | None = None,
    during: Any = None,
) -> Dose:
    """Accuracy on every split as neurons are multiplied by each factor, beside random sets of the same size.

    The random sets are drawn from the neurons that are not dead. Where nothing but a matrix follows the neurons the
    result is exact and costs one matrix product a set (see `interp.measuring.doses.dose_response`).

    Args:
        network: A hooked model, a checkpoint, or a `Subject`; left unchanged.
        task: A task.
        neurons: A text as in `interp.selectors`, indices, a mask, or rows of a `NeuronTable`.
        factors: Finite numbers; from -1 (turned round) over 0 (removed) and 1 (unchanged) to 2 (doubled) if None.
        site: Hook name of the neurons; that of the rows, or else the model's last site.
        n_random: Random sets for the control; 0 for none.
        seed: Of the random sets.
        during: Steps that the intervention is limited to, see `interp.Edit`; all if None. Labels and scores that choose
            neurons are of all steps.

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
    with progress("rescaling", n_random + 1) as report:
        return dose_response(
            subject.cached if during is None else subject.cached_with("zero", during),
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
    with progress("removing neurons", RUNS * (n_random + 1)) as report:
        name = f"lowest {measure} first"
        lowest = measure_curve(
            subject.cached, order_by(table), name=name, n_random=n_random, seed=seed, report=report
        )
    order = order_by(table, descending=True)
    highest = measure_curve(subject.cached, order, name=f"highest {measure} first", n_random=0)
    return lowest, replace(highest, random=lowest.random, n_random=lowest.n_random)


def chosen_neurons(subject: Subject, neurons: Any) -> tuple[str, np.ndarray]:
    """Indices from a text as in `interp.selectors`, or from anything that names neurons, with what to call them."""
    if isinstance(neurons, str):
        kind, value = parse_neurons(neurons, LABELS)
        if kind == "memory":
            return neurons, neurons_by_memory(subject, str(value))
        if kind == "attribution":
            return neurons, neurons_by_memory(subject, kind, float(value))  # type: ignore[arg-type]
        return neurons, select_neurons(subject.table, neurons)
    return "given", neuron_indices(neurons, subject.width)


def ablate_checkpoint(
    checkpoint: Path | str | Subject,
    neurons: str = "label:memorizing",
    mode: str = "zero",
    *,
    options: OpenOptions | None = None,
    save: Path | str | None = None,
    overwrite: bool = False,
    site: str | None = None,
    n_random: int = 20,
    seed: int | None = None,
    device: torch.device | str = "cpu",
    during: Any = None,
) -> Removal:
    """Accuracy on every split before and after an intervention, beside random sets of the same size.

    Args:
        checkpoint: A file, a folder (its last checkpoint), or the subject that was made of one.
        neurons: Which, as in `interp.selectors`: ``"label:memorizing"``, ``"memory-set"``, ``"@file"`` …
        mode: One of `interp.modes.MODES`.
        options: What the checkpoint does not say of itself.
        save: Where to write the network with the edit in its weights: as a native checkpoint, or, of the user's own
            module, its weights alone.
        overwrite: Replace files that are there already; never the checkpoint itself.
        site: Hook name of the neurons; the model's last site if None.
        n_random: Random sets of the same size.
        during: Steps that the intervention is limited to, see `interp.Edit`; all if None. Labels and scores that choose
            neurons are of all steps.

    Raises:
        CheckpointError: The file cannot be read, or no file can hold the edited network. InterventionError: the
            neurons or mode cannot be used, or the edit cannot be saved. ConfigError: the file to save exists.

    Example:
        ``ablate_checkpoint("runs/r0", "lowest:0.7", save="pruned.safetensors").after.test``
    """
    if not isinstance(checkpoint, Subject):
        checkpoint = open_subject(checkpoint, options, device=device, site=site, seed=seed)
    subject, opened = checkpoint, checkpoint.source
    target = None if save is None else edited_file(save, opened, overwrite)
    cached = subject.cached_with(mode, during)
    _, chosen = chosen_neurons(subject, neurons)
    applied = applied_to(subject, chosen, mode, cached, during)
    edited = None if target is None else applied.baked()
    result = removal(cached, chosen, n_draws=n_random, pool=subject.alive, seed=subject.seed)
    if target is not None and edited is not None:
        write_edited(target, edited, opened, f"{mode} on {len(chosen)} neurons ({neurons})")
    return replace(result, applied=applied)


def applied_to(
    subject: Subject, neurons: np.ndarray, mode: str, cached: CachedPass, during: Any = None
) -> Applied:
    """The intervention that was measured: as a context manager, hooks or weights under the names of its file."""
    activations = None
    if parse_mode(mode)[0].from_examples:
        activations = chosen_columns(cached.prefix.activations, torch.as_tensor(neurons))
    intervention = make_intervention(mode, activations, seed=subject.seed)
    edit = Edit(cached.hook, neurons, intervention, during)
    names = partial(state_as_stored, subject.source)
    return Applied(subject.model, (edit,), names, subject.data.inputs[:CHECKED])


def edited_file(save: Path | str, opened: Checkpoint, overwrite: bool = False) -> Path:
    """The file that an edited network is saved as; refused, before any work is done, if it cannot be.

    Raises:
        ConfigError: It is the checkpoint itself, or exists. CheckpointError: No file can hold the network.
    """
    target = Path(save).with_suffix(".safetensors")
    source = opened.path
    if source is not None and target.resolve().with_suffix("") == source.resolve().with_suffix(""):
        description = "is" if target.resolve() == source.resolve() else "has the name of"
        raise ConfigError(
            f"{str(target)!r} {description} the checkpoint itself; save the edited network under another name"
        )
    for file in (target, target.with_suffix(".json")):
        if file.exists() and not overwrite:
            raise ConfigError(
                f"{str(file)!r} exists already; add --force to replace it, or choose another name"
            )
    if not isinstance(opened.model, Adopted) and not isinstance(opened.task, ModularTask):
        raise CheckpointError(
            "a checkpoint is stored with its task, and examples from a table are none that the file can hold; "
            "it can be measured, but not saved"
        )
    return target


def write_edited(target: Path, edited: HookedModel, opened: Checkpoint, description: str) -> None:
    """Store an edited network: natively where the format knows its kind, else the weights of the user's module."""
    if isinstance(edited, Adopted):
        weights = own_state(edited)
        write_together(
            (target.with_suffix(".json"), None),  # it described the weights that were here before
            (target, lambda part: save_tensors(weights, part)),
        )
        return
    if not isinstance(edited, HookedMLP | SmallTransformer):
        raise CheckpointError(
            f"no file can hold a {type(edited).__name__}; it can be measured, but not saved"
        )
    training = opened.settings.get("training")
    save_checkpoint(target, edited, opened.task, step=opened.step, training=training, edited=description)

"""From a checkpoint to a verdict: what the network learnt, which neurons do it, and how far that is certain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from interp.checkpoints import FORMAT as NATIVE
from interp.checkpoints import Checkpoint, training_history
from interp.circuit import circuit
from interp.data import Task
from interp.devices import resolve_device
from interp.errors import ConfigError
from interp.evaluation import accuracy
from interp.findings import AuditReport
from interp.leakage import Leakage
from interp.models import HookedModel
from interp.opening import OWN_MODULE, OpenAs, load_checkpoint
from interp.orderings import better_ordering
from interp.phase import GOOD, phase_of
from interp.portrait import portraits, telling_neurons
from interp.progress import progress
from interp.scoring import PATIENCE, NeuronTable, causal_agreement, score
from interp.selection import default_order, order_by
from interp.sweeps import Removal, SiteState, Sweep, curve, removal, site_state
from interp.trajectory import Trajectory, trajectory_of
from interp.verdict import verdict, warnings_of
from probes import null
from probes.labels import Criteria, Label
from probes.spectrum import Convention

HISTOGRAM_DRAWS = 2_000
TELLING = 24
CURVE_RUNS = 26
ORDER_NAMES = {"ipr": "IPR", "activation_share": "periodicity", "rule_effect": "rule effect"}


def audit(
    checkpoint: Path | str | Checkpoint | HookedModel,
    task: Task | None = None,
    *,
    how: OpenAs | None = None,
    site: str | None = None,
    criteria: Criteria | None = None,
    convention: Convention | None = None,
    n_random: int = 20,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> AuditReport:
    """Measure a network, score and label its neurons, take them out, and say what that shows.

    Args:
        checkpoint: A file, a folder of checkpoints (its last is audited, beside the trajectory of all), a checkpoint
            that was opened, or a hooked model.
        task: The task; read from the checkpoint if None.
        how: What the checkpoint does not say of itself.
        site: Hook name of the neurons; the model's last site if None.
        criteria: Of the labels.
        convention: Of the Fourier scores.
        n_random: Random draws for every control; at least 20 for a usable interval.
        seed: Of all draws.
        device: Where to compute; ``"auto"`` picks the fastest.

    Raises:
        CheckpointError: The file cannot be read. ConfigError: a model was given without a task.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> found = audit(analytic_mlp("add", p=31), ModularTask("add", p=31))
        >>> found.phase.name, found.table.counts()["memorizing"]
        ('generalisation', 0)
    """
    source, series = _open(checkpoint, task, how), checkpoint if task is None else None
    model, task = source.model.to(resolve_device(device)), source.task
    state = site_state(model, task, site=site)
    table = score(model, task, criteria=criteria, convention=convention, seed=seed, state=state)
    without, sweeps = _interventions(state, table, n_random, seed)
    measured, corrupted = accuracy(model, task), corrupt_fraction_of(task)
    leakage = Leakage(state.data, state.logits).to_dict()
    honest = measured if leakage is None else replace(measured, test=leakage["accuracy_without"])
    history = history_of(source)
    generalised = any((record["accuracy"].get("test") or 0) >= GOOD for record in history)
    lengths = tuple(table.meta["null"]["vector_lengths"])
    found = AuditReport(
        checkpoint=str(source.path or "a model in memory"),
        dialect=source.dialect,
        step=source.step,
        task=task_settings(task, corrupted),
        model=model_settings(model, state),
        accuracy=measured,
        phase=phase_of(honest, corrupted, generalised_before=generalised),
        table=table,
        without_memorizing=without[Label.MEMORIZING],
        without_generalizing=without[Label.GENERALIZING],
        sweeps=sweeps,
        agreement=causal_agreement(table, seed=seed),
        key_frequencies=_key_frequencies(table),
        null_ipr=null.null_scores(lengths, convention or Convention(), n_draws=HISTOGRAM_DRAWS, seed=seed)
        if lengths
        else np.empty(0),
        portraits=portraits(state, task, table, telling_neurons(table, TELLING)),
        without_others={label.value: without[label] for label in (Label.DEAD, Label.INCONCLUSIVE)},
        leakage=leakage,
        circuit=circuit(model, task, state.logits, table),
        trajectory=_trajectory(series, source, how, site, seed),
        notes=source.notes,
        stored=source.stored,
        history=history,
    )
    other = better_ordering(state, task, table["strength"])
    return replace(found, verdict=tuple(verdict(found)), warnings=tuple(warnings_of(found, task, other)))


def _interventions(
    state: SiteState, table: NeuronTable, n_random: int, seed: int
) -> tuple[dict[Label, Removal], tuple[Sweep, Sweep]]:
    """Removal of each label's neurons, and of more and more neurons from either end of their order."""
    alive = table.neuron[table["label"] != Label.DEAD.value]
    without = {}
    with progress("removing labelled neurons", len(Label) * n_random, after=PATIENCE) as report:
        for i, label in enumerate(Label):
            without[label] = removal(
                state,
                table.where(label=label.value),
                n_draws=n_random,
                pool=alive,
                seed=seed,
                report=lambda done, note="", before=i * n_random: report(before + done),
            )
    measure = ORDER_NAMES[default_order(table)]
    with progress("removing neurons", CURVE_RUNS * (n_random + 1), after=PATIENCE) as report:
        lowest = curve(
            state,
            order_by(table),
            name=f"lowest {measure} first",
            n_random=n_random,
            seed=seed,
            report=report,
        )
    highest = curve(state, order_by(table, descending=True), name=f"highest {measure} first", n_random=0)
    return without, (lowest, replace(highest, random=lowest.random, n_random=lowest.n_random))


def _trajectory(
    checkpoint: Any, source: Checkpoint, how: OpenAs | None, site: str | None, seed: int
) -> Trajectory | None:
    """Of a folder, or of a stranger's file, which may hold several networks."""
    if not isinstance(checkpoint, (str, Path)):
        return None
    path, alone = Path(checkpoint), source.dialect in (NATIVE, OWN_MODULE)
    return None if alone and not path.is_dir() else trajectory_of(path, how, site=site, seed=seed)


def _open(
    checkpoint: Path | str | Checkpoint | HookedModel, task: Task | None, how: OpenAs | None
) -> Checkpoint:
    if isinstance(checkpoint, (str, Path, Checkpoint)):
        opened = checkpoint if isinstance(checkpoint, Checkpoint) else load_checkpoint(checkpoint, how)
        return opened if task is None else replace(opened, task=task)
    if task is None:
        raise ConfigError("a model in memory does not say what it was trained on; pass its task too")
    return Checkpoint(model=checkpoint, task=task, dialect="in memory")


def history_of(source: Checkpoint) -> list[dict[str, Any]]:
    """The training curve up to the checkpoint; none for a network that was edited after training."""
    if source.path is None or source.settings.get("edited"):
        return []
    last = source.step
    return [r for r in training_history(source.path) if last is None or r["step"] <= last]


def corrupt_fraction_of(task: Task) -> float:
    """Which share of the training examples has a redrawn label."""
    data = task.dataset
    return float(data.corrupted.sum() / data.train.sum().clamp_min(1))


def task_settings(task: Task, corrupt_fraction: float) -> dict[str, Any]:
    """What a report says of a task."""
    data = task.dataset
    return {
        "operation": getattr(task, "operation", None),
        "p": getattr(task, "p", None),
        "train_fraction": float(data.train.double().mean()) if data.split_known else None,
        "split_known": data.split_known,
        "corrupt_fraction": corrupt_fraction,
        "examples": len(data),
        "seed": getattr(task, "seed", None),
    }


def model_settings(model: HookedModel, state: SiteState) -> dict[str, Any]:
    """What a report says of a network."""
    settings = model.to_dict() if hasattr(model, "to_dict") else {}
    return {"kind": type(model).__name__, "activation": None, **settings, "width": state.width}


def _key_frequencies(table: NeuronTable) -> tuple[int, ...]:
    frequencies = table.where(label=Label.GENERALIZING.value)["frequency"]
    return tuple(sorted({int(frequency) for frequency in frequencies if frequency > 0}))

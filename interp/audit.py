"""From a checkpoint to a verdict: what the network learnt, which neurons do it, and how far that is certain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from interp.analysis.circuit import circuit
from interp.analysis.coset_indicators import CosetIndicators, coset_indicators
from interp.analysis.memory_set import memory_set_of, no_memory
from interp.analysis.orderings import better_ordering
from interp.analysis.populations import crossfit_labels
from interp.analysis.portrait import portraits, telling_neurons
from interp.analysis.relearning import relearn
from interp.analysis.removing import applied_to, curves_from_both_ends
from interp.analysis.trajectory import Trajectory, trajectory_of
from interp.checkpoints import FORMAT as NATIVE
from interp.checkpoints import Checkpoint
from interp.checkpoints.open import OWN_MODULE, load_checkpoint
from interp.checkpoints.options import OpenOptions
from interp.data import Task
from interp.devices import resolve_device
from interp.measuring.cached_pass import CachedPass
from interp.measuring.removals import Removal, removal
from interp.models import HookedModel, neuron_site
from interp.progress import progress, with_progress
from interp.results import AuditReport
from interp.scoring.components import random_ipr
from interp.scoring.table import NeuronTable
from interp.subject import Network, Subject, on_device, open_subject, subject_of
from interp.verdict import verdict, warnings_of
from probes import null
from probes.labels import GENERALIZING, LABELS, Criteria
from probes.spectrum import Convention

HISTOGRAM_DRAWS = 2_000
TELLING = 24
COSETS = 240
"""Elements of a group whose neurons are compared with cosets of all subgroups, which takes seconds to minutes."""


@with_progress("auditing")
def audit(
    checkpoint: Path | str | Network,
    task: Task | None = None,
    *,
    options: OpenOptions | None = None,
    site: str | None = None,
    criteria: Criteria | None = None,
    convention: Convention | None = None,
    n_random: int = 20,
    relearn_steps: int = 0,
    relearn_lr: float | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    since: Path | str | Checkpoint | HookedModel | None = None,
    show_progress: bool | None = None,
) -> AuditReport:
    """Measure a network, score and label its neurons, take them out, and say what that shows.

    Args:
        checkpoint: A file, a folder of checkpoints (its last is audited, beside the trajectory of all), a checkpoint
            that was opened, or a hooked model.
        task: The task; read from the checkpoint if None.
        options: What the checkpoint does not say of itself.
        site: Hook name of the neurons; the model's last site if None.
        criteria: Of the labels.
        convention: Of the Fourier scores.
        n_random: Random draws for every control; at least 20 for a usable interval.
        relearn_steps, relearn_lr: Let the network learn its removed memories again, for at most so many steps; see
            `interp.relearn`. Not with 0 steps.
        seed: Of all draws.
        device: Where to compute; ``"auto"`` picks the fastest.
        since: An earlier checkpoint of the same training, or a file of it that is opened in the same way: the neurons'
            drift is measured from it.
        show_progress: See `interp.show_progress`.

    Raises:
        CheckpointError: The file cannot be read. ConfigError: a model was given without a task, or `since` is a network
            of another shape.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp
        >>> report = audit(analytic_mlp("add", p=31), ModularTask("add", p=31))
        >>> report.phase.name, report.table.counts()["memorizing"]
        ('generalisation', 0)
    """
    earlier = load_checkpoint(since, options) if isinstance(since, (str, Path)) else since
    settings: dict[str, Any] = {"task": task, "site": site, "criteria": criteria, "convention": convention}
    settings |= {"seed": seed, "since": earlier}
    subject = _subject(checkpoint, options, device, **settings)
    report = _measured(
        subject,
        n_random,
        trajectory=_trajectory(None if task else checkpoint, subject.source, options, site, seed),
        relearning=relearn(subject, steps=relearn_steps, lr=relearn_lr) if relearn_steps else None,
    )
    warnings = tuple(warnings_of(report, subject.task, better_ordering(subject)))
    return replace(report, verdict=tuple(verdict(report)), warnings=warnings)


def _measured(subject: Subject, n_random: int, **extra: Any) -> AuditReport:
    """The report without its sentences."""
    table = subject.table
    return AuditReport(
        **_origin(subject, table),
        task=task_settings(subject.task, subject.corrupt_fraction),
        model=model_settings(subject.model, subject.cached),
        accuracy=subject.accuracy,
        phase=subject.phase,
        base_rate=subject.base_rate,
        table=table,
        removals=_removals(subject, n_random),
        memory_set=memory_set_of(subject, n_random),
        no_memory=no_memory(subject),
        crossfits=crossfit_labels(subject, n_random),
        curves=curves_from_both_ends(subject, n_random),
        agreement=subject.agreement,
        key_frequencies=_key_frequencies(table),
        components=_component_counts(table, subject.criteria),
        null_ipr=_null_ipr(subject),
        portraits=portraits(subject, telling_neurons(table, TELLING)),
        leakage=subject.leakage.to_dict(),
        circuit=circuit(subject),
        cosets=_cosets(subject),
        history=subject.history,
        **extra,
    )


def _origin(subject: Subject, table: NeuronTable) -> dict[str, Any]:
    """Facts of the file, by the report's names."""
    source = subject.source
    shared = {name: getattr(source, name) for name in ("dialect", "step", "stored")}
    notes = (*table.meta["null"].get("notes", ()), *table.meta["notes"])
    shared["notes"] = (*source.notes, *notes, *subject.cached.notes)
    return {"checkpoint": str(source.path or "a model in memory"), **shared}


def _removals(subject: Subject, n_random: int) -> dict[str, Removal]:
    """Removal of each label's neurons."""
    settings: dict[str, Any] = {"n_draws": n_random, "pool": subject.alive, "seed": subject.seed}
    with progress("removing labelled neurons", len(LABELS) * n_random) as report:

        def without(label: str, before: int) -> Removal:
            neurons = subject.table.where(label=label).neuron
            result = removal(
                subject.cached, neurons, **settings, report=lambda done, note="": report(before + done)
            )
            return replace(result, applied=applied_to(subject, neurons, "zero", subject.cached))

        return {label: without(label, i * n_random) for i, label in enumerate(LABELS)}


def _trajectory(
    checkpoint: Any, source: Checkpoint, options: OpenOptions | None, site: str | None, seed: int
) -> Trajectory | None:
    """Of a folder, or of a stranger's file, which may hold several networks."""
    if not isinstance(checkpoint, (str, Path)):
        return None
    path, alone = Path(checkpoint), source.dialect in (NATIVE, OWN_MODULE)
    return None if alone and not path.is_dir() else trajectory_of(path, options, site=site, seed=seed)


def _subject(
    checkpoint: Path | str | Network, options: OpenOptions | None, device: torch.device | str, **settings: Any
) -> Subject:
    if isinstance(checkpoint, (str, Path)):
        return open_subject(checkpoint, options, device=device, **settings)
    if isinstance(checkpoint, Checkpoint):
        checkpoint = on_device(checkpoint, device)
    elif not isinstance(checkpoint, Subject):
        checkpoint = checkpoint.to(resolve_device(device))
    return subject_of(checkpoint, **settings)


def task_settings(task: Task, corrupt_fraction: float) -> dict[str, Any]:
    """Settings of a task, as a report lists them."""
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


def model_settings(model: HookedModel, cached: CachedPass) -> dict[str, Any]:
    """Settings of a network, as a report lists them."""
    settings = model.to_dict() if hasattr(model, "to_dict") else {}
    place = neuron_site(model, cached.hook)
    shown = ["example", *["position"] * cached.prefix.has_positions]
    shown += ["other"] * (cached.prefix.activations.ndim - len(shown) - 1)
    shown.insert(len(shown) + 1 + place.axis, "neuron")
    axes = {"axis": place.axis, "layout": place.layout or f"({', '.join(shown)})"}
    return {"kind": type(model).__name__, "activation": None, **settings, "width": cached.width, **axes}


def _cosets(subject: Subject) -> CosetIndicators | None:
    """Of a group, unless the test would take longer than all else."""
    parts, group = subject.table.parts, subject.table.meta["null"].get("group")
    if not parts.known or group is None:
        return None
    if group["order"] <= COSETS:
        return coset_indicators(subject)
    alive = subject.table.alive
    reason = (
        f"not looked at in an audit of a group of more than {COSETS} elements; interp.coset_indicators does"
    )
    return CosetIndicators(group["name"], reason, alive, subject.table["frequency"][alive], {})


def _null_ipr(subject: Subject) -> np.ndarray:
    lengths = tuple(subject.table.meta["null"]["vector_lengths"])
    if (parts := subject.table.parts).known:
        sizes = np.array([one.size for one in parts.components])
        return random_ipr(sizes, len(lengths), HISTOGRAM_DRAWS, subject.seed)
    draws = {"n_draws": HISTOGRAM_DRAWS, "seed": subject.seed}
    return null.null_scores(lengths, subject.convention, **draws) if lengths else np.empty(0)


def _key_frequencies(table: NeuronTable) -> tuple[int, ...] | None:
    if table.parts.known:
        return None
    frequencies = table.where(label=GENERALIZING)["frequency"]
    return tuple(sorted({int(frequency) for frequency in frequencies if frequency > 0}))


def _component_counts(table: NeuronTable, criteria: Criteria) -> tuple[dict[str, Any], ...] | None:
    periodic = criteria.periodic(table["q_value"], table["frequency_share"])
    return table.parts.counts(table["frequency"][periodic])

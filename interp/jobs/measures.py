"""What a job finds out about one checkpoint: the columns of its neurons, and its own row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from interp.audit import audit
from interp.checkpoints import Checkpoint
from interp.checkpoints.files import number_of
from interp.checkpoints.open import load_checkpoint
from interp.jobs.row import Found, from_scores, summary
from interp.jobs.schema import REMOVED, REMOVED_SPLITS
from interp.jobs.settings import Settings
from interp.jobs.weights import Weights
from interp.measuring.arrays import distinct_vectors, neuron_arrays, weight_vectors
from interp.measuring.controls import Removal, removal
from interp.measuring.evaluation import SplitValues
from interp.models import neuron_site
from interp.report.html import to_html
from interp.results import AuditReport
from interp.safeguards import one_thread
from interp.scoring.periodicity import operands_of, periodicity
from interp.scoring.table import NeuronTable
from interp.subject import Subject, subject_of
from probes.agreement import Agreement
from probes.null import benjamini_hochberg


def known_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """What the checkpoint's file says: the columns of its row that need no measuring."""
    step = checkpoint.step
    if step is None and checkpoint.path is not None:
        step = number_of(checkpoint.path)
    return {
        "step": step,
        "dialect": checkpoint.dialect,
        "notes": list(checkpoint.notes) or None,
        "stored_train": checkpoint.stored.get("train"),
        "stored_test": checkpoint.stored.get("test"),
        "task": getattr(checkpoint.task, "operation", None),
        "p": getattr(checkpoint.task, "p", None),
        "corrupt_fraction": getattr(checkpoint.task, "corrupt_fraction", None),
    }


def opened(path: Path, settings: Settings, like: Checkpoint | None, data: bytes | None) -> Checkpoint:
    """Open a checkpoint; see `interp.checkpoints.open.load_checkpoint`."""
    with one_thread():
        return load_checkpoint(path, settings.options, like=like, data=data)


def measure(checkpoint: Checkpoint, settings: Settings, name: str) -> Found | Weights:
    """Everything that the settings ask for of an opened checkpoint; for scores its weights, if these are to be scored.

    Args:
        checkpoint: The network and its task.
        settings: What to measure.
        name: What the checkpoint is called in its audit.

    Raises:
        GrokscopeError: It cannot be measured.
    """
    with one_thread():
        if settings.measure == "scores":
            return _weights(checkpoint, settings.site) or _activation_scores(checkpoint, settings)
        if settings.measure == "audit":
            return _audited(checkpoint, settings, name)
        return _labelled(checkpoint, settings)


def _weights(checkpoint: Checkpoint, site: str | None) -> Weights | None:
    """The weights to score; None where only activations tell how periodic the neurons are."""
    place, task = neuron_site(checkpoint.model, site), checkpoint.task
    if not place.input_vectors or (task.ordering is None and operands_of(task) is None):
        return None
    _, ordered = weight_vectors(place, task.ordering)
    return Weights(tuple(ordered), distinct_vectors(place), place.hook, known_of(checkpoint))


def _subject(checkpoint: Checkpoint, settings: Settings) -> Subject:
    return subject_of(checkpoint, site=settings.site, convention=settings.convention, seed=settings.seed)


def _activation_scores(checkpoint: Checkpoint, settings: Settings) -> Found:
    """Periodicity of neurons that no token feeds directly, without their effects."""
    subject = _subject(checkpoint, settings)
    arrays = neuron_arrays(subject.place, subject.cached.activations, subject.task.ordering)
    columns, null = periodicity(
        subject.cached, subject.task, subject.place, arrays, settings.convention, settings.seed
    )
    columns = {**columns, "q_value": benjamini_hochberg(columns["p_value"])}
    return from_scores(_columns(columns), known_of(checkpoint), subject.hook, null["source"])


def _labelled(checkpoint: Checkpoint, settings: Settings) -> Found:
    subject = _subject(checkpoint, settings)
    table = subject.table
    row = _of_network(checkpoint, table, subject.accuracy, subject.leakage.to_dict(), subject.phase.name)
    if settings.measure == "causal":
        for label in REMOVED:
            chosen = table.where(label=label)
            without = removal(
                subject.cached, chosen, n_draws=settings.n_random, pool=subject.alive, seed=settings.seed
            )
            row |= _of_removal(label, without)
        row |= _of_agreement(subject.agreement)
    return Found(row, _of_neurons(checkpoint, table))


def _audited(checkpoint: Checkpoint, settings: Settings, name: str) -> Found:
    report = audit_of(checkpoint, settings, name)
    row = _of_network(checkpoint, report.table, report.accuracy, report.leakage, report.phase.name)
    for label in REMOVED:
        row |= _of_removal(label, report.removals[label])
    row |= _of_agreement(report.agreement)
    return Found(row, _of_neurons(checkpoint, report.table), to_html(report))


def audit_of(checkpoint: Checkpoint, settings: Settings, name: str) -> AuditReport:
    """The audit of an opened checkpoint, as `interp.audit` gives it."""
    report = audit(
        checkpoint,
        site=settings.site,
        convention=settings.convention,
        n_random=settings.n_random,
        seed=settings.seed,
    )
    return replace(report, checkpoint=name)


def _of_network(
    checkpoint: Checkpoint,
    table: NeuronTable,
    measured: SplitValues,
    leakage: dict[str, Any] | None,
    phase: str | None,
) -> dict[str, Any]:
    """The row of a network that was run."""
    known = checkpoint.task.dataset.split_known
    accuracy = {split: measured[split] for split in measured if known or split == "all"}
    counts = table.counts()
    return {
        **known_of(checkpoint),
        "site": table.site_name,
        "neurons": counts.pop("total"),
        **summary(table.columns, table.meta["null"]["source"]),
        **{f"accuracy_{split}": value for split, value in accuracy.items()},
        "accuracy_test_without_leakage": None if leakage is None else leakage["accuracy_without"],
        "phase": phase,
        **counts,
    }


def _of_neurons(checkpoint: Checkpoint, table: NeuronTable) -> dict[str, Any]:
    step = known_of(checkpoint)["step"]
    return {"site": table.site_name, "step": step, **_columns(table.columns)}


def _columns(columns: Mapping[str, Any]) -> dict[str, Any]:
    """A table's columns as the store has them; those of vectors past the third are left out."""
    further = [name for name in columns if name.startswith("ipr_") and int(name[4:]) > 2]
    return {name: column for name, column in columns.items() if name not in further}


def _of_removal(label: str, without: Removal) -> dict[str, Any]:
    """Accuracy without a label's neurons, and the mean accuracy without random sets as large."""
    row: dict[str, Any] = {}
    for split in REMOVED_SPLITS:
        random = without.random[split]
        row[f"without_{label}_{split}"] = without.after[split]
        row[f"random_{label}_{split}"] = None if random is None else random.mean
    return row


def _of_agreement(found: Agreement | None) -> dict[str, Any]:
    if found is None:
        return {}
    return {"agreement_auc": found.auc, "agreement_low": found.low, "agreement_high": found.high}

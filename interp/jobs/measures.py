"""Measures of one opened checkpoint: the columns of its neurons, and its own row. Needs PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from interp.audit import audit
from interp.checkpoints import Checkpoint
from interp.checkpoints.files import number_of
from interp.checkpoints.open import load_checkpoint
from interp.data.operations import steps_of
from interp.hooks import evaluation_mode
from interp.jobs.columns import RECORDED, TELLING, Result, scores_result, summary
from interp.jobs.settings import Settings
from interp.jobs.weights import Weights
from interp.measuring.arrays import distinct_vectors, neuron_arrays, weight_vectors
from interp.measuring.evaluation import check_shape
from interp.measuring.removals import Removal, removal
from interp.models import neuron_site, prefix_at
from interp.report.html import to_html
from interp.scoring.compositions import task_composition
from interp.scoring.periodicity import operands_of, periodicity
from interp.subject import Subject, subject_of
from interp.threads import limited
from probes.labels import REMOVED
from probes.null import benjamini_hochberg
from probes.parts import Parts


def known_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """Columns of a checkpoint's row that need no measuring, from its file."""
    step, task = checkpoint.step, checkpoint.task
    if step is None and checkpoint.path is not None:
        step = number_of(checkpoint.path)
    return {
        "step": step,
        "dialect": checkpoint.dialect,
        "notes": list(checkpoint.notes) or None,
        **{f"stored_{split}": checkpoint.stored.get(split) for split in RECORDED},
        "task": getattr(task, "operation", None),
        "p": getattr(task, "p", None),
        "corrupt_fraction": getattr(task, "corrupt_fraction", None),
    }


def opened(path: Path, settings: Settings, like: Checkpoint | None, data: bytes | None) -> Checkpoint:
    """Open a checkpoint; see `interp.checkpoints.open.load_checkpoint`."""
    with limited(1):
        return load_checkpoint(path, settings.options, like=like, data=data)


def measure(checkpoint: Checkpoint, settings: Settings, name: str) -> Result | Weights:
    """Measure an opened checkpoint, called `name` in its audit; for scores its weights, if these are to be scored."""
    with limited(1):
        if settings.measure == "scores" and (weights := _weights(checkpoint, settings.site)) is not None:
            return weights
        since = None if settings.since is None else load_checkpoint(settings.since, settings.options)
        own: dict[str, Any] = {
            "site": settings.site,
            "convention": settings.convention,
            "seed": settings.seed,
        }
        subject = subject_of(checkpoint, since=since, **own)
        if settings.measure == "scores":
            return _scores(subject)
        page, removals = None, dict[str, Removal]()
        if settings.measure == "causal":
            removals = {label: _removal(subject, label, settings.n_random) for label in REMOVED}
        elif settings.measure == "audit":
            report = audit(subject, n_random=settings.n_random, seed=settings.seed)
            removals = {label: report.removals[label] for label in REMOVED}
            page = to_html(replace(report, checkpoint=name))
        known = known_of(checkpoint)
        neurons = {"site": subject.hook, "step": known["step"], **_stored(subject.table.columns)}
        return Result({**known, **_row(subject), **_causal(subject, removals)}, neurons, page)


def _weights(checkpoint: Checkpoint, site: str | None) -> Weights | None:
    """The weights whose frequencies to score; None where activations or components of a group tell of the neurons."""
    place, task = neuron_site(checkpoint.model, site), checkpoint.task
    if not place.input_vectors or (task.ordering is None and operands_of(task) is None):
        return None
    if task_composition(task) is not None:
        return None
    with evaluation_mode(checkpoint.model):
        logits = prefix_at(checkpoint.model, place.hook, task.dataset.inputs[:1]).logits()
    check_shape(logits, 1, task.dataset.n_classes)  # weights alone do not tell a task of another size
    _, ordered = weight_vectors(place, task.ordering)
    steps = steps_of(task.ordering, len(ordered))
    return Weights(tuple(ordered), distinct_vectors(place), place.hook, known_of(checkpoint), steps)


def _scores(subject: Subject) -> Result:
    """Periodicity of neurons that no token feeds directly, or components of a group, without their effects."""
    cached, task, place = subject.cached, subject.task, subject.place
    arrays = neuron_arrays(place, cached.activations, task.ordering)
    columns, null = periodicity(cached, task, place, arrays, subject.convention, subject.seed)
    columns = {**columns, "q_value": benjamini_hochberg(columns["p_value"])}
    known, parts = known_of(subject.source), Parts.of(null)
    return scores_result(_stored(columns), known, subject.hook, null["source"], parts)


def _removal(subject: Subject, label: str, n_random: int) -> Removal:
    chosen = subject.table.where(label=label)
    return removal(subject.cached, chosen, n_draws=n_random, pool=subject.alive, seed=subject.seed)


def _row(subject: Subject) -> dict[str, Any]:
    table, leakage = subject.table, subject.leakage.to_dict()
    splits = list(subject.accuracy) if subject.task.dataset.split_known else ["all"]
    counts = table.counts()
    return {
        "site": table.site_name,
        "neurons": counts.pop("total"),
        **summary(table.columns, table.meta["null"]["source"], table.parts),
        **{f"accuracy_{split}": subject.accuracy[split] for split in splits},
        "accuracy_test_without_leakage": None if leakage is None else leakage["accuracy_without"],
        "phase": subject.phase.name,
        **counts,
    }


def _causal(subject: Subject, removals: Mapping[str, Removal]) -> dict[str, Any]:
    """Accuracies without the neurons of a label and without random ones, and the agreement with periodicity."""
    row: dict[str, Any] = {}
    for label, without in removals.items():
        for split in TELLING:
            random = without.random[split]
            row[f"without_{label}_{split}"] = without.after[split]
            row[f"random_{label}_{split}"] = None if random is None else random.mean
    agreement = subject.agreement if removals else None
    if agreement is not None:
        row |= {f"agreement_{name}": getattr(agreement, name) for name in ("auc", "low", "high")}
    return row


def _stored(columns: Mapping[str, Any]) -> dict[str, Any]:
    """A table's columns as the store has them; those of vectors past the third are left out."""
    further = [name for name in columns if name.startswith("ipr_") and int(name[4:]) > 2]
    return {name: column for name, column in columns.items() if name not in further}

"""Open any checkpoint: a native one, a stranger's in a known dialect, or weights for the user's own module."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from interp.checkpoints.checkpoint import Checkpoint
from interp.checkpoints.dialect import ForeignFile, Reading, settle
from interp.checkpoints.files import (
    BESIDE,
    FORMAT,
    is_native,
    native_settings,
    unchanged,
)
from interp.checkpoints.native import load_native
from interp.checkpoints.options import NATIVE, OpenOptions, check_native
from interp.checkpoints.own_module import build_from_file, fill
from interp.checkpoints.own_outputs import adopt_for, prompt_of
from interp.checkpoints.select import best_reading, listed_left_out, readings_of
from interp.checkpoints.series import find_checkpoint, left_out_of, series_files
from interp.checkpoints.stored import StoredWeights
from interp.checkpoints.task_options import make_task, read_in, task_read_by
from interp.checkpoints.unwrap import read_series, read_weights
from interp.data import TableTask, Task
from interp.data.class_labels import LabelsError
from interp.data.operations import operation_in_words
from interp.errors import CheckpointError, ConfigError, GrokscopeError
from interp.markup import percentage
from interp.measuring.base_rate import base_rate_of
from interp.measuring.evaluation import all_logits, check_logits
from interp.measuring.numbering import numbered, share_right
from interp.models import HookedModel
from interp.scoring.read_task import NoRule, ReadTask

OWN_MODULE = "own module"


def load_checkpoint(
    path: Path | str,
    options: OpenOptions | None = None,
    *,
    like: Checkpoint | None = None,
    data: bytes | None = None,
    **given: Any,
) -> Checkpoint:
    """Open a checkpoint file, or the last one of a folder.

    A file in a foreign dialect is read in every way that fits it; where several do, each is measured on the task, and
    the notes say which was chosen and why.

    Args:
        path: The file or folder.
        options: What the checkpoint does not say of itself.
        like: A checkpoint that is not needed any more, whose network is given the new weights if it can take them; see
            `interp.checkpoints.native.load_native`.
        data: The content of the file, if it is at hand.
        given: The same as `options`, one by one: ``load_checkpoint("a.pth", activation="relu")``.

    Raises:
        CheckpointError: There is no checkpoint, or it cannot be read; the message says why.
        ConfigError: An option cannot be used.
    """
    options = replace(options or OpenOptions(), **given)
    place = Path(path)
    file = find_checkpoint(place, options.weights)
    with unchanged(file):
        opened = _load(file, options, like, data)
    if opened.dialect == FORMAT or not place.is_dir():
        return opened
    notes = left_out_of(place, series_files(place, options.weights))
    return replace(opened, notes=(*opened.notes, *notes))


def _load(file: Path, options: OpenOptions, like: Checkpoint | None, data: bytes | None) -> Checkpoint:
    """The checkpoint of a file, natively where it or the options say so."""
    if options.model is None:
        settings = native_settings(file) if options.dialect in (None, NATIVE) else None
        if options.dialect == NATIVE or settings is not None:
            check_native(options)
            same = None if options.changes_task or options.ordering is not None else like
            return _with_task(load_native(file, same, data=data, settings=settings), options)
    return from_weights(read_weights(file, weights=options.weights), options)


def load_series(
    path: Path | str, options: OpenOptions | None = None, *, most: int = 40
) -> Iterator[Checkpoint]:
    """Open the checkpoints of a training run, first to last: of a folder, or of a file that holds several.

    The reading of a stranger's files is decided by the last one, and kept for all. Of more than `most` checkpoints so
    many are opened, evenly spaced, the first and the last among them.
    """
    path = Path(path)
    options = OpenOptions() if options is None else options
    if path.is_dir():
        yield from load_files(series_files(path, options.weights), options, most=most)
    elif is_native(path):
        yield load_checkpoint(path, options)
    else:
        yield from _loaded(list(read_series(path, weights=options.weights)), options, most)


def load_files(
    files: Sequence[Path], options: OpenOptions | None = None, *, most: int = 40
) -> Iterator[Checkpoint]:
    """Open checkpoints of one training run, first to last, as `load_series` does those of a folder."""
    options = OpenOptions() if options is None else options
    return _loaded(list(files), options, most)


def _loaded(items: list[Any], options: OpenOptions, most: int) -> Iterator[Checkpoint]:
    """Checkpoints of files, or of weights that were read."""
    if len(items) > most:
        items = [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]
    if not items or (isinstance(items[-1], Path) and is_native(items[-1])):
        yield from (load_checkpoint(file, options) for file in items)
        return

    def read(item: Path | StoredWeights) -> StoredWeights:
        return read_weights(item, weights=options.weights) if isinstance(item, Path) else item

    reading = None
    if options.model is None:
        last = from_weights(read(items[-1]), options)
        reading = last.settings["reading"]
        options = replace(options, **last.settings["measured"])
    yield from (from_weights(read(item), options, reading) for item in items)


def from_weights(stored: StoredWeights, options: OpenOptions, reading: str | None = None) -> Checkpoint:
    """The checkpoint of weights that no native file describes.

    The reading is the one of that description, which the last of a series had; if None, measuring decides.
    """
    if options.model is not None:
        return _own_module(stored, options, options.model)
    readings = [one for one in readings_of(stored, options) if reading in (None, one.description)]
    if not readings:
        raise CheckpointError(
            f"{str(stored.path)!r} cannot be read as the last of its series is ({reading}), so they are no series of "
            "one network; audit a file alone"
        )
    return _measured(stored, readings, options)


def _with_task(opened: Checkpoint, options: OpenOptions) -> Checkpoint:
    """A checkpoint with the task that the user gave in place of its own, if any was given."""
    own = opened.task
    if options.changes_task:
        operation = options.task or getattr(own, "operation", None)
        p = getattr(own, "p", None) if options.p is None else options.p
        read = task_read_by(operation, p, lambda task: all_logits(opened.model, task.dataset), options)
        task = make_task(options, operation, p, read)
        if not isinstance(task, TableTask):
            if options.split_from is None and _same_results(own, task):
                task = read_in(own, options)  # with the split that it knows
            return replace(opened, task=task, notes=(*opened.notes, *(read.notes if read else ())))
        task, numbering = numbered(task, all_logits(opened.model, task.dataset))
        return replace(opened, task=task, notes=(*opened.notes, *numbering.sentences()))
    return replace(opened, task=read_in(own, options))


def _same_results(own: Task, task: Task) -> bool:
    """True for two tasks with the same examples and true labels."""
    one, other = own.dataset, task.dataset
    return torch.equal(one.inputs, other.inputs) and torch.equal(one.true_labels, other.true_labels)


def _offered(
    error: LabelsError, options: OpenOptions, logits_of: Callable[[TableTask], Tensor]
) -> ConfigError:
    """The error of labels that are no classes, with the accuracy that the network would have if they were numbered."""
    try:
        task = TableTask.from_file(str(options.table), renumber=True)
        share = share_right(logits_of(task), task.dataset.labels)
    except Exception:  # the network cannot be measured on it, or the user's own code raises anything
        return error
    return LabelsError(f"{error}. Numbered so, {percentage(share)} of the network's answers would be right")


def _read_by_each(
    readings: list[Reading], options: OpenOptions
) -> tuple[list[Reading], list[ReadTask | None]]:
    """Readings with the task that their answers show, where that is open: those that show a rule.

    Raises:
        NoRule: None does.
    """
    kept: list[Reading] = []
    reads: list[ReadTask | None] = []
    for i, one in enumerate(readings):
        try:
            reads.append(task_read_by(one.operation, one.p, partial(_logits_of, one), options))
        except NoRule:
            if not kept and i == len(readings) - 1:
                raise
        else:
            kept.append(one)
    return kept, reads


def _logits_of(reading: Reading, task: Task) -> Tensor:
    return all_logits(reading.build(), task.dataset)


def _measured(stored: StoredWeights, readings: list[Reading], options: OpenOptions) -> Checkpoint:
    readings, reads = _read_by_each(readings, options)
    task_for = cache(partial(make_task, options))
    try:
        tasks = {one: task_for(one.operation, one.p, read) for one, read in zip(readings, reads, strict=True)}
        best, chosen = best_reading(readings, lambda one: tasks[one])
    except LabelsError as error:
        raise _offered(
            error, options, lambda task: best_reading(readings, lambda _: task)[0].logits
        ) from None
    reading = best.reading
    read = next(read for read, task in zip(reads, tasks.values(), strict=True) if task is best.task)
    notes = [*stored.notes, *reading.notes, *chosen, *(read.notes if read else ())]
    if reading.n_outputs not in (None, reading.p):
        notes.append(f"of {reading.n_outputs} outputs the first {reading.p} are read as classes")
    if best.numbering is not None:
        notes += best.numbering.sentences()
    if stored.left_out:
        notes.insert(len(stored.notes), f"left out, as no weights of the network: {listed_left_out(stored)}")
    if options.table is None and options.split_from is None:
        beside = [name for name in BESIDE if (stored.path.parent / name).exists()]
        notes += [f"{name} lies beside the checkpoint; --split-from {name} uses it" for name in beside]
    opened = _checkpoint(stored, best.model, best.task, reading.dialect, reading.description, notes)
    measured = {} if best.coefficient is None else {"attn_coeff": best.coefficient}
    return replace(opened, settings=opened.settings | {"measured": measured}, options=options)


def _checkpoint(
    stored: StoredWeights, model: HookedModel, task: Task, dialect: str, reading: str, notes: list[str]
) -> Checkpoint:
    settings = {"reading": reading, "beside": stored.beside}
    accuracies = stored_accuracies(stored.extras)
    return Checkpoint(model, task, dialect, stored.step, stored.path, settings, tuple(notes), accuracies)


def stored_accuracies(extras: dict[str, Any]) -> dict[str, float]:
    """Accuracies in [0, 1] that a file records of itself, by split; the last one of a list."""
    names = {
        "train": ("train_accuracy", "train_acc", "train_accs", "train_accuracies"),
        "test": ("test_accuracy", "test_acc", "test_accs", "test_accuracies", "val_accuracy", "val_acc"),
    }
    shares = {}
    for split, keys in names.items():
        for value in (extras[key] for key in keys if key in extras):
            last = value[-1] if isinstance(value, (list, tuple)) and value else value
            if isinstance(last, (int, float)) and not isinstance(last, bool) and 0 <= last <= 100:
                shares[split] = last / 100 if last > 1 else float(last)
    return shares


def _task_stated(
    stored: StoredWeights, options: OpenOptions
) -> tuple[str | None, int | None, tuple[str, ...]]:
    """Operation and modulus of an own module, as the user or its settings state them, and notes where they differ."""
    if options.table is not None:
        return options.task, options.p, ()
    file = ForeignFile(stored, options)
    operation, stored_p = file.operation(), file.stored_modulus()
    modulus = settle("p", options.p, stored_p, ())
    notes = (*operation.notes, *modulus.notes)
    p = next(iter(modulus.values), None)
    if (options.task is None and operation.known) or (options.p is None and p is not None):
        notes = (
            *notes,
            f"the task is {operation_in_words(operation.values[0], p)}, as the settings of the file state",
        )
    return operation.values[0] if operation.known else None, p, notes


def _own_module(stored: StoredWeights, options: OpenOptions, factory: str) -> Checkpoint:
    """The user's own module, filled with the weights and given hook points."""
    module = build_from_file(factory)
    filled = fill(module, stored)
    operation, p, facts = _task_stated(stored, options)
    read = task_read_by(operation, p, lambda task: adopt_for(module.eval(), task, options).logits, options)
    try:
        task = make_task(options, operation, p, read)
    except LabelsError as error:
        raise _offered(error, options, lambda task: adopt_for(module.eval(), task, options).logits) from None
    check_logits(task.dataset)
    prompt, few = prompt_of(options, task), task.dataset.inputs[:1]
    try:  # on all examples: what the module cannot take shows here
        adopted = adopt_for(module.eval(), task, options)
    except GrokscopeError:
        raise
    except Exception as error:  # the user's own code may raise anything
        raise ConfigError(
            f"{factory} fails on the task's examples with {type(error).__name__}: {error}; does it take inputs such "
            f"as {(few if prompt is None else prompt(few)).tolist()}? --tokens changes them"
        ) from error
    seen = read.notes if read else ()
    data, notes = adopted.task.dataset, [*stored.notes, *filled, *facts, *seen, *adopted.notes]
    rate = base_rate_of(adopted.logits, data, leaked=data.test)
    if not rate.above and not adopted.renumbered:
        notes.append(
            f"{100 * rate.accuracy:.1f} % right: chance, as {100 * rate.base_rate:.1f} % have the commonest label, so "
            "either the network has not learnt this task, or --tokens, --readout or the task are not as they were in "
            "training"
        )
    reading = f"{type(module).__name__} of {factory}"
    return _checkpoint(stored, adopted.model, adopted.task, OWN_MODULE, reading, notes)

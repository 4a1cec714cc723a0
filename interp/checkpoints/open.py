"""Open any checkpoint: a native one, a stranger's in a known dialect, or weights for the user's own module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from interp.checkpoints import Checkpoint, checkpoint_files, is_native, load_native
from interp.checkpoints.dialects import Hints, Reading, readings_of
from interp.checkpoints.files import BESIDE, WEIGHTS, native_settings, number_of
from interp.checkpoints.options import OpenOptions
from interp.checkpoints.own_module import build_from_file, fill
from interp.checkpoints.pairs import read_pairs
from interp.checkpoints.select import above_chance, best_reading
from interp.checkpoints.unwrap import StoredWeights, read_series, read_weights
from interp.data import ModularTask, TableTask, Task
from interp.errors import CheckpointError, ConfigError, GrokscopeError, near_matches
from interp.measuring.evaluation import accuracy
from interp.models import Prompt, adopt

NATIVE, OWN_MODULE = "native", "own module"


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
    file = find_checkpoint(Path(path))
    if options.model is not None:
        return _own_module(read_weights(file), options, options.model)
    settings = native_settings(file) if options.dialect in (None, NATIVE) else None
    if options.dialect == NATIVE or settings is not None:
        _check_native(options)
        same = None if _changes_task(options) or options.ordering is not None else like
        return _with_task(load_native(file, same, data=data, settings=settings), options)
    stored = read_weights(file)
    found = _measured(stored, readings_of(stored, _hints(options)), options)
    return replace(found, notes=(*found.notes, *_left_out(Path(path))))


def _left_out(folder: Path) -> Iterator[str]:
    """The weights in a folder that are no part of its series, in a sentence."""
    if not folder.is_dir():
        return
    used = {*series_files(folder), *(folder / name for name in BESIDE)}
    others = sorted(file.name for file in folder.iterdir() if file.suffix in WEIGHTS and file not in used)
    if others and len(used) > len(BESIDE):
        yield f"not used, as their names end in no number: {', '.join(others)}"


def load_series(
    path: Path | str, options: OpenOptions | None = None, *, most: int = 40
) -> Iterator[Checkpoint]:
    """The checkpoints of a training run, first to last: of a folder, or of a file that holds several.

    How a stranger's files are to be read is decided by the last one, and kept for all.

    Args:
        path: The folder or file.
        options: What the checkpoints do not say of themselves.
        most: At most so many, evenly spaced, the first and the last among them.

    Raises:
        CheckpointError: One cannot be read.
    """
    options, path = options or OpenOptions(), Path(path)
    read: Callable[[Any], StoredWeights]
    if path.is_dir():
        files = _thinned(series_files(path), most)
        if not files or is_native(files[-1]) or options.model is not None:
            yield from (load_checkpoint(file, options) for file in files)
            return
        read, items = read_weights, files
    elif is_native(path):
        yield load_checkpoint(path, options)
        return
    else:
        read, items = lambda stored: stored, _thinned(list(read_series(path)), most)
    if options.model is not None:
        yield from (_own_module(read(item), options, options.model) for item in items)
        return
    last = read(items[-1])
    chosen = _measured(last, readings_of(last, _hints(options)), options).settings["reading"]
    for item in items:
        weights = read(item)
        fitting = readings_of(weights, _hints(options))
        same = [reading for reading in fitting if reading.description == chosen]
        if not same:
            raise CheckpointError(
                f"{str(weights.path)!r} cannot be read as the last of {str(path)!r} is ({chosen}), so they are no "
                "series of one network; audit a file alone"
            )
        yield _measured(weights, same, options)


def _thinned(items: list[Any], most: int) -> list[Any]:
    """At most so many of the items, evenly spaced, the first and the last among them."""
    if len(items) <= most:
        return items
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def series_files(folder: Path) -> list[Path]:
    """The checkpoints of a folder in order of their step: native ones, else weights whose names end in a number."""
    native = checkpoint_files(folder)
    if native:
        return native
    numbered = [(number_of(file), file) for file in folder.iterdir() if file.suffix in WEIGHTS]
    found = [file for number, file in sorted((n, f) for n, f in numbered if n is not None)]
    return found if len(found) > 1 or len(numbered) == 1 else []


def find_checkpoint(path: Path) -> Path:
    """The weights' file that a path means: itself, the weights beside a JSON, or the last of a folder.

    Raises:
        CheckpointError: There is none.
    """
    try:
        exists = path.exists()
    except OSError as error:
        raise CheckpointError(f"cannot open {str(path)[:80]!r}…: {error.strerror}") from None
    if path.is_dir():
        series, files = series_files(path), [file for file in path.iterdir() if file.suffix in WEIGHTS]
        if not series and len(files) != 1:
            numbered = "only one" if any(number_of(file) is not None for file in files) else "none"
            what = (
                f"several weights, {numbered} numbered" if files else f"no checkpoints ({', '.join(WEIGHTS)})"
            )
            raise CheckpointError(f"the folder {str(path)!r} holds {what}; name a file")
        return (series or files)[-1]
    if not exists:
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise CheckpointError(f"there is no file {str(path)!r}; {near_matches(path.name, siblings)}")
    if path.suffix == ".json":
        beside = [path.with_suffix(suffix) for suffix in WEIGHTS if path.with_suffix(suffix).exists()]
        if beside:
            return beside[0]
    return path


def _check_native(options: OpenOptions) -> None:
    """Refuse hints that a native checkpoint would not follow, as it says itself what they are for."""
    for name in ("activation", "attn_coeff"):
        if getattr(options, name) is not None:
            raise ConfigError(
                f"a native checkpoint says its own {name}; leave out {getattr(options, name)!r}"
            )


def _hints(options: OpenOptions) -> Hints:
    """What the dialects need to know."""
    return Hints(
        activation=options.activation,
        attn_coeff=options.attn_coeff,
        operation=options.task,
        p=options.p,
        dialect=options.dialect,
    )


def _changes_task(options: OpenOptions) -> bool:
    return any(value is not None for value in (options.table, options.split_from, options.task, options.p))


def _with_task(opened: Checkpoint, options: OpenOptions) -> Checkpoint:
    """A checkpoint with the task that the user gave in place of its own, if any was given."""
    own = opened.task
    if _changes_task(options):
        operation = options.task or getattr(own, "operation", None)
        task = make_task(options, operation, options.p or getattr(own, "p", None))
        return replace(opened, task=task)
    return replace(opened, task=_read_in(own, options))


def make_task(options: OpenOptions, operation: str | None, p: int | None) -> Task:
    """The examples that the user's options mean, on the operation and modulus found.

    Raises:
        ConfigError: They cannot be used, or there is neither a table nor a modulus.
    """
    if options.table is not None:
        if options.split_from is not None:
            raise ConfigError("--table says what was trained on already; leave out --split-from")
        found = TableTask.from_file(options.table, task=options.task, p=p)
        if p is not None and found.dataset.n_classes < p:  # labels that do not occur are classes too
            found = replace(found, dataset=replace(found.dataset, n_classes=p))
        return _read_in(found, options)
    if p is None:
        raise ConfigError(
            "nothing says which task the network was trained on; give --task and --p, or --table"
        )
    task = ModularTask(operation or "add", p, train_fraction=1.0, split="unknown")
    task = (
        task if options.split_from is None else task.with_training_pairs(read_pairs(Path(options.split_from)))
    )
    return _read_in(task, options)


def _read_in(task: Task, options: OpenOptions) -> Task:
    """The task with the ordering that the user gave in place of its own, if any was given."""
    if options.ordering is None or not isinstance(task, (ModularTask, TableTask)):
        return task
    if options.ordering != "task" and task.operation is None:
        raise ConfigError(
            f"--ordering {options.ordering} reads operands modulo p; give --task and --p too, or a column 'ordering'"
        )
    found = replace(task, read_in=options.ordering)
    _ = found.ordering  # one that there is not is an error here, not later
    return found


def _measured(stored: StoredWeights, readings: list[Reading], options: OpenOptions) -> Checkpoint:
    """The reading that measuring decides for, with what was chosen and assumed in its notes."""
    best, chosen = best_reading(readings, lambda reading: make_task(options, reading.operation, reading.p))
    reading = best.reading
    notes = [*stored.notes, *reading.notes, *chosen]
    if options.table is None and options.split_from is None:
        beside = [name for name in BESIDE if (stored.path.parent / name).exists()]
        notes += [f"{name} lies beside the checkpoint; --split-from {name} uses it" for name in beside]
    return Checkpoint(
        best.model, best.task, reading.dialect, stored.step, stored.path, _settings(stored, reading), tuple(notes),
        stored_accuracies(stored.extras),
    )  # fmt: skip


def _settings(stored: StoredWeights, reading: Reading) -> dict[str, Any]:
    return {"reading": reading.description, "beside": stored.beside}


def stored_accuracies(extras: dict[str, Any]) -> dict[str, float]:
    """Accuracies in [0, 1] that a file records of itself, by split; the last one of a list."""
    names = {
        "train": ("train_accuracy", "train_acc", "train_accs", "train_accuracies"),
        "test": ("test_accuracy", "test_acc", "test_accs", "test_accuracies", "val_accuracy", "val_acc"),
    }
    found = {}
    for split, keys in names.items():
        for value in (extras[key] for key in keys if key in extras):
            last = value[-1] if isinstance(value, (list, tuple)) and value else value
            if isinstance(last, (int, float)) and not isinstance(last, bool) and 0 <= last <= 100:
                found[split] = last / 100 if last > 1 else float(last)
    return found


def _own_module(stored: StoredWeights, options: OpenOptions, factory: str) -> Checkpoint:
    """The user's own module, filled with the weights and given hook points."""
    if not options.sites:
        raise ConfigError(f"name the neurons of {factory} with --site, such as --site mlp.2:input")
    module = build_from_file(factory)
    fill(module, stored.tensors, stored.path)
    task = make_task(options, options.task, options.p)
    data, prompt = task.dataset, None
    if options.tokens is not None:
        prompt = Prompt.parse(options.tokens, p=options.p or int(data.inputs.max()) + 1)
    try:
        model = adopt(
            module.eval(),
            options.sites,
            example=data.inputs[:2],
            prompt=prompt,
            readout=options.readout,
            n_outputs=data.n_classes,
        )
        share = accuracy(model, task).all or 0.0  # of all examples: what the module cannot take shows here
    except GrokscopeError:
        raise
    except Exception as error:  # the user's own code may raise anything
        raise ConfigError(
            f"{factory} fails on the task's examples with {type(error).__name__}: {error}; does it take inputs such "
            f"as {(data.inputs[:1] if prompt is None else prompt(data.inputs[:1])).tolist()}? --tokens changes them"
        ) from error
    notes = list(stored.notes)
    if not above_chance(share, data.n_classes):
        notes.append(
            f"{100 * share:.1f} % right: chance, so either the network has not learnt this task, or --tokens, "
            "--readout or the task are not as they were in training"
        )
    settings = {"reading": f"{type(module).__name__} of {factory}", "beside": stored.beside}
    return Checkpoint(
        model, task, OWN_MODULE, stored.step, stored.path, settings, tuple(notes),
        stored_accuracies(stored.extras),
    )  # fmt: skip

"""Tasks that the user's options mean, or that the network's own answers show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from interp.checkpoints.options import OpenOptions
from interp.data import ModularTask, TableTask, Task
from interp.data.operations import READ, own_modulus, table_file
from interp.errors import ConfigError
from interp.measuring.evaluation import check_logits
from interp.scoring.read_task import ReadTask, answers_of, leaves_open, pairs_of, read_task


def make_task(
    options: OpenOptions, operation: str | None, p: int | None, read: ReadTask | None = None
) -> Task:
    """The examples that the user's options mean, on a known operation and modulus, or a task that was read.

    Raises:
        ConfigError: They cannot be used, or there is neither a table nor a modulus.
    """
    if options.table is not None:
        table = TableTask.from_file(options.table, task=options.task, p=p)
        if p is not None and table.dataset.n_classes < p:  # labels that do not occur are classes too
            table = replace(table, dataset=replace(table.dataset, n_classes=p))
        return read_in(table, options)
    p = own_modulus(operation) if p is None else p
    if p is None and (operation is None or table_file(operation) is None):
        raise ConfigError(
            "nothing says which task the network was trained on; give --task and --p, or --table"
        )
    from interp.checkpoints.pairs import read_pairs  # both load Arrow, which native files do without
    from interp.checkpoints.result_tables import task_of

    task = task_of(operation or "add", p, train_fraction=1.0, split="unknown") if read is None else read.task
    if options.split_from is not None:
        task = task.with_training_pairs(read_pairs(Path(options.split_from)))
    return read_in(task, options)


def task_read_by(
    operation: str | None, p: int | None, logits_of: Callable[[ModularTask], Tensor], options: OpenOptions
) -> ReadTask | None:
    """The task that the network's answers to all pairs show, where the operation leaves that open.

    Args:
        logits_of: Of a task's examples.

    Raises:
        ConfigError: Nothing says of how many elements.
    """
    if options.table is not None or not leaves_open(operation):
        return None
    p = own_modulus(operation) if p is None else p
    if p is None:
        raise ConfigError(f"--task {operation} needs the number of elements: give --p")
    task = pairs_of(p)
    check_logits(task.dataset)
    return read_task(answers_of(logits_of(task), p), operation or READ)


def read_in(task: Task, options: OpenOptions) -> Task:
    """The task with the ordering that the user gave in place of its own, if any was given."""
    if options.ordering is None or not isinstance(task, (ModularTask, TableTask)):
        return task
    if options.ordering != "task" and task.operation is None:
        raise ConfigError(
            f"--ordering {options.ordering} reads operands modulo p; give --task and --p too, or a column 'ordering'"
        )
    task = replace(task, read_in=options.ordering)
    _ = task.ordering  # one that there is not is an error here, not later
    return task

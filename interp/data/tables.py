"""A user's own examples: a Parquet or CSV table with labels, and what is known of the split."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from interp.data.datasets import Dataset
from interp.data.operations import Ordering, group_ordering, operation_table
from interp.errors import ConfigError

LABEL, TRUE_LABEL, SPLIT, CORRUPTED, ORDERING = "label", "true_label", "split", "corrupted", "ordering"
RESERVED = (LABEL, TRUE_LABEL, SPLIT, CORRUPTED, ORDERING)
MAX_CLASSES = 1_000_000


@dataclass(frozen=True, eq=False)
class TableTask:
    """Examples from a table instead of a built-in task.

    Attributes:
        dataset: The examples.
        operation: The built-in task in whose order periodicity is scored, if there is one.
        p: Its modulus.
        positions: For each example its place along the order in which a solution would be periodic; None if the table
            does not say.
        source: Where the table came from, for `to_dict`.

    Example:
        >>> pairs = torch.cartesian_prod(torch.arange(5), torch.arange(5))
        >>> task = TableTask.from_arrays(pairs, pairs.sum(1) % 5, task="add")
        >>> task.p, task.ordering.name, task.dataset.split_known
        (5, 'natural', False)
    """

    dataset: Dataset
    operation: str | None = None
    p: int | None = None
    positions: Int[np.ndarray, " example"] | None = None
    source: dict[str, Any] | None = None

    @cached_property
    def ordering(self) -> Ordering | None:
        """The built-in task's; None without one."""
        if self.operation is None or self.p is None:
            return None
        return group_ordering(self.operation, self.p)

    def to_dict(self) -> dict[str, Any]:
        """Where the examples came from and how many there are, ready for JSON."""
        data = self.dataset
        return {
            "kind": "table",
            "operation": self.operation,
            "p": self.p,
            "examples": len(data),
            "trained": int(data.train.sum()) if data.split_known else None,
            **(self.source or {}),
        }

    @classmethod
    def from_file(cls, path: Path | str, *, task: str | None = None, p: int | None = None) -> TableTask:
        """Read a ``.parquet`` or ``.csv`` table.

        Columns: ``label`` (whole numbers from 0), and, where known, ``true_label``, ``split`` (``train`` or ``test``),
        ``corrupted`` (true or false) and ``ordering`` (whole numbers from 0: the example's place along the order in
        which a solution would be periodic). All other columns are the inputs, in order.

        Args:
            path: The table.
            task: A built-in operation on two input columns, to score periodicity in its order; it gives the true labels
                where the table does not.
            p: Its modulus; one more than the largest operand if None.

        Raises:
            ConfigError: The table cannot be read, or a column cannot be used; the message names it.
        """
        path = Path(path)
        columns = _read(path)
        inputs = [name for name in columns if name not in RESERVED]
        if LABEL not in columns or not inputs:
            missing = "column 'label'" if LABEL not in columns else "input column"
            raise ConfigError(
                f"the table {str(path)!r} has no {missing}; it has {', '.join(columns)}. Expected 'label', the inputs, "
                "and where known 'true_label', 'split', 'corrupted', 'ordering'"
            )
        whole = {
            name: _whole(columns[name], name, path)
            for name in (LABEL, TRUE_LABEL, ORDERING)
            if name in columns
        }
        train = _train(columns[SPLIT], path) if SPLIT in columns else None
        corrupted = _flags(columns[CORRUPTED], path) if CORRUPTED in columns else None
        matrix = np.stack([_number(columns[name], name, path) for name in inputs], axis=1)
        as_tokens = (matrix == np.floor(matrix)).all()
        found = cls.from_arrays(
            torch.from_numpy(matrix.astype(np.int64 if as_tokens else np.float32)),
            torch.from_numpy(whole[LABEL]),
            true_labels=torch.from_numpy(whole[TRUE_LABEL]) if TRUE_LABEL in whole else None,
            train=None if train is None else torch.from_numpy(train),
            corrupted=None if corrupted is None else torch.from_numpy(corrupted),
            positions=whole.get(ORDERING),
            task=task,
            p=p,
        )
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return replace(found, source={"path": str(path), "sha256": digest, "columns": list(columns)})

    @classmethod
    def from_arrays(
        cls,
        inputs: Tensor,
        labels: Int[Tensor, " example"],
        *,
        true_labels: Int[Tensor, " example"] | None = None,
        train: Tensor | None = None,
        corrupted: Tensor | None = None,
        n_classes: int | None = None,
        positions: Int[np.ndarray, " example"] | None = None,
        task: str | None = None,
        p: int | None = None,
    ) -> TableTask:
        """The same from tensors; `train` is None if nobody knows which examples were trained on.

        Raises:
            ConfigError: A value cannot be used.
        """
        if task is not None:
            p, by_rule = _by_rule(inputs, task, p)
            true_labels = by_rule if true_labels is None else true_labels
        true = labels if true_labels is None else true_labels
        largest = int(torch.maximum(labels, true).max()) if len(labels) else -1
        if not len(labels) or int(torch.minimum(labels, true).min()) < 0 or largest >= MAX_CLASSES:
            raise ConfigError(
                f"the {len(labels)} labels are no classes; expected at least one, each from 0 to {MAX_CLASSES - 1}"
            )
        least = max(largest + 1, p if task is not None and p is not None else 0)
        if n_classes is not None and n_classes < least:
            raise ConfigError(f"n_classes={n_classes} is too few; the labels need {least}")
        known = train is not None
        trained = torch.zeros(len(labels), dtype=torch.bool) if train is None else train.bool()
        if corrupted is None:
            corrupted = trained & (labels != true)
        outside = (corrupted.bool() & ~trained).nonzero()
        if len(outside):
            raise ConfigError(
                f"example {int(outside[0])} is corrupted but not trained on; only training labels can be corrupted"
            )
        data = Dataset(inputs, labels, true, trained, corrupted.bool(), n_classes or least, known)
        return cls(data, task, p if task is not None else None, positions)


def _by_rule(inputs: Tensor, task: str, p: int | None) -> tuple[int, Tensor]:
    """The modulus, and the operation's result for every example."""
    if inputs.is_floating_point() or inputs.shape[1:] != (2,) or (len(inputs) and int(inputs.min()) < 0):
        raise ConfigError(
            f"the task {task!r} needs exactly two input columns of whole numbers from 0; the table's inputs have shape "
            f"{tuple(inputs.shape)} and type {str(inputs.dtype).removeprefix('torch.')}"
        )
    p = int(inputs.max()) + 1 if p is None else p
    operands, results = operation_table(task, p)
    table = np.full((p, p), -1)
    table[operands[:, 0], operands[:, 1]] = results
    if int(inputs.max()) >= p or (table[tuple(inputs.numpy().T)] < 0).any():
        raise ConfigError(f"the table has operands that {task} modulo {p} does not allow; is p={p} right?")
    return p, torch.from_numpy(table[tuple(inputs.numpy().T)])


def _read(path: Path) -> dict[str, Any]:
    """The columns of a table by name."""
    import pyarrow
    from pyarrow import csv, parquet

    readers = {".csv": csv.read_csv, ".parquet": parquet.read_table}
    if path.suffix not in readers:
        raise ConfigError(f"the table {str(path)!r} should end in .csv or .parquet")
    try:
        table = readers[path.suffix](path)
    except (OSError, pyarrow.ArrowException) as error:
        raise ConfigError(f"cannot read the table {str(path)!r}: {str(error).splitlines()[0]}") from None
    names = table.column_names
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise ConfigError(f"the table {str(path)!r} has two columns named {repeated[0]!r}")
    if not table.num_rows:
        raise ConfigError(f"the table {str(path)!r} has no rows")
    return {name: table.column(name).combine_chunks() for name in names}


def _number(column: Any, name: str, path: Path) -> np.ndarray:
    """A column as float64, or an error that names the first row that is no number."""
    import pyarrow

    if pyarrow.types.is_boolean(column.type):
        column = column.cast(pyarrow.int8())
    if not (pyarrow.types.is_integer(column.type) or pyarrow.types.is_floating(column.type)):
        raise ConfigError(
            f"the column {name!r} of {str(path)!r} holds {column.type}, such as {column[0].as_py()!r}; expected numbers"
        )
    values = np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise ConfigError(f"row {bad[0] + 1} of the column {name!r} of {str(path)!r} is empty or not finite")
    return values


def _whole(column: Any, name: str, path: Path) -> np.ndarray:
    values = _number(column, name, path)
    bad = np.flatnonzero((values != np.floor(values)) | (values < 0) | (values >= 2**53))
    if len(bad):
        raise ConfigError(
            f"row {bad[0] + 1} of the column {name!r} of {str(path)!r} is {values[bad[0]]:g}; expected whole numbers "
            "from 0"
        )
    return values.astype(np.int64)


def _train(column: Any, path: Path) -> np.ndarray:
    values = column.to_pylist()
    for row, value in enumerate(values):
        if value not in ("train", "test"):
            raise ConfigError(
                f"row {row + 1} of the column 'split' of {str(path)!r} is {value!r}; expected train or test"
            )
    return np.array([value == "train" for value in values])


def _flags(column: Any, path: Path) -> np.ndarray:
    values = _number(column, CORRUPTED, path)
    bad = np.flatnonzero((values != 0) & (values != 1))
    if len(bad):
        raise ConfigError(
            f"row {bad[0] + 1} of the column 'corrupted' of {str(path)!r} is {values[bad[0]]:g}; expected true or false"
        )
    return values.astype(bool)

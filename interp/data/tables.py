"""A user's own examples, from a Parquet or CSV table or from arrays, and what is known of their split."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from interp.data.class_labels import LabelsError, advice_on_range, advice_on_texts, other_numbering
from interp.data.dataset import Dataset
from interp.data.operations import Ordering, group_ordering, operation_table
from interp.data.split_encoding import rows_of_pairs
from interp.data.table_columns import CLASSES, COLUMNS, NamedValues, read_columns
from interp.errors import ConfigError

Array = np.ndarray | Tensor
MAX_CLASSES = 1_000_000  # labels and positions are below this; larger numbers must be something else

RIGHT_TASK = "or name the task that they follow, such as 'a + b + 1', or none"
STATED = "or say which rows are corrupted (the column 'corrupted'), if that is why they differ"


@dataclass(frozen=True, eq=False, repr=False)
class TableTask:
    """Examples from a table instead of a built-in task.

    Attributes:
        dataset: The examples.
        operation, p: The built-in task in whose order periodicity is scored, if there is one, and its modulus.
        positions: For each example its place, from 0, along the order in which a solution would be periodic; None if
            the table does not say.
        source: Where the table came from, for `to_dict`; None for arrays.
        read_in: As of `interp.data.ModularTask`; it means nothing without an operation.

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
    read_in: str = "task"

    def __repr__(self) -> str:
        data, place = self.dataset, "arrays" if self.source is None else repr(self.source["path"])
        rule = "" if self.operation is None else f", {self.operation} modulo {self.p}"
        split = f"{int(data.train.sum())} trained on" if data.split_known else "split unknown"
        return f"TableTask({place}: {len(data)} examples of {data.n_classes} classes{rule}, {split})"

    @cached_property
    def ordering(self) -> Ordering | None:
        """The built-in task's, or the one that `read_in` names; None without a task."""
        if self.operation is None or self.p is None:
            return None
        return group_ordering(self.operation, self.p, self.read_in)

    def to_dict(self) -> dict[str, Any]:
        """The examples' source (of a file: ``path``, ``sha256``, ``columns``) and number, ready for JSON."""
        data = self.dataset
        return {
            "kind": "table",
            "operation": self.operation,
            "p": self.p,
            "examples": len(data),
            "classes": data.n_classes,
            "trained": int(data.train.sum()) if data.split_known else None,
            "corrupted": int(data.corrupted.sum()) if data.split_known else None,
            **(self.source or {}),
        }

    @classmethod
    def from_file(
        cls, path: Path | str, *, task: str | None = None, p: int | None = None, renumber: bool = False
    ) -> TableTask:
        """Read a ``.parquet`` or ``.csv`` table.

        Columns: ``label`` (whole numbers from 0), and, where known, ``true_label``, ``split`` (``train`` or ``test``),
        ``corrupted`` (true or false) and ``ordering`` (whole numbers from 0: the example's place along the order in
        which a solution would be periodic). All other columns are the inputs, in order: tokens (int64) if the type of
        each is whole numbers or booleans, else measurements (float32).

        Args:
            path: The table.
            task: A built-in operation on two input columns, to score periodicity in its order; it gives the true labels
                where the table does not.
            p: Its modulus; one more than the largest operand if None. Without a task it says nothing of a table.
            renumber: Whether labels that are texts or do not begin with 0 are numbered anew.

        Raises:
            ConfigError: The table cannot be read, or a column cannot be used; the message names the column and the row,
                counted from 1 without the header.

        Example:
            >>> from tempfile import mkdtemp
            >>> path = Path(mkdtemp()) / "xor.csv"
            >>> _ = path.write_text("a,b,label,split\\n0,0,0,train\\n0,1,1,train\\n1,0,1,test\\n1,1,1,train\\n")
            >>> data = TableTask.from_file(path, task="add").dataset
            >>> data.true_labels.tolist(), data.corrupted.tolist()
            ([0, 1, 1, 0], [False, False, False, True])
        """
        path = Path(path)
        columns, digest = read_columns(path, renumber=renumber)
        given = {COLUMNS[name]: column for name, column in columns.items() if name in COLUMNS}
        inputs = {name: _features(column) for name, column in columns.items() if name not in COLUMNS}
        matrix = np.stack([*inputs.values()], axis=1)  # of floats as soon as one column is
        result = _assemble(NamedValues(matrix, ", ".join([*inputs][:4]), path), given, None, task, p)
        return replace(result, source={"path": str(path), "sha256": digest, "columns": [*columns]})

    @classmethod
    def from_arrays(
        cls,
        inputs: Array,
        labels: Array,
        *,
        true_labels: Array | None = None,
        train: Array | None = None,
        corrupted: Array | None = None,
        n_classes: int | None = None,
        positions: Array | None = None,
        task: str | None = None,
        p: int | None = None,
    ) -> TableTask:
        """The same from arrays or tensors, which are copied.

        Args:
            inputs: ``(example, …)``; whole numbers and booleans become int64, others float32.
            labels: Classes from 0, ``(example,)``, as trained on.
            true_labels: Classes by the rule; the task's results, or else `labels`, if None.
            train: Which examples are trained on; None if nobody knows.
            corrupted: Which training examples had their label redrawn; those with a wrong label if None.
            n_classes: How many classes there are; the task's, or else one more than the largest label, if None.
            positions: Each example's place, from 0, along the order in which a solution would be periodic.
            task, p: See `from_file`.

        Raises:
            ConfigError: A value cannot be used.
        """
        arrays = zip(COLUMNS.values(), (labels, true_labels, train, corrupted, positions), strict=True)
        given = {name: NamedValues(_numpy(one), name) for name, one in arrays if one is not None}
        return _assemble(NamedValues(_numpy(inputs), "inputs"), given, n_classes, task, p)


def _numpy(array: Array) -> np.ndarray:
    if not isinstance(array, Tensor):
        return np.asarray(array)
    array = array.detach().cpu()
    return (array.double() if array.is_floating_point() else array).numpy()


def _assemble(
    inputs: NamedValues, given: dict[str, NamedValues], n_classes: int | None, task: str | None, p: int | None
) -> TableTask:
    features, rule, modulus, hint = _features(inputs), None, None, ""
    for one in given.values():
        if one.values.shape != features.shape[:1]:
            raise ConfigError(
                f"{one} has shape {one.values.shape}; expected {features.shape[:1]} as of {inputs}"
            )
    if task is not None:
        features, rule, modulus, hint = _by_rule(replace(inputs, values=features), task, p)
    if n_classes is not None and n_classes < (modulus or 1):
        raise ConfigError(f"n_classes={n_classes} is too few; expected at least {modulus or 1}")
    limit = n_classes or modulus
    columns = {name: _classes(given[name], limit, hint, rule) for name in CLASSES if name in given}
    labels, stated = columns["labels"], given.get("corrupted")
    own = slice(None) if stated is None else _whole(stated, 2) == 0
    _check_numbering(
        columns, given, None if rule is None else f"the results of {task} modulo {modulus}", rule, own
    )
    rule = columns.get("true_labels", rule)
    true = labels.copy() if rule is None else rule
    train = _whole(given["train"], 2).astype(bool) if "train" in given else np.zeros(len(labels), bool)
    corrupted = train & (labels != true)
    if "corrupted" in given:
        corrupted = _whole(given["corrupted"], 2).astype(bool)
        outside = np.flatnonzero(corrupted & ~train)
        if len(outside):
            raise ConfigError(
                f"{given['corrupted'].at(int(outside[0]))} is corrupted but not known to be trained on; only training "
                "labels can be corrupted. Say which examples are trained on, or nothing of corrupted ones"
            )
        if corrupted.any() and rule is None:
            first = given["corrupted"].at(int(np.argmax(corrupted)))
            raise ConfigError(
                f"{int(corrupted.sum())} labels are corrupted, {first} the first, but nothing says what they should "
                "be; give the true labels, or say nothing of corrupted ones"
            )
    n_classes = limit or int(max(labels.max(), true.max())) + 1
    x, y, by_rule, trained, redrawn = map(torch.from_numpy, (features, labels, true, train, corrupted))
    data = Dataset(x, y, by_rule, trained, redrawn, n_classes, "train" in given)
    positions = _whole(given["positions"], None) if "positions" in given else None
    return TableTask(data, task, modulus, positions)


def _check_numbering(
    columns: dict[str, np.ndarray],
    given: dict[str, NamedValues],
    called: str | None,
    rule: np.ndarray | None,
    own: np.ndarray | slice,
) -> None:
    """Refuse columns of classes that are numbered differently, or not as the task's results are.

    Args:
        called: The task's results in words.
        own: The rows that nothing says to be corrupted.
    """
    references = [] if called is None or rule is None else [(called, rule, RIGHT_TASK)]
    if "true_labels" in columns:
        references.append((str(given["true_labels"]), columns["true_labels"], STATED))
    for name, classes in columns.items():
        for reference, results, fix in references:
            if classes is not results and (words := other_numbering(classes[own], results[own])):
                ranges = (f"from {one.min()} to {one.max()}" for one in (classes, results))
                raise ConfigError(
                    f"the classes of {given[name]} run {next(ranges)}, those of {reference} {next(ranges)}, and they "
                    f"are numbered differently: {words}. Give both the numbers of the network's outputs, from 0; {fix}"
                )


def _features(inputs: NamedValues) -> np.ndarray:
    """A copy as int64 or float32."""
    values = inputs.values
    if not values.ndim or not values.size:
        raise ConfigError(f"{inputs} has shape {values.shape}; expected at least one example with its inputs")
    if values.dtype.kind not in "biuf":
        raise ConfigError(f"{inputs} has type {values.dtype}; expected numbers")
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):
            features = values.astype(np.float32)
        usable, expected = np.isfinite(features), "finite numbers, in the range of float32"
    else:
        features = values.astype(np.int64)
        usable, expected = np.asarray(features >= 0) | (values < 0), "whole numbers below 2**63"
    if not usable.all():
        where = np.argwhere(~usable)[0].tolist()
        raise ConfigError(f"{inputs.at(where[0])} holds {values[tuple(where)]}; expected {expected}")
    return features


def _by_rule(inputs: NamedValues, task: str, p: int | None) -> tuple[np.ndarray, np.ndarray, int, str]:
    """The operands, the operation's result for every example, the modulus, and how to correct a guessed one."""
    if inputs.values.ndim != 2 or inputs.values.shape[1] != 2:
        raise ConfigError(
            f"the task {task!r} needs exactly two input columns, its operands; {inputs} has shape "
            f"{inputs.values.shape}. Leave out the task, or the other columns"
        )
    operands, hint = _whole(inputs, None), ""
    if p is None:
        p = int(operands.max()) + 1
        hint = f". p={p} is one more than the largest operand; give p if it is another"
    try:
        pairs, results = operation_table(task, p)
    except ConfigError as error:
        raise ConfigError(f"{error}{hint}") from None
    rows = rows_of_pairs(pairs, operands)
    if (rows < 0).any():
        row = int(np.argmax(rows < 0))
        raise ConfigError(
            f"{inputs.at(row)} is {tuple(operands[row].tolist())}; expected operands of {task} modulo {p}{hint}"
        )
    return operands, results[rows], p, hint


def _classes(
    numbers: NamedValues, limit: int | None, hint: str, rule: np.ndarray | None
) -> Int[np.ndarray, " example"]:
    """`_whole` for labels; an error says which labels there are, and what would make them classes."""
    values, limit = numbers.values, limit or MAX_CLASSES
    if values.dtype.kind in "OSU":
        hint += advice_on_texts(values.ravel().tolist())
    elif values.dtype.kind in "iu" and values.size and not 0 <= values.min() <= values.max() < limit:
        hint += advice_on_range(values, limit, rule)
    try:
        return _whole(numbers, limit, hint)
    except ConfigError as error:
        raise LabelsError(str(error)) from None


def _whole(numbers: NamedValues, limit: int | None, hint: str = "") -> np.ndarray:
    """A copy as int64, checked to be from 0 to below the limit."""
    values, limit = numbers.values, limit or MAX_CLASSES
    expected = f"expected whole numbers from 0 to {limit - 1}{hint}"
    if values.dtype.kind not in "biuf":
        raise ConfigError(f"{numbers} has type {values.dtype}; {expected}")
    usable = (values >= 0) & (values < limit)
    if values.dtype.kind == "f":
        usable &= np.floor(values) == values
    if not usable.all():
        where = np.argwhere(~usable)[0].tolist()
        raise ConfigError(f"{numbers.at(where[0])} is {values[tuple(where)]}; {expected}")
    return values.astype(np.int64)

"""Candidates for descriptions of neurons: predicates of a task's examples, and of a user's own columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped
from torch import Tensor

from interp.data import Dataset, ModularTask, Task
from interp.data.operations import own_modulus
from interp.data.table_columns import COLUMNS, read_table
from interp.errors import ConfigError, cut
from interp.memory import check_need
from probes.descriptions import Predicates

MODULI = (2, 3, 4, 5, 6)
OPERANDS = 4
"""Whole-number inputs of so many columns or fewer are taken for operands, whose residues are candidates."""
FEW_VALUES, MOST_VALUES = 12, 4096
"""Different values up to which numbers that are not whole are compared with each; and whole numbers and texts."""
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
MOST_COLUMNS = 4096

Candidates = Iterator[tuple[str, np.ndarray, str]]


def task_predicates(task: Task, data: Dataset) -> tuple[Predicates, tuple[str, ...]]:
    """Predicates of a task's own examples, and sentences on what is left out.

    Args:
        task: Says what the examples' columns are called, and if their numbers are residues.
        data: The examples that are described; some or all of the task's.

    Returns:
        Predicates of each input column (its values; residues modulo 2 to 6 of operands; quantiles of other numbers), of
        pairs ``a = b``, of the answer, of wrong labels and of membership in the training set.
    """
    inputs = _array(data.inputs).reshape(len(data), -1)
    names, notes = _column_names(task, data), []
    modular, residues = isinstance(task, ModularTask), _has_residues(task, data)
    candidates: list[tuple[str, np.ndarray, str]] = []
    variables = operand_values(task, data)
    if inputs.shape[1] > MOST_COLUMNS:
        notes.append(
            f"The inputs have {inputs.shape[1]:,} columns, more than the {MOST_COLUMNS:,} that are described; pass "
            "predicates of your own"
        )
    else:
        for name, column in zip(names, inputs.T, strict=True):
            variable = name if name in variables else ""  # a neuron can do anything with each token
            candidates += column_predicates(name, column, variable, thresholds=not modular)
            if residues:
                candidates += _residues(name, column)
    if inputs.shape[1] == 2 and inputs.dtype.kind in "iu":
        candidates.append((f"{names[0]} = {names[1]}", inputs[:, 0] == inputs[:, 1], ""))
    answer = _array(data.true_labels)
    if (name := "answer") in names:
        name = "true label"
    candidates += column_predicates(name, answer, thresholds=False)
    if residues and modular:
        variables[name] = answer
        candidates += _residues(name, answer)
    candidates.append(("label is wrong", _array(data.mislabelled), ""))
    if data.split_known:
        candidates.append(("in the training set", _array(data.train), ""))
    return _predicates(candidates, variables, len(data)), tuple(notes)


def own_predicates(columns: Mapping[str, Any], n: int) -> Predicates:
    """Predicates of a user's own columns, with one value for each of n examples.

    Args:
        columns: By name. Booleans are a predicate; texts and whole numbers are compared with each of their values;
            other numbers with their quantiles.

    Raises:
        ConfigError: A column has another length, is of no usable type, or has missing values.

    Example:
        >>> own_predicates({"lit": np.array([True, False]), "colour": ["red", "blue"]}, 2).names
        ('lit', 'colour = blue', 'colour = red')
    """
    candidates: list[tuple[str, np.ndarray, str]] = []
    for name, given in columns.items():
        values = _array(given)
        if values.shape != (n,):
            raise ConfigError(
                f"the predicates {cut(name)} have shape {values.shape}; expected one value for each of {n} examples"
            )
        candidates += column_predicates(str(name), values)
    return _predicates(candidates, {}, n)


def as_classes(
    given: Predicates, variables: Mapping[str, np.ndarray]
) -> tuple[Predicates, dict[str, list[str]]]:
    """The same predicates, where those that are classes of several values of a variable say so; and their names.

    A predicate is a class of the first variable that decides it: whose every value has it throughout or not at all. One
    that holds of a single value is none, as a neuron can do anything with each value.

    Args:
        given: Predicates.
        variables: Values of the inputs, such as operands.

    Returns:
        Predicates with their variables, and the names of new classes by variable.

    Example:
        >>> a = np.array([0, 0, 1, 1, 2, 2])
        >>> given = own_predicates({"small": a < 2, "first": a == 0, "odd place": np.arange(6) % 2 == 1}, 6)
        >>> as_classes(given, {"a": a})[1]
        {'a': ['small']}
    """
    classes, named = list(given.classes), dict[str, list[str]]()
    for name, values in variables.items():
        known, place = np.unique(values, return_inverse=True)
        count = np.bincount(place)
        for row, mask in enumerate(given.holds):
            inside = np.bincount(place, mask, len(known))
            if not classes[row] and ((inside == 0) | (inside == count)).all() and (inside > 0).sum() > 1:
                classes[row] = name
                named.setdefault(name, []).append(given.names[row])
    used = {name: values for name, values in variables.items() if name in named}
    return Predicates(given.names, given.holds, tuple(classes), {**given.variables, **used}), named


def operand_values(task: Task, data: Dataset) -> dict[str, np.ndarray]:
    """Whole-number inputs by their column's name; none where inputs are other numbers or too many to be compared."""
    inputs = _array(data.inputs).reshape(len(data), -1)
    if inputs.dtype.kind not in "biu" or inputs.shape[1] > MOST_COLUMNS:
        return {}
    return {
        name: column.astype(np.int64)
        for name, column in zip(_column_names(task, data), inputs.T, strict=True)
    }


def read_predicates(path: Path | str) -> dict[str, np.ndarray]:
    """Columns of a ``.csv`` or ``.parquet`` file with a row for each example, as `own_predicates` takes them.

    Raises:
        ConfigError: It cannot be read, or a value is missing.
    """
    table, _ = read_table(Path(path))
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        if name in columns:
            raise ConfigError(f"the table {str(path)!r} has two columns named {name!r}; rename or drop one")
        if column.null_count:
            row = int(np.argmax(column.is_null().to_numpy()))
            raise ConfigError(f"row {row + 1} of the column {name!r} of {str(path)!r} is empty; fill it in")
        columns[name] = np.array(column.to_pylist())
    return columns


def column_predicates(
    name: str, values: Shaped[np.ndarray, " example"], variable: str = "", *, thresholds: bool = True
) -> Candidates:
    """Predicates of one column, see `own_predicates`, each with its name and the variable that it is a class of.

    Args:
        name: Of the column.
        values: Of the examples.
        variable: That comparisons with quantiles are classes of, see `probes.descriptions.Predicates`; none if empty.
        thresholds: Whether numbers are compared with quantiles.

    Example:
        >>> [words for words, _, _ in column_predicates("x", np.linspace(0, 1, 41))][:3]
        ['x < 0.1', 'x >= 0.1', 'x < 0.25']
    """
    kind = values.dtype.kind
    if kind not in "biufUSO":
        raise ConfigError(
            f"the column {cut(name)} has type {values.dtype}; expected numbers, booleans or texts"
        )
    if kind == "b":
        yield name, values, ""
        return
    if kind == "f" and not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise ConfigError(
            f"row {row + 1} of the column {cut(name)} is {values[row]}; expected finite numbers"
        )
    if kind == "O":
        if not all(isinstance(value, str) for value in values):
            row = next(row for row, value in enumerate(values) if not isinstance(value, str))
            raise ConfigError(
                f"row {row + 1} of the column {cut(name)} is {cut(values[row])}; expected numbers, booleans or texts "
                "throughout"
            )
        values = values.astype(str)
    known = np.unique(values)
    if len(known) <= (FEW_VALUES if kind == "f" else MOST_VALUES):
        for value in known:
            brief = kind == "f" and float(f"{value:g}") == value
            shown = f"{value:g}" if brief else str(value)
            yield f"{name} = {shown}", values == value, ""
    elif kind not in "iuf":
        raise ConfigError(
            f"the column {cut(name)} has {len(known):,} different texts, more than {MOST_VALUES:,}; group them"
        )
    if thresholds and kind in "iuf" and len(known) > FEW_VALUES:
        levels = np.quantile(values, QUANTILES, method="lower").tolist()
        for shown, level in {f"{level:.4g}": level for level in levels if level > known[0]}.items():
            yield f"{name} < {shown}", values < level, variable
            yield f"{name} >= {shown}", values >= level, variable


def joined(first: Predicates, second: Predicates) -> Predicates:
    """Both; a `ConfigError` if they share a name."""
    if twice := set(first.names) & set(second.names):
        raise ConfigError(
            f"a predicate named {cut(min(twice))} is among the task's own; give yours another name, or leave these out"
        )
    return Predicates(
        (*first.names, *second.names),
        np.concatenate([first.holds, second.holds]),
        (*first.classes, *second.classes),
        {**first.variables, **second.variables},
    )


def _residues(name: str, values: Shaped[np.ndarray, " example"]) -> Candidates:
    """Residue classes of an operand; with fewer than two values in each a class would be no class."""
    for modulus in MODULI:
        if len(np.unique(values)) >= 2 * modulus:
            for residue in range(modulus):
                yield f"{name} mod {modulus} = {residue}", values % modulus == residue, name


def _predicates(
    candidates: Sequence[tuple[str, np.ndarray, str]], variables: Mapping[str, np.ndarray], n: int
) -> Predicates:
    check_need(8 * len(candidates) * n, f"to compare {len(candidates):,} predicates", "give fewer")
    names = [name for name, _, _ in candidates]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"two predicates are named {cut(twice)}; rename a column")
    holds = np.array([mask for _, mask, _ in candidates], bool).reshape(-1, n)
    return Predicates(tuple(names), holds, tuple(kind for _, _, kind in candidates), dict(variables))


def _has_residues(task: Task, data: Dataset) -> bool:
    """True if the inputs are operands whose residues mean something: whole numbers, and no elements of a group."""
    operation = getattr(task, "operation", None)
    if data.inputs.is_floating_point() or data.inputs[0].numel() > OPERANDS:
        return False
    if isinstance(task, ModularTask) and task.results is not None:
        return False
    return operation is None or own_modulus(operation) is None


def _column_names(task: Task, data: Dataset) -> list[str]:
    """The table's, or letters of operands, or positions."""
    shape = tuple(data.inputs.shape[1:])
    stored = (getattr(task, "source", None) or {}).get("columns")
    if stored is not None:
        return [name for name in stored if name not in COLUMNS]
    if getattr(task, "operation", None) is not None and shape == (2,):
        return ["a", "b"]
    return [f"input {','.join(map(str, place))}".rstrip() for place in np.ndindex(shape)]


def _array(values: Any) -> np.ndarray:
    """Booleans, numbers or texts as an array."""
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)

"""Operations modulo p as tasks, and the protocol of every task."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch

from interp.data.dataset import Dataset
from interp.data.operations import (
    MODULUS,
    TABLE,
    Ordering,
    check_operation,
    checked_table,
    group_ordering,
    operation_table,
    ordering_of_table,
    own_modulus,
)
from interp.data.split_decoding import decode_split
from interp.data.split_encoding import UNKNOWN, encode_pairs, encode_split
from interp.errors import CheckpointError, ConfigError, choose, cut


@runtime_checkable
class Task(Protocol):
    """A task for scoring and measuring: its examples, and an ordering if it has one."""

    @property
    def dataset(self) -> Dataset: ...

    @property
    def ordering(self) -> Ordering | None: ...

    def to_dict(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class ModularTask:
    """An operation modulo p over every pair of operands, with a random training set, part of it corrupted.

    Args:
        operation: ``add``, ``subtract``, ``multiply``, ``divide``, a polynomial such as ``"a**2 + a*b"``, or a group
            such as ``"group:S5"``; see `interp.data.operation_table`.
        p: The modulus, prime for ``divide``; `MODULUS` if left out. Of a group, its order.
        train_fraction: Share of all pairs that is trained on, in (0, 1].
        corrupt_fraction: Share of the training set whose labels are redrawn, in [0, 1].
        corrupt: Redraw uniformly over ``"all"`` labels (1 in p is right by chance) or over the ``"wrong"`` ones.
        seed: Decides the training set and the corruption.
        split: What replaces the draw: a stored split (see `encode_split`), or ``"unknown"`` where nobody knows which
            pairs were trained on; the labels then are the true ones.
        read_in: The order that neurons are read in, ``"task"``, ``"natural"`` or ``"log"``; see
            `interp.data.group_ordering`. It changes no example.
        results: Of the operation ``"table"``: ``(left, right)`` whole numbers from 0 to p - 1, as rows.

    Raises:
        ConfigError: A value is out of range. ExpressionError: the polynomial does not parse.

    Example:
        >>> task = ModularTask("add", p=97, train_fraction=0.5, corrupt_fraction=0.35, seed=0)
        >>> len(task.dataset), int(task.dataset.train.sum()), int(task.dataset.corrupted.sum())
        (9409, 4704, 1646)
        >>> ModularTask("add", p=97, split="unknown").dataset.split_known
        False
    """

    operation: str = "add"
    p: int = field(default=None)  # type: ignore[assignment]  # see MODULUS
    train_fraction: float = 0.5
    corrupt_fraction: float = 0.0
    corrupt: str = "all"
    seed: int = 0
    split: Any = field(default=None, repr=False, compare=False)
    read_in: str = field(default="task", repr=False)
    results: Any = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.operation == TABLE or self.results is not None:
            object.__setattr__(self, "results", checked_table(self.operation, self.results, self.p))
            object.__setattr__(self, "p", len(self.results))
        elif self.p is None:
            object.__setattr__(self, "p", own_modulus(self.operation) or MODULUS)
        kinds = {"p": int, "seed": int, "train_fraction": float, "corrupt_fraction": float}
        for name, plain in kinds.items():
            value = getattr(self, name)
            if isinstance(value, np.number) and plain(value) == value:
                object.__setattr__(self, name, plain(value))
        if self.results is None:
            check_operation(self.operation, self.p)
        if self.read_in != "task":
            group_ordering(self.operation, self.p, self.read_in)
        choose("corruption", self.corrupt, ("all", "wrong"))
        for name, bracket in (("train_fraction", "("), ("corrupt_fraction", "[")):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not 0 <= value <= 1 or (value == 0 and bracket == "("):
                raise ConfigError(f"{name}={cut(value)} is not in {bracket}0, 1]")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise ConfigError(f"seed={cut(self.seed)} is negative or no whole number; expected 0, 1, 2 …")

    def __repr__(self) -> str:
        settings = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.repr]
        settings += [f"split={UNKNOWN!r}"] * self._unknown
        settings += [f"read_in={self.read_in!r}"] * (self.read_in != "task")
        return f"ModularTask({', '.join(settings)})"

    def __eq__(self, other: object) -> bool:
        """Equality of settings and splits, however the splits came about."""
        if not isinstance(other, ModularTask):
            return NotImplemented
        if any(getattr(self, f.name) != getattr(other, f.name) for f in fields(self) if f.compare):
            return False
        if not np.array_equal(self._operation[1], other._operation[1]):
            return False
        return (self.split is None and other.split is None) or self._encoded_split == other._encoded_split

    @property
    def _unknown(self) -> bool:
        return isinstance(self.split, str) and self.split == UNKNOWN

    @cached_property
    def _operation(self) -> tuple[np.ndarray, np.ndarray]:
        """Every pair of operands, and the results."""
        if self.results is None:
            return operation_table(self.operation, self.p)
        return np.argwhere(self.results >= 0), self.results.ravel()

    @cached_property
    def ordering(self) -> Ordering | None:
        """The group ordering of the operation, or None where none is known; another one with `read_in`."""
        if self.results is None:
            return group_ordering(self.operation, self.p, self.read_in)
        return ordering_of_table(self.results, self.read_in)

    @cached_property
    def dataset(self) -> Dataset:
        """Every pair with its labels and masks; the same for equal settings, on any machine."""
        operands, results = self._operation
        if self.split is None:
            train, corrupted, labels = self._draw(results)
        elif self._unknown:
            train, corrupted = np.zeros((2, len(results)), bool)
            labels = results.copy()
        else:
            train, corrupted, labels = decode_split(self.split, results, self.p)
        x, y, by_rule, trained, redrawn = map(torch.from_numpy, (operands, labels, results, train, corrupted))
        return Dataset(x, y, by_rule, trained, redrawn, self.p, not self._unknown)

    @cached_property
    def _encoded_split(self) -> dict[str, Any] | str:
        return UNKNOWN if self._unknown else encode_split(self.dataset)

    def _draw(self, results: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        generator = np.random.default_rng(self.seed)
        n_train = max(1, round(self.train_fraction * len(results)))
        chosen = generator.permutation(len(results))[:n_train]
        redrawn = chosen[: round(self.corrupt_fraction * n_train)]
        (train, corrupted), labels = np.zeros((2, len(results)), bool), results.copy()
        train[chosen], corrupted[redrawn] = True, True
        if self.corrupt == "all":
            labels[redrawn] = generator.integers(0, self.p, len(redrawn))
        else:
            labels[redrawn] = (labels[redrawn] + generator.integers(1, self.p, len(redrawn))) % self.p
        return train, corrupted, labels

    def to_dict(self) -> dict[str, Any]:
        """The settings and the split itself, ready for JSON; not `read_in`, which changes no example."""
        stored = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("read_in", "results")}
        table = {} if self.results is None else {"results": self.results.tolist()}
        return stored | table | {"split": self._encoded_split}

    def with_training_pairs(self, pairs: np.ndarray) -> ModularTask:
        """The same operation with exactly these pairs as its training set, and nothing corrupted.

        Args:
            pairs: Whole numbers ``(pair, 2)`` in any order; a pair that is listed twice counts once.

        Raises:
            ConfigError: There is no pair, they are no whole numbers, or one is not among the task's operands.

        Example:
            >>> task = ModularTask("add", p=5).with_training_pairs(np.array([[4, 3], [0, 0]]))
            >>> task.train_fraction, task.dataset.inputs[task.dataset.train].tolist()
            (0.08, [[0, 0], [4, 3]])
        """
        pairs = np.asarray(pairs)
        if pairs.ndim != 2 or pairs.shape[1] != 2 or not len(pairs) or pairs.dtype.kind not in "iu":
            raise ConfigError(
                f"the training pairs have shape {pairs.shape} and type {pairs.dtype}; expected at least one pair of "
                "whole numbers, in the shape (pair, 2)"
            )
        operands = self._operation[0]
        split = encode_pairs(operands, pairs.astype(np.int64))
        share = len(np.unique(pairs, axis=0)) / len(operands)
        return replace(self, train_fraction=share, corrupt_fraction=0.0, split=split)

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> ModularTask:
        """Rebuild a task from `to_dict`; a `CheckpointError` if a setting is unknown, or the split malformed."""
        try:
            task = cls(**settings)
        except TypeError as error:
            raise CheckpointError(f"the stored task has unexpected settings: {error}") from None
        _ = task.dataset  # a malformed split is an error here, not later
        return task

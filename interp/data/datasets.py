"""All input pairs of a task with their labels, and which of them were trained on or corrupted."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from interp.data.operations import Ordering, check_operation, operation_table, ordering_called
from interp.data.packing import UNKNOWN, packed_split, split_of_pairs, unpack_split
from interp.data.splits import GROUPS, SPLITS
from interp.errors import CheckpointError, ConfigError, choose

FEW_COLUMNS = 8
"""Up to so many columns, rows are compared column by column, which is faster than comparing them whole."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Every example of a task, labelled and split.

    Attributes:
        inputs: What the network reads, ``(example, …)``: token numbers, or measurements.
        labels: Labels as trained on.
        true_labels: Labels by the rule.
        train: Which examples are trained on.
        corrupted: Which training examples had their label redrawn. A redrawn label can be right by chance.
        n_classes: How many classes the labels are drawn from.
        split_known: Whether anybody knows which examples were trained on. If not, none counts as trained on, as held
            out or as corrupted, and only the split ``"all"`` has examples.

    Raises:
        ConfigError: The split is not known, yet examples are marked as trained on or corrupted.

    Example:
        >>> images, labels, none = torch.rand(4, 8, 8), torch.tensor([0, 1, 1, 0]), torch.zeros(4).bool()
        >>> data = Dataset(images, labels, labels, none, none, n_classes=2, split_known=False)
        >>> int(data.test.sum()), int(data.split("all")[0].sum())
        (0, 4)
    """

    inputs: Shaped[Tensor, "example ..."]
    labels: Int[Tensor, " example"]
    true_labels: Int[Tensor, " example"]
    train: Bool[Tensor, " example"]
    corrupted: Bool[Tensor, " example"]
    n_classes: int
    split_known: bool = True

    def __post_init__(self) -> None:
        if self.split_known or self.train.device.type == "meta":
            return
        marked = int((self.train | self.corrupted).sum())
        if marked:
            raise ConfigError(
                f"split_known=False, but {marked} examples are marked as trained on or corrupted; "
                "mark none, or leave split_known=True"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def test(self) -> Bool[Tensor, " example"]:
        """Examples that are known not to be trained on."""
        return ~self.train if self.split_known else torch.zeros_like(self.train)

    @property
    def clean(self) -> Bool[Tensor, " example"]:
        """Training examples with their own label."""
        return self.train & ~self.corrupted

    @property
    def mislabelled(self) -> Bool[Tensor, " example"]:
        """Training examples whose label is wrong, so that the rule does not explain them."""
        return self.train & (self.labels != self.true_labels)

    def leaked_by_swapping(self) -> Bool[Tensor, " example"]:
        """Held-out pairs (a, b) whose (b, a) is trained on: to a network that treats both alike they are no test.

        All False where the inputs are no pairs of whole numbers.
        """
        if self.inputs.shape[1:] != (2,) or self.inputs.is_floating_point():
            return torch.zeros_like(self.train)
        return self.test & self._trained_on(self.inputs.flip(1))

    def leaked_by_duplication(self) -> Bool[Tensor, " example"]:
        """Held-out examples whose inputs are those of a training example.

        Example:
            >>> labels, train = torch.zeros(3, dtype=torch.long), torch.tensor([True, False, False])
            >>> data = Dataset(torch.tensor([[0.5], [0.5], [1.5]]), labels, labels, train, train & False, 2)
            >>> data.leaked_by_duplication()
            tensor([False,  True, False])
        """
        return self.test & self._trained_on(self.inputs)

    def _trained_on(self, inputs: Shaped[Tensor, "example ..."]) -> Bool[Tensor, " example"]:
        """Which of these inputs, as many as there are examples, are those of a training example."""
        own, asked = _row_numbers(torch.cat([self.inputs, inputs])).tensor_split(2)
        trained = torch.zeros(2 * len(self), dtype=torch.bool, device=own.device)
        trained[own[self.train]] = True
        return trained[asked]

    def split(self, name: str) -> tuple[Bool[Tensor, " example"], Int[Tensor, " example"]]:
        """The examples of one of `SPLITS`, as a mask, and the labels they are measured against."""
        choose("split", name, SPLITS)
        split = SPLITS[name]
        inside = torch.zeros_like(self.train)
        for group in split.groups:
            inside = inside | getattr(self, group)
        if split.groups == GROUPS:
            inside = torch.ones_like(inside)
        return inside, self.labels if split.as_trained else self.true_labels

    def to(self, device: torch.device | str) -> Dataset:
        """The same examples with their tensors on `device`."""
        tensors = (self.inputs, self.labels, self.true_labels, self.train, self.corrupted)
        inputs, labels, true_labels, train, corrupted = (tensor.to(device) for tensor in tensors)
        return Dataset(inputs, labels, true_labels, train, corrupted, self.n_classes, self.split_known)


def _row_numbers(rows: Shaped[Tensor, "row ..."]) -> Int[Tensor, " row"]:
    """For each row a number below that of the rows, the same for equal rows."""
    flat = rows.flatten(1) if rows.ndim > 1 else rows[:, None]
    if flat.shape[1] > FEW_COLUMNS:
        return torch.unique(flat, dim=0, return_inverse=True)[1]
    numbers = torch.zeros(len(flat), dtype=torch.long, device=flat.device)
    for column in flat.T:
        values, value = torch.unique(column, return_inverse=True)
        numbers = torch.unique(numbers * len(values) + value, return_inverse=True)[1]
    return numbers


@runtime_checkable
class Task(Protocol):
    """What scoring and measuring need to know of a task: its examples, and an ordering if it has one."""

    @property
    def dataset(self) -> Dataset: ...

    @property
    def ordering(self) -> Ordering | None: ...

    def to_dict(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class ModularTask:
    """An operation modulo p over every pair of operands, with a random training set, part of it corrupted.

    Args:
        operation: ``add``, ``subtract``, ``multiply``, ``divide``, or a polynomial such as ``"a**2 + a*b"``.
        p: The modulus; prime for ``multiply`` and ``divide``.
        train_fraction: Share of all pairs that is trained on, in (0, 1].
        corrupt_fraction: Share of the training set whose labels are redrawn, in [0, 1].
        corrupt: Redraw uniformly over ``"all"`` labels (1 in p is right by chance) or over the ``"wrong"`` ones.
        seed: Decides the training set and the corruption.
        split: What replaces the draw: a stored split (see `packed_split`), or ``"unknown"`` where nobody knows which
            pairs were trained on; the labels then are the true ones.
        read_in: The order that neurons are read in, ``"task"``, ``"natural"`` or ``"log"``; see
            `interp.data.operations.ordering_called`. It changes no example.

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
    p: int = 97
    train_fraction: float = 0.5
    corrupt_fraction: float = 0.0
    corrupt: str = "all"
    seed: int = 0
    split: Any = field(default=None, repr=False, compare=False)
    read_in: str = field(default="task", repr=False)

    def __post_init__(self) -> None:
        for name, plain in (
            ("p", int),
            ("seed", int),
            ("train_fraction", float),
            ("corrupt_fraction", float),
        ):
            value = getattr(self, name)
            if isinstance(value, np.number) and plain(value) == value:
                object.__setattr__(self, name, plain(value))
        check_operation(self.operation, self.p)
        if self.read_in != "task":
            ordering_called(self.read_in, self.operation, self.p)
        choose("corruption", self.corrupt, ("all", "wrong"))
        for name, bracket in (("train_fraction", "("), ("corrupt_fraction", "[")):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not 0 <= value <= 1 or (value == 0 and bracket == "("):
                raise ConfigError(f"{name}={value!r} is not in {bracket}0, 1]")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise ConfigError(f"seed={self.seed!r} is negative or no whole number; expected 0, 1, 2 …")

    def __repr__(self) -> str:
        settings = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.repr]
        settings += [f"split={UNKNOWN!r}"] * self._unknown
        settings += [f"read_in={self.read_in!r}"] * (self.read_in != "task")
        return f"ModularTask({', '.join(settings)})"

    def __eq__(self, other: object) -> bool:
        """Whether the settings and the splits are equal, however the splits came about."""
        if not isinstance(other, ModularTask):
            return NotImplemented
        if any(getattr(self, f.name) != getattr(other, f.name) for f in fields(self) if f.compare):
            return False
        return (self.split is None and other.split is None) or self._packed == other._packed

    @property
    def _unknown(self) -> bool:
        return isinstance(self.split, str) and self.split == UNKNOWN

    @cached_property
    def ordering(self) -> Ordering | None:
        """The group ordering of the operation, or None where none is known; another one with `read_in`."""
        return ordering_called(self.read_in, self.operation, self.p)

    @cached_property
    def dataset(self) -> Dataset:
        """Every pair with its labels and masks; the same for equal settings, on any machine."""
        operands, results = operation_table(self.operation, self.p)
        if self.split is None:
            train, corrupted, labels = self._draw(results)
        elif self._unknown:
            train, corrupted, labels = (
                np.zeros(len(results), bool),
                np.zeros(len(results), bool),
                results.copy(),
            )
        else:
            train, corrupted, labels = unpack_split(self.split, results, self.p)
        as_tensor = torch.from_numpy
        return Dataset(
            as_tensor(operands),
            as_tensor(labels),
            as_tensor(results),
            as_tensor(train),
            as_tensor(corrupted),
            self.p,
            split_known=not self._unknown,
        )

    @cached_property
    def _packed(self) -> dict[str, Any] | str:
        """The split as it is stored."""
        return UNKNOWN if self._unknown else packed_split(self.dataset)

    def _draw(self, results: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        generator = np.random.default_rng(self.seed)
        n_train = max(1, round(self.train_fraction * len(results)))
        chosen = generator.permutation(len(results))[:n_train]
        redrawn = chosen[: round(self.corrupt_fraction * n_train)]
        train, corrupted, labels = np.zeros(len(results), bool), np.zeros(len(results), bool), results.copy()
        train[chosen], corrupted[redrawn] = True, True
        if self.corrupt == "all":
            labels[redrawn] = generator.integers(0, self.p, len(redrawn))
        else:
            labels[redrawn] = (labels[redrawn] + generator.integers(1, self.p, len(redrawn))) % self.p
        return train, corrupted, labels

    def to_dict(self) -> dict[str, Any]:
        """The settings and the split itself, ready for JSON; `from_dict` gives an equal task back.

        Without `read_in`, which says nothing of what was trained on.
        """
        stored = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "read_in"}
        return stored | {"split": self._packed}

    def with_training_pairs(self, pairs: np.ndarray) -> ModularTask:
        """The same operation with exactly these pairs as its training set, and nothing corrupted.

        Args:
            pairs: Whole numbers ``(pair, 2)``, in any order; a pair that is listed twice counts once.

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
        operands = operation_table(self.operation, self.p)[0]
        split = split_of_pairs(operands, pairs.astype(np.int64))
        share = len(np.unique(pairs, axis=0)) / len(operands)
        return replace(self, train_fraction=share, corrupt_fraction=0.0, split=split)

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> ModularTask:
        """Rebuild a task from `to_dict`.

        Raises:
            CheckpointError: A setting is unknown, or the stored split is malformed.
            ConfigError: A value is out of range.
        """
        try:
            task = cls(**settings)
        except TypeError as error:
            raise CheckpointError(f"the stored task has unexpected settings: {error}") from None
        _ = task.dataset  # a malformed split is an error here, not later
        return task

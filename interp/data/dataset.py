"""The examples of a task with their labels, and which of them were trained on or corrupted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from interp.data.splits import GROUPS, SPLITS
from interp.errors import ConfigError, choose

FEW_COLUMNS = 8  # up to so many, comparing rows column by column is faster than whole


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
        """Mask of these inputs, as many as there are examples, that are those of a training example."""
        own, asked = _row_numbers(torch.cat([self.inputs, inputs])).tensor_split(2)
        trained = torch.zeros(2 * len(self), dtype=torch.bool, device=own.device)
        trained[own[self.train]] = True
        return trained[asked]

    def split(self, name: str) -> tuple[Bool[Tensor, " example"], Int[Tensor, " example"]]:
        """The examples of one of `SPLITS`, as a mask, and the labels they are measured against."""
        split = SPLITS[choose("split", name, SPLITS)]
        inside = torch.stack([getattr(self, group) for group in split.groups]).any(0)
        if split.groups == GROUPS:  # those of an unknown split belong to no group
            inside = torch.ones_like(inside)
        return inside, self.labels if split.as_trained else self.true_labels

    def to(self, device: torch.device | str) -> Dataset:
        """The same examples with their tensors on `device`."""
        return self._with(lambda tensor: tensor.to(device))

    def at(self, rows: Int[Tensor, " row"] | slice) -> Dataset:
        """Some of the examples, by their indices or a slice."""
        return self._with(lambda tensor: tensor[rows])

    def _with(self, change: Callable[[Tensor], Tensor]) -> Dataset:
        """The dataset with every tensor changed."""
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        changed: dict[str, Any] = {name: change(tensor) for name, tensor in tensors.items()}
        return replace(self, **changed)


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

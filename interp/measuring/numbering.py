"""Classes as a table numbers them, against the outputs of a network: labels from 1, gaps, classes that never occur."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.data import Dataset, TableTask
from interp.errors import ConfigError
from interp.markup import percentage

LISTED = 8  # classes without examples that are named
CLEARLY = 0.1
"""By how much another numbering must be right more often to be asked about."""


@dataclass(frozen=True, eq=False)
class Numbering:
    """The labels of a dataset beside the outputs of a network, which are classes from 0.

    Attributes:
        labels: The values that occur, ascending.
        n_outputs: How many outputs the network has.
        accuracy: Share of answers that are the labels as trained on, in [0, 1]; None where a label has no output.
        shifted: The same if the smallest label were 0; None where it is 0 already, or labels do not fit then either.
        ranked: The same if labels were numbered from 0 without gaps; None where they are.
    """

    labels: tuple[int, ...]
    n_outputs: int
    accuracy: float | None
    shifted: float | None
    ranked: float | None

    @property
    def fits(self) -> bool:
        """True if every label has an output."""
        return self.labels[-1] < self.n_outputs

    @property
    def span(self) -> str:
        """The labels in words.

        Example:
            >>> Numbering((1, 2, 4), 5, 0.2, 0.9, None).span
            'labels run from 1 to 4, without 3'
        """
        low, high = self.labels[0], self.labels[-1]
        if low == high:
            return f"all labels are {low}"
        return f"labels run from {low} to {high}{_without(set(range(low, high)) - set(self.labels))}"

    @property
    def offer(self) -> str | None:
        """A better numbering with the accuracy that it would give; None where there is none."""
        share, words = self._other
        if share is None or share <= (self.accuracy or 0):
            return None
        instead = "" if self.accuracy is None else f" instead of {percentage(self.accuracy)}"
        return f"labels {words} would be right in {percentage(share)}{instead}"

    @property
    def _other(self) -> tuple[float | None, str]:
        """The best of the other numberings: its accuracy, None where there is none, and its words."""
        offers = [(self.shifted, f"minus {self.labels[0]}"), (self.ranked, "numbered from 0 without gaps")]
        return max(offers, key=lambda offer: -1.0 if offer[0] is None else offer[0])

    @property
    def better(self) -> bool:
        """True if another numbering would be right in clearly more examples."""
        return (self._other[0] or 0.0) > (self.accuracy or 0.0) + CLEARLY

    @property
    def best(self) -> str | None:
        """The numbering to compare networks by, in words: the given one, None, unless another is clearly better, or
        the given one does not fit."""
        share, words = self._other
        return None if share is None or (self.fits and not self.better) else words

    def applied(self, data: Dataset) -> Dataset:
        """The examples that this is of, in the `best` numbering.

        Example:
            >>> labels, none = torch.tensor([1, 2, 3, 1]), torch.zeros(4, dtype=torch.bool)
            >>> data = Dataset(labels, labels, labels, none, none, n_classes=4, split_known=False)
            >>> Numbering((1, 2, 3), 4, 0.0, 1.0, None).applied(data).labels.tolist()
            [0, 1, 2, 0]
        """
        if self.best is None:
            return data
        _, shifted, ranked = numberings(data, self.n_outputs)
        applied = shifted if self._other[0] == self.shifted else ranked
        assert applied is not None
        return applied

    def sentences(self) -> Iterator[str]:
        """Remarks for the notes: where labels begin, gaps, outputs without examples, and a better numbering."""
        low, high = self.labels[0], self.labels[-1]
        if low or len(self.labels) <= high - low or self.offer:
            asked = ": is that how it was trained?" if self.better else ""
            offer = f"; {self.offer}{asked}" if self.offer else ""
            zero = ", and no example has class 0" if low else ""
            yield f"{self.span}{zero}{offer}"
        if high + 1 < self.n_outputs:
            last = self.n_outputs - 1
            which = f"class {last}" if last == high + 1 else f"classes {high + 1} to {last}"
            yield f"the network has {self.n_outputs} outputs, all of which are used; no example has {which}"

    def mismatch(self) -> str:
        """The error where a label has no output."""
        first = next(label for label in self.labels if label >= self.n_outputs)
        fix = (
            f"{self.offer[0].upper()}{self.offer[1:]}: write the table so"
            if self.offer
            else "Is this table, or the output that is read, the network's own?"
        )
        return (
            f"{self.span}, and the network has {self.n_outputs} outputs, classes 0 to {self.n_outputs - 1}: label "
            f"{first} has none. {fix}"
        )


def numbering_of(logits: Float[Tensor, "example output"], data: Dataset) -> Numbering:
    """The numbering of a dataset's classes, and the share of answers that would be right in others.

    Args:
        logits: Of every example, with all outputs that the network has.

    Example:
        >>> labels, none = torch.tensor([1, 2, 3, 1]), torch.zeros(4, dtype=torch.bool)
        >>> data = Dataset(labels, labels, labels, none, none, n_classes=4, split_known=False)
        >>> numbering_of(torch.nn.functional.one_hot(labels - 1, 3).float(), data).shifted
        1.0
    """
    known = tuple(torch.unique(torch.cat([data.labels, data.true_labels])).tolist())
    shares = (
        None if one is None else share_right(logits, one.labels.to(logits.device))
        for one in numberings(data, logits.shape[1])
    )
    return Numbering(known, logits.shape[1], *shares)


def numberings(data: Dataset, n_outputs: int) -> tuple[Dataset | None, Dataset | None, Dataset | None]:
    """The examples as numbered, with the smallest label 0, and with classes from 0 without gaps.

    Labels and true labels are numbered alike. None where a label has no output, or nothing would change.

    Example:
        >>> labels, none = torch.tensor([1, 2, 4]), torch.zeros(3, dtype=torch.bool)
        >>> data = Dataset(labels, labels, labels, none, none, n_classes=5, split_known=False)
        >>> [one and one.labels.tolist() for one in numberings(data, 4)]
        [None, [0, 1, 3], [0, 1, 2]]
    """
    both = torch.cat([data.labels, data.true_labels])
    values, ranks = torch.unique(both, return_inverse=True)
    low, high = int(values[0]), int(values[-1])
    gaps = len(values) <= high - low

    def changed(classes: Int[Tensor, " both"]) -> Dataset:
        labels, true = classes.tensor_split(2)
        return replace(data, labels=labels, true_labels=true, n_classes=n_outputs)

    return (
        data if high < n_outputs else None,
        changed(both - low) if low > 0 and high - low < n_outputs else None,
        changed(ranks) if gaps and len(values) <= n_outputs else None,
    )


def numbered(task: TableTask, logits: Float[Tensor, "example output"]) -> tuple[TableTask, Numbering]:
    """A table's task with as many classes as a network has outputs, and its numbering.

    Raises:
        ConfigError: A label has no output.
    """
    numbering = numbering_of(logits, task.dataset)
    if not numbering.fits:
        raise ConfigError(numbering.mismatch())
    return replace(task, dataset=replace(task.dataset, n_classes=numbering.n_outputs)), numbering


def share_right(logits: Float[Tensor, "example output"], labels: Int[Tensor, " example"]) -> float:
    """Share of examples whose label alone has the largest logit; ties are no answers."""
    own = logits.gather(1, labels[:, None])
    return float(((logits >= own).sum(1) == 1).double().mean())


def _without(missing: Sequence[int] | set[int]) -> str:
    first = sorted(missing)[:LISTED]
    more = f" and {len(missing) - LISTED} more" if len(missing) > LISTED else ""
    return f", without {', '.join(map(str, first))}{more}" if first else ""

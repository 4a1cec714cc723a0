"""Accuracy against what answering the commonest class alone would reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from scipy.special import bdtrc, betaincinv
from torch import Tensor

from interp.data import Dataset
from interp.markup import percentage
from interp.measuring.band import COVERED
from interp.measuring.evaluation import margins
from interp.measuring.logits import Logits

SIGNIFICANT = 0.01
"""Level at which an accuracy is above a base rate."""
NEARLY_ALL = 0.9
"""Share of what the commonest class leaves unanswered from which a network generalises, and not in part."""
MOST_CLASSES = 20
"""So many classes at most are shown with their recall, the lowest first."""
RECALL_HEADER = ("class", "examples", "recall")


@dataclass(frozen=True, eq=False)
class BaseRate:
    """Right answers by true class, to be compared with the share of the commonest class.

    Attributes:
        split: The examples: ``"test"`` (those that did not leak), or ``"all"`` where none are held out.
        right, sizes: Right answers and examples of each class, ``(class,)``.

    Example:
        >>> rate = BaseRate("test", torch.tensor([90, 0]), torch.tensor([90, 10]))
        >>> rate.base_rate, rate.accuracy, rate.balanced_accuracy, rate.above
        (0.9, 0.9, 0.5, False)
    """

    split: str
    right: Int[Tensor, " classes"]
    sizes: Int[Tensor, " classes"]

    @property
    def examples(self) -> int:
        """Number of examples."""
        return int(self.sizes.sum())

    @property
    def commonest(self) -> int:
        """The class that most examples have."""
        return int(self.sizes.argmax())

    @property
    def base_rate(self) -> float:
        """Share of the commonest class, in (0, 1]."""
        return int(self.sizes.max()) / self.examples

    @property
    def accuracy(self) -> float:
        """Share of right answers, in [0, 1]."""
        return int(self.right.sum()) / self.examples

    @property
    def interval(self) -> tuple[float, float]:
        """Exact binomial interval of the accuracy that covers `COVERED` (Clopper and Pearson 1934)."""
        n, k, tail = self.examples, int(self.right.sum()), (1 - COVERED) / 2
        low = float(betaincinv(k, n - k + 1, tail)) if k else 0.0
        return low, float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0

    @cached_property
    def p_value(self) -> float:
        """Exact one-sided binomial p-value of the accuracy being above the base rate; 1 with one class only."""
        right = int(self.right.sum())
        return float(bdtrc(right - 1, self.examples, self.base_rate)) if right and self.base_rate < 1 else 1.0

    @property
    def above(self) -> bool:
        """True if the accuracy is significantly above the base rate."""
        return self.p_value <= SIGNIFICANT

    @property
    def extent(self) -> float:
        """Share answered of what the commonest class leaves: 0 at the base rate, 1 where all is right."""
        return (self.accuracy - self.base_rate) / (1 - self.base_rate) if self.base_rate < 1 else 0.0

    @property
    def recall(self) -> dict[int, float]:
        """Share of right answers of each class that has examples."""
        return {c: int(self.right[c]) / n for c, n in enumerate(self.sizes.tolist()) if n}

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall over the classes, in [0, 1]."""
        return sum(self.recall.values()) / len(self.recall)

    @property
    def finding(self) -> str | None:
        """In words, how far it generalises; None where no example is held out."""
        if self.split != "test":
            return None
        if not self.above:
            return "does not generalise"
        return "generalises" if self.extent >= NEARLY_ALL else "generalises in part"

    def sentence(self) -> str:
        """The accuracy beside its base rate in words."""
        answered = f"{percentage(self.accuracy)} of {'held-out' if self.split == 'test' else 'all'} examples"
        base = f"base rate {percentage(self.base_rate)}"
        if self.split != "test":
            return (
                f"It answers {answered} by the rule, {base}{'' if self.above else ': no more than chance'}."
            )
        if self.above:
            return f"It {self.finding}: {answered}, {base}."
        worst = min(self.recall, key=lambda c: self.recall[c])
        recall = f"recall of class {worst} is {percentage(self.recall[worst])}"
        balanced = f"balanced accuracy {percentage(self.balanced_accuracy)}"
        return (
            f"It {self.finding}: {answered} is no more than the share of the commonest label "
            f"({percentage(self.base_rate)}); {recall}, {balanced}."
        )

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """Recall by class as people read it: the `MOST_CLASSES` lowest, with the number of examples."""
        lowest = sorted(self.recall, key=lambda c: self.recall[c])[:MOST_CLASSES]
        for c in lowest:
            yield str(c), str(int(self.sizes[c])), percentage(self.recall[c])

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        low, high = self.interval
        return {
            "split": self.split,
            "examples": self.examples,
            "commonest": self.commonest,
            "base_rate": self.base_rate,
            "accuracy": self.accuracy,
            "low": low,
            "high": high,
            "p_value": self.p_value,
            "above": self.above,
            "balanced_accuracy": self.balanced_accuracy,
            "recall": {str(c): value for c, value in self.recall.items()},
        }


def base_rate_of(
    logits: Logits, data: Dataset, leaked: Bool[Tensor, " example"], tolerance: float = 0.0
) -> BaseRate:
    """The base rate of held-out examples that did not leak, or of all examples if there are none.

    Args:
        tolerance: Margins up to this are no answers.

    Example:
        >>> from interp.data import ModularTask
        >>> data = ModularTask("add", p=5).dataset
        >>> perfect = torch.nn.functional.one_hot(data.true_labels, 5).float()
        >>> base_rate_of(perfect, data, torch.zeros(len(data), dtype=torch.bool)).accuracy
        1.0
    """
    return base_rate_of_margins(margins(logits, data.true_labels), data, leaked, tolerance)


def base_rate_of_margins(
    true: Float[Tensor, " example"], data: Dataset, leaked: Bool[Tensor, " example"], tolerance: float = 0.0
) -> BaseRate:
    """The same from the margins of the true labels."""
    held_out = data.test & ~leaked
    split, examples = ("test", held_out) if held_out.any() else ("all", torch.ones_like(held_out))
    classes, right = data.true_labels[examples], true[examples] > tolerance
    counts = [torch.bincount(some, minlength=data.n_classes).cpu() for some in (classes[right], classes)]
    return BaseRate(split, *counts)


def beats_base_rate(logits: Logits, data: Dataset, leaked: Bool[Tensor, " example"]) -> bool:
    """True if more examples are answered right than have the commonest true label; see `BaseRate.above`."""
    return base_rate_of(logits, data, leaked).above

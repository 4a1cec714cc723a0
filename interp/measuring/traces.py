"""Traces of memorised labels where they are no longer the answer: their rank among the wrong answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.special import gammaln
from torch import Tensor

from interp.data import Dataset
from interp.markup import number, percentage
from interp.measuring.logits import Logits, by_rows
from interp.output import plain

ALPHA = 0.01
"""Traces are claimed only up to this p-value."""
FEW_RANKS = 5
RANKS_HEADER = (
    "label",
    "runner-up before",
    "after",
    "in the top five before",
    "after",
    "mean rank before",
    "after",
)
SHARES = ("runner_up", "top_five")
LABELS_RANKED = {
    "memorised": "memorised wrong label",
    "control": "never-trained wrong label",
    "class_control": "wrong label of another of the class",
}


@dataclass(frozen=True)
class Ranks:
    """Places of one wrong label an example among all wrong answers, which are the classes but the true one.

    Attributes:
        examples: How many.
        runner_up: Share in [0, 1] whose label is the strongest of the wrong answers; a tie is no first place.
        top_five: Share among the five strongest; None where there are no more than five.
        mean_rank: From 1, the strongest.
    """

    examples: int
    runner_up: float
    top_five: float | None
    mean_rank: float

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return dict(vars(self))


@dataclass(frozen=True)
class Traces:
    """Ranks of memorised wrong labels without some neurons, beside wrong labels that nobody trained on.

    Attributes:
        memorised: Of the wrong labels that were trained on.
        control: Of labels drawn for held-out examples, uniformly over the wrong ones; None without such examples.
        class_control: The same with the wrong label of a random training example of the same true class, so that noise
            which depends on the class is no trace of memory.
        before: The three in the whole network.
        chance: Of labels drawn uniformly where the network favours none.
        p_value: One-sided, of Fisher's exact tests that `memorised` are runner-up no more often than either control
            (the larger of the two). It takes examples as independent. None without a control.
    """

    memorised: Ranks
    control: Ranks | None
    class_control: Ranks | None
    before: dict[str, Ranks | None]
    chance: Ranks
    p_value: float | None

    @property
    def left(self) -> bool | None:
        """True if memorised labels are runner-up significantly more often than others; None without a control."""
        return None if self.p_value is None else self.p_value <= ALPHA

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return plain(vars(self))

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Ranks before and after, in the order of `RANKS_HEADER`, as shown."""
        for name, title in LABELS_RANKED.items():
            both = [ranks for ranks in (self.before[name], getattr(self, name)) if ranks is not None]
            if both:
                shares = (
                    percentage(share) for key in SHARES for share in (getattr(one, key) for one in both)
                )
                yield title, *shares, *(number(one.mean_rank, 3) for one in both)

    def sentence(self) -> str:
        """The finding in words."""
        share = percentage(self.memorised.runner_up)
        main = f"Then the wrong label is still runner-up for {share} of the wrongly labelled examples"
        if self.control is None or self.class_control is None or self.p_value is None:
            return f"{main}; there are no held-out examples to compare with."
        controls = (
            f"never-trained labels: {percentage(self.control.runner_up)}, others of the class: "
            f"{percentage(self.class_control.runner_up)}, p {p_in_words(self.p_value)}"
        )
        verdict = "traces of the memories are left" if self.left else "no trace of the memories shows"
        return f"{main} ({controls}): {verdict}."


def memory_traces(
    logits: Logits,
    before: Logits,
    data: Dataset,
    *,
    tolerance: float = 0.0,
    seed: int = 0,
) -> Traces | None:
    """Ranks of the memorised wrong labels, with never-trained labels of held-out examples as control.

    Source: the question is that of arXiv 2505.16831, whether forgetting only hides; the controls are this project's.

    Args:
        logits: Without some neurons.
        before: Of the whole network.
        data: The examples, on the same device.
        tolerance: Logits that differ by no more are equal.
        seed: Of the labels drawn for held-out examples.

    Returns:
        None where no label is known to be wrong, or there are fewer than three classes: then there is one wrong
        answer at most.

    Example:
        >>> labels, train = torch.tensor([1, 2, 0, 0]), torch.tensor([True, True, False, False])
        >>> data = Dataset(torch.zeros(4, 1), labels, torch.zeros(4).long(), train, train, n_classes=3)
        >>> logits = torch.tensor([[3.0, 2.0, 1.0]]).expand(4, -1)
        >>> memory_traces(logits, logits, data).memorised.runner_up
        0.5
    """
    wrong, held_out = data.mislabelled.nonzero()[:, 0], data.test.nonzero()[:, 0]
    if data.n_classes < 3 or not len(wrong):
        return None
    generator = np.random.default_rng(seed)
    labelled = {
        "memorised": (wrong, data.labels[wrong]),
        "control": (held_out, uniform_wrong_labels(data, held_out, generator)),
        "class_control": (held_out, wrong_labels_of_class(data, held_out, generator)),
    }

    def all_ranks(logits: Logits) -> dict[str, Ranks | None]:
        result = dict.fromkeys(labelled)
        for name, (rows, labels) in labelled.items():
            if len(rows):
                true = data.true_labels[rows]
                places = by_rows(partial(_places, tolerance=tolerance), logits, labels, true, chosen=rows)
                result[name] = _summary(places, data.n_classes)
        return result

    memorised, control, class_control = all_ranks(logits).values()
    assert memorised is not None
    controls = (control, class_control)
    p_values = [more_often(*_runners_up(memorised), *_runners_up(one)) for one in controls if one is not None]
    chance = _ranks_by_chance(len(wrong), data.n_classes - 1)
    return Traces(memorised, *controls, all_ranks(before), chance, max(p_values, default=None))


def ranks(
    logits: Float[Tensor, "example output"],
    labels: Int[Tensor, " example"],
    true_labels: Int[Tensor, " example"],
    tolerance: float = 0.0,
) -> Ranks:
    """Ranks of wrong labels among the wrong answers; one that ties with others has the last of their places.

    Example:
        >>> ranks(torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([1]), torch.tensor([0])).mean_rank
        2.0
    """
    return _summary(_places(logits, labels, true_labels, tolerance), logits.shape[1])


def _places(logits: Tensor, labels: Tensor, true_labels: Tensor, tolerance: float) -> Int[Tensor, " example"]:
    as_strong = logits >= logits.gather(1, labels[:, None]) - tolerance
    return as_strong.scatter_(1, true_labels[:, None], False).sum(1)


def _summary(rank: Int[Tensor, " example"], n_classes: int) -> Ranks:
    top_five = float((rank <= FEW_RANKS).double().mean()) if n_classes - 1 > FEW_RANKS else None
    return Ranks(len(rank), float((rank == 1).double().mean()), top_five, float(rank.double().mean()))


def uniform_wrong_labels(
    data: Dataset, rows: Int[Tensor, " row"], generator: np.random.Generator
) -> Int[Tensor, " row"]:
    """Wrong labels for some examples, drawn uniformly over the classes but the true one."""
    shift = torch.as_tensor(generator.integers(1, data.n_classes, len(rows)), device=data.labels.device)
    return (data.true_labels[rows] + shift) % data.n_classes


def wrong_labels_of_class(
    data: Dataset, rows: Int[Tensor, " row"], generator: np.random.Generator
) -> Int[Tensor, " row"]:
    """Wrong labels for some examples, each that of a random wrongly labelled training example of the same true class.

    Uniform where the class has none.
    """
    drawn = uniform_wrong_labels(data, rows, generator).cpu().numpy()
    true = data.true_labels[rows].cpu().numpy()
    labels, classes = (x[data.mislabelled].cpu().numpy() for x in (data.labels, data.true_labels))
    for one in np.intersect1d(true, classes):
        drawn[true == one] = generator.choice(labels[classes == one], np.count_nonzero(true == one))
    return torch.as_tensor(drawn, device=data.labels.device)


def more_often(hits: int, total: int, control_hits: int, control_total: int) -> float:
    """One-sided p-value of Fisher's exact test that a share is no larger than a control's.

    Example:
        >>> round(more_often(3, 4, 1, 4), 4)
        0.2429
    """
    drawn = np.arange(hits, min(total, hits + control_hits) + 1)
    rest = hits + control_hits - drawn
    logarithms = _log_choose(total, drawn) + _log_choose(control_total, rest)
    return float(min(1.0, np.exp(logarithms - _log_choose(total + control_total, hits + control_hits)).sum()))


def p_in_words(p_value: float) -> str:
    """A p-value after its sign, as in ``= 0.03`` or ``below 0.001``."""
    return "below 0.001" if p_value < 0.001 else f"= {number(p_value, 2)}"


def _log_choose(n: Any, k: Any) -> Any:
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)


def _runners_up(ranks: Ranks) -> tuple[int, int]:
    return round(ranks.runner_up * ranks.examples), ranks.examples


def _ranks_by_chance(examples: int, n_wrong: int) -> Ranks:
    top_five = FEW_RANKS / n_wrong if n_wrong > FEW_RANKS else None
    return Ranks(examples, 1 / n_wrong, top_five, (n_wrong + 1) / 2)

"""The few logits of each example that decide its answer: of its labels, and the largest of the other classes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.data import Dataset
from interp.measuring import rival_kernels
from interp.measuring.logits import Logits, blocks_of, moments_of

KEPT = 16
"""Classes beside the labels whose logits are kept, the largest ones."""
FEWEST = 4 * KEPT
"""Classes from which that is worth it."""


@dataclass(frozen=True, eq=False)
class Rivals:
    """Logits that decide answers, from one pass over all of them.

    Attributes:
        own: Of the label as trained on, and of the true one, ``(two, example)``.
        values: The largest of all other classes, in descending order.
        classes: Which these are.
        complete: Whether there are no others.
        different: Mask of the examples whose label is not the true one.
        largest: Largest size of any logit; NaN or infinite where one is.
        moments: Sums of each output's logits, and of their squares, ``(two, output)``.
    """

    own: Float[Tensor, "two example"]
    values: Float[Tensor, "example rival"]
    classes: Int[Tensor, "example rival"]
    complete: bool
    different: Bool[Tensor, " example"]
    largest: float
    moments: Float[Tensor, "two output"]

    @property
    def margins(self) -> Float[Tensor, "two example"]:
        """Margins of the label as trained on and of the true one, as `both_margins` has them."""
        return self._margins_of(self.own, self.values[:, 0])

    def _margins_of(
        self, own: Float[Tensor, "two example"], top: Float[Tensor, " example"]
    ) -> Float[Tensor, "two example"]:
        """Margins where the labels' logits and the largest other one are these."""
        other = torch.where(self.different, own.flip(0), -torch.inf)
        return own - torch.maximum(top, other)

    def changed(
        self, change: Float[Tensor, " example"], weights: Float[Tensor, " output"], data: Dataset
    ) -> tuple[Float[Tensor, "two example"], Bool[Tensor, " example"]]:
        """Margins after one neuron changed, and the examples whose rivals decide them.

        Args:
            change: Of its activation.
            weights: Of its readout.
        """
        tops = (self.values + change[:, None] * weights[self.classes.long()]).amax(1)
        beyond = self.values[:, -1] + torch.maximum(change * weights.max(), change * weights.min())
        labels = torch.stack([data.labels, data.true_labels])
        margins = self._margins_of(self.own + change * weights[labels], tops)
        return margins, (beyond <= tops) | self.complete


def rivals_of(logits: Logits, data: Dataset, kept: int = KEPT) -> Rivals:
    """Read all logits once, in blocks.

    Args:
        kept: Classes whose logits are kept beside the labels'; fewer where there are fewer.

    Example:
        >>> labels, none = torch.tensor([0, 2]), torch.zeros(2).bool()
        >>> data = Dataset(torch.zeros(2, 1), labels, labels, none, none, n_classes=4, split_known=False)
        >>> rivals = rivals_of(torch.tensor([[5.0, 1.0, 3.0, 2.0], [0.0, 1.0, 4.0, 5.0]]), data, kept=2)
        >>> rivals.classes.tolist(), rivals.margins[0].tolist()
        ([[2, 3], [3, 1]], [2.0, -1.0])
    """
    n, classes = logits.shape
    kept = max(1, min(kept, classes - 1))
    labels, true = data.labels, data.true_labels
    own = torch.empty(2, n, dtype=logits.dtype, device=labels.device)
    values = torch.empty(n, kept, dtype=logits.dtype, device=labels.device)
    places = torch.empty(n, kept, dtype=torch.int32, device=labels.device)
    largest = torch.zeros((), dtype=logits.dtype, device=labels.device)
    moments = torch.zeros(2, classes, dtype=torch.float64, device=labels.device)
    for rows in blocks_of(logits):
        block = logits[rows]
        largest = torch.maximum(largest, block.abs().max())  # NaN wins
        moments += moments_of(block)
        both = torch.stack([labels[rows], true[rows]], dim=1)
        own[:, rows] = block.gather(1, both).T
        if block.device.type == "cpu" and block.dtype == torch.float32:
            tensors = block.contiguous(), labels[rows], true[rows], values[rows], places[rows]
            rival_kernels.largest_rivals(torch.get_num_threads(), *(tensor.numpy() for tensor in tensors))
        else:
            top = block.scatter(1, both, float("-inf")).topk(kept, dim=1)
            values[rows], places[rows] = top.values, top.indices.to(torch.int32)
    return Rivals(own, values, places, kept >= classes - 1, labels != true, float(largest), moments)

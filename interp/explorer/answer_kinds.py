"""The kind of each answer of a network: right or wrong, of an example that was trained on, held out or corrupted."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.data import Dataset
from interp.plots import ANSWERS

CODES = {name: code for code, name in enumerate(ANSWERS)}


def answer_codes(
    margins: Float[Tensor, "two example"], data: Dataset, tolerance: float = 0.0
) -> Int[np.ndarray, " example"]:
    """The index in `interp.plots.ANSWERS` of each example, by margins of the label as trained on and of the true one.

    A corrupted example whose label was redrawn to the right one counts as answered as labelled.

    Example:
        >>> labels, true = torch.tensor([1, 0, 1]), torch.tensor([1, 1, 1])
        >>> train, corrupted = torch.tensor([True, True, False]), torch.tensor([False, True, False])
        >>> data = Dataset(torch.tensor([[0], [1], [2]]), labels, true, train, corrupted, 2)
        >>> [list(CODES)[i] for i in answer_codes(torch.tensor([[1.0, -1.0, -1.0], [1.0, 1.0, -1.0]]), data)]
        ['trained on, right', 'corrupted, as true', 'held out, wrong']
    """
    as_labelled, as_true = (margins > tolerance).cpu()
    data = data.to("cpu")
    if not data.split_known:
        return torch.where(as_true, CODES["right"], CODES["wrong"]).numpy()
    held_out = torch.where(as_true, CODES["held out, right"], CODES["held out, wrong"])
    clean = torch.where(as_labelled, CODES["trained on, right"], CODES["trained on, wrong"])
    corrupted = torch.where(as_true, CODES["corrupted, as true"], CODES["corrupted, neither"])
    corrupted = torch.where(as_labelled, CODES["corrupted, as labelled"], corrupted)
    return torch.where(data.corrupted, corrupted, torch.where(data.train, clean, held_out)).numpy()

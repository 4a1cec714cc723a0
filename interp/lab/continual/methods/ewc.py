"""Elastic weight consolidation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from interp.lab.continual.method import Run
from interp.lab.continual.methods.example_gradients import fisher
from interp.lab.continual.methods.penalty import Penalty


@dataclass(frozen=True)
class EWC(Penalty):
    """A pull of weights to their values after each task, by their Fisher information for it (arXiv 1612.00796).

    The information is the empirical one, see `fisher`: of the labels that were trained on.

    Example:
        >>> EWC(100.0)
        EWC(strength=100.0, shuffled=False)
    """

    own_values: ClassVar[bool] = True

    @torch.enable_grad()
    def importance(self, run: Run) -> dict[str, Tensor]:
        return fisher(run.network, run.current.inputs, run.current.labels)

"""Stiffness alone: every weight is as important as any other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from interp.lab.continual.method import Run
from interp.lab.continual.methods.penalty import Penalty


@dataclass(frozen=True)
class L2(Penalty):
    """A pull of all weights to their values after the last task (arXiv 2203.17269).

    Example:
        >>> L2(0.1).strength
        0.1
    """

    summed: ClassVar[bool] = False

    def importance(self, run: Run) -> dict[str, Tensor]:
        return {name: torch.ones_like(one) for name, one in run.network.named_parameters()}

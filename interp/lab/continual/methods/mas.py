"""Memory-aware synapses: importance without labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from interp.lab.continual.method import Run
from interp.lab.continual.methods.example_gradients import sensitivity
from interp.lab.continual.methods.penalty import Penalty


@dataclass(frozen=True)
class MAS(Penalty):
    """A pull of weights to their values after the last task, by how much the logits depend on them (arXiv 1711.09601).

    Importances of the tasks so far are summed.

    Example:
        >>> MAS(strength=0.1)
        MAS(strength=0.1, shuffled=False)
    """

    @torch.enable_grad()
    def importance(self, run: Run) -> dict[str, Tensor]:
        return sensitivity(run.network, run.current.inputs)

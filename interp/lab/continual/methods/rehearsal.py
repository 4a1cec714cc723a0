"""Rehearsal of former tasks, more or less often by how long ago they were learnt (arXiv 2401.10393)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from interp.errors import ConfigError
from interp.lab.continual.method import Batch, Method, Run
from interp.lab.continual.methods.joint import examples_of


@dataclass(frozen=True)
class Rehearsal(Method):
    """A share of all rows comes from former tasks; a task that was learnt d tasks ago with a chance ∝ d^−alpha.

    Every example of a former task may come again, so that the shares of the tasks are all that tells alphas apart: the
    rows that are rehearsed are equally many on average for each alpha.

    Args:
        alpha: 0 rehearses all former tasks alike; the larger, the more the last one.
        share: The chance of a row to be rehearsed, in (0, 1); there is nothing to rehearse in the first task.

    Raises:
        ConfigError: The share is no chance, or alpha is negative.

    Example:
        >>> (11 * Rehearsal(alpha=1.0).chances(3)).round().tolist()  # of the first task, and of later ones
        [2.0, 3.0, 6.0]
    """

    alpha: float = 1.0
    share: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ConfigError(f"share={self.share} of rehearsed rows is not in (0, 1)")
        if self.alpha < 0:
            raise ConfigError(f"alpha={self.alpha} is below 0; 0 rehearses all former tasks alike")

    def chances(self, former: int) -> Float[Tensor, " task"]:
        """Of each of so many former tasks to be the one that a rehearsed row is of; they sum to 1."""
        ages = torch.arange(former, 0, -1, dtype=torch.float64)
        weights = ages**-self.alpha
        return weights / weights.sum()

    def before_batch(self, run: Run, batch: Batch) -> Batch:
        n = int((torch.rand(len(batch.labels), generator=run.generator) < self.share).sum())
        if not run.task or not n:
            return batch
        places = self.chances(run.task).multinomial(n, replacement=True, generator=run.generator)
        rehearsed = examples_of(run, places)
        return Batch(
            torch.cat([batch.inputs[:-n], rehearsed.inputs]), torch.cat([batch.labels[:-n], rehearsed.labels])
        )

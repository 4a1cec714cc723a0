"""Training on all tasks at once: the upper bound of methods against forgetting."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from interp.lab.continual.method import Batch, Method, Run


@dataclass(frozen=True)
class Joint(Method):
    """Examples of all tasks in every batch, each task as likely; also of those to come, which no method may see.

    Example:
        >>> from torch import nn
        >>> from interp.lab.continual.method import LearningTask
        >>> from interp.lab.continual.sequence import Training, learn_in_sequence
        >>> x = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
        >>> tasks = [LearningTask(str(k), x + 9 * k, (x[:, k] > 0).long(), x, (x[:, k] > 0).long()) for k in (0, 1)]
        >>> learnt = learn_in_sequence(nn.Linear(5, 2), tasks, Joint(), Training(updates=5, lr=0.01))
        >>> learnt.accuracy.shape
        (2, 2)
    """

    def before_batch(self, run: Run, batch: Batch) -> Batch:
        return examples_of(run, run.drawn(len(batch.labels), len(run.tasks)))


def examples_of(run: Run, places: torch.Tensor) -> Batch:
    """Training examples drawn from the tasks at these places, one for each, in the order of the tasks."""
    inputs, labels = [], []
    for place, n in zip(*(one.tolist() for one in places.unique(return_counts=True)), strict=True):
        task = run.tasks[place]
        rows = run.drawn(n, len(task.labels))
        inputs.append(task.inputs[rows])
        labels.append(task.labels[rows])
    return Batch(torch.cat(inputs), torch.cat(labels))

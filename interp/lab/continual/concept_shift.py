"""A stream of digits whose labels are permuted anew every so many updates, and the accuracy on it as it is learnt."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import nn
from torch.nn.functional import cross_entropy

from interp.lab.continual.method import Batch, LearningTask, Method, Run
from interp.lab.continual.sequence import DivergedError


def learn_online(
    network: nn.Module,
    tasks: tuple[LearningTask, ...],
    method: Method,
    *,
    updates: int,
    lr: float,
    batch: int = 32,
    generator: torch.Generator,
) -> tuple[Float[np.ndarray, " update"], Run]:
    """Learn a stream by stochastic gradient descent, and measure accuracy on each batch before it is learnt from.

    Args:
        network: Changed in place.
        tasks: What holds for so many updates each, in this order.
        method: Called as in `learn_in_sequence`.
        updates: Of each task.
        generator: Draws the batches.

    Returns:
        The accuracies, and the run, whose memory holds what the method kept.

    Raises:
        DivergedError: The loss became infinite or nan.

    Example:
        >>> x = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
        >>> tasks = tuple(LearningTask(str(k), x, (x[:, k] > 0).long(), x, (x[:, k] > 0).long()) for k in range(2))
        >>> rest = {"updates": 30, "lr": 0.5, "generator": torch.Generator().manual_seed(0)}
        >>> accuracy, _ = learn_online(nn.Linear(5, 2), tasks, Method(), **rest)
        >>> len(accuracy), bool(accuracy[20:30].mean() > accuracy[30:33].mean())  # before and after the shift
        (60, True)
    """
    optimizer = torch.optim.SGD(network.parameters(), lr=lr)
    run = Run(network.train(), tasks, optimizer, updates, lr, generator)
    method.start(run)
    accuracy = list[float]()
    for run.task in range(len(tasks)):
        for run.step in range(updates):
            rows = run.drawn(batch, len(run.current.labels))
            examples = method.before_batch(run, Batch(run.current.inputs[rows], run.current.labels[rows]))
            logits = network(examples.inputs)
            loss = cross_entropy(logits, examples.labels)
            if not loss.isfinite():
                raise DivergedError(
                    f"training diverged at update {len(accuracy)} with {method}; lower lr={lr}"
                )
            accuracy.append(float((logits.argmax(1) == examples.labels).float().mean()))
            optimizer.zero_grad()
            loss.backward()
            method.gradient(run, examples, logits.detach())
            optimizer.step()
            method.after_step(run)
        method.after_task(run)
    return np.array(accuracy), run

"""Learning-rate schedules over a sequence of tasks."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi

import numpy as np

from interp.lab.continual.method import Batch, Method, Run


@dataclass(frozen=True)
class Rate(Method):
    """A learning rate that changes; this one stays at a share of the one of the settings."""

    share: float = 1.0

    def at(self, task: int, step: int, tasks: int, updates: int) -> float:
        """The share of the learning rate at an update of a task."""
        return self.share

    def before_batch(self, run: Run, batch: Batch) -> Batch:
        run.set_lr(run.lr * self.at(run.task, run.step, len(run.tasks), run.updates))
        return batch


@dataclass(frozen=True)
class RepeatedCosine(Rate):
    """Warm-up to the learning rate and a fall along a cosine, in every task anew.

    Attributes:
        warm: Share of a task's updates in which the rate rises.
        least: Share of the rate at the end.

    Example:
        >>> schedule = RepeatedCosine(warm=0.1, least=0.0)
        >>> [round(schedule.at(0, step, 2, 100), 2) for step in (0, 9, 10, 55, 99)]
        [0.1, 1.0, 1.0, 0.5, 0.0]
    """

    warm: float = 0.1
    least: float = 0.01

    def at(self, task: int, step: int, tasks: int, updates: int) -> float:
        return self.share * _warm_then_cosine(step, self.warm * updates, updates, self.least)


@dataclass(frozen=True)
class WarmCoolAnneal(Rate):
    """Warm-up and a fall to a constant in the first task; this constant; a fall to the end in the last task.

    After the infinite schedules of arXiv 2503.02844: tasks that follow do not warm up again.

    Attributes:
        warm: Share of the first task's updates in which the rate rises.
        constant: Share of the rate that is kept.
        anneal: Share of the last task's updates in which it falls.
        least: Share of the rate at the end.

    Example:
        >>> schedule = WarmCoolAnneal(constant=0.5, anneal=0.2, least=0.0)
        >>> [round(schedule.at(task, step, 3, 100), 2) for task, step in ((0, 9), (0, 99), (1, 0), (2, 79), (2, 99))]
        [1.0, 0.5, 0.5, 0.5, 0.03]
    """

    warm: float = 0.1
    constant: float = 0.3
    anneal: float = 0.3
    least: float = 0.01

    def at(self, task: int, step: int, tasks: int, updates: int) -> float:
        if task == 0:
            return self.share * _warm_then_cosine(step, self.warm * updates, updates, self.constant)
        last = (1 - self.anneal) * updates
        if task < tasks - 1 or step < last:
            return self.share * self.constant
        fall = (step - last) / (updates - last)
        return self.share * (self.least + (self.constant - self.least) * (1 - fall))


def mean_share(schedule: Rate, tasks: int, updates: int) -> float:
    """The mean over all updates of a schedule's share of the learning rate: that of a constant rate to compare it to.

    Example:
        >>> mean_share(Rate(0.3), 4, 100)
        0.3
    """
    shares = [schedule.at(task, step, tasks, updates) for task in range(tasks) for step in range(updates)]
    return float(round(np.mean(shares), 12))


def _warm_then_cosine(step: int, warm: float, updates: int, least: float) -> float:
    if step < warm:
        return min(1.0, (step + 1) / warm)
    return least + (1 - least) * (1 + cos(pi * (step - warm) / (updates - warm))) / 2

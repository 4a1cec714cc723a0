"""Sequences of tasks that methods are compared on, each with its network and its training."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn.functional import one_hot

from interp.lab.continual.method import LearningTask
from interp.lab.continual.sequence import Training
from interp.lab.continual.tasks import class_incremental_digits, operations_in_sequence, permuted_digits
from interp.lab.hosts.training import seeded
from interp.lab.study import Settings, setting

BENCHMARKS = {
    "permuted": "permuted digits",
    "classes": "digits two classes at a time",
    "operations": "modular operations",
}
OPERATIONS, MODULUS, WIDTH = ("add", "subtract", "multiply"), 11, 128


@dataclass(frozen=True)
class Sequences(Settings):
    """Updates of the tasks of each sequence."""

    tasks: int = setting(4, "Tasks of permuted digits.", "[2, inf)")
    updates: int = setting(200, "Updates of each of them.", "[1, inf)")
    lr: float = setting(0.2, "Their learning rate.", "(0, inf)")
    class_updates: int = setting(100, "Updates of each pair of classes.", "[1, inf)")
    operation_updates: int = setting(200, "Updates of each modular operation.", "[1, inf)")


@dataclass(frozen=True, eq=False)
class Benchmark:
    """A sequence of tasks for networks of two hidden layers.

    Attributes:
        seed: Of the tasks, of the first weights, and of the order of examples.
    """

    tasks: tuple[LearningTask, ...]
    training: Training
    seed: int

    @property
    def chance(self) -> float:
        """Accuracy of guessing among all classes."""
        return 1 / self.classes

    @property
    def classes(self) -> int:
        """Classes of all tasks."""
        return int(max(task.labels.max() for task in self.tasks)) + 1

    @property
    def updates(self) -> int:
        """Of all tasks."""
        return len(self.tasks) * self.training.updates

    def network(self) -> nn.Sequential:
        """The untrained network, the same each time."""
        with seeded(self.seed):
            return nn.Sequential(
                nn.Linear(self.tasks[0].inputs.shape[1], WIDTH),
                nn.ReLU(),
                nn.Linear(WIDTH, WIDTH),
                nn.ReLU(),
                nn.Linear(WIDTH, self.classes),
            )


def benchmark(name: str, config: Sequences, seed: int) -> Benchmark:
    """One of `BENCHMARKS`; networks see operations and operands as one-hot vectors.

    Every pair of operands is both trained on and tested: what is asked is how much of the tables is kept.

    Example:
        >>> one = benchmark("operations", Sequences(), 0)
        >>> len(one.tasks), one.tasks[0].inputs.shape, one.classes
        (3, torch.Size([121, 25]), 11)
    """
    generator = torch.Generator().manual_seed(seed)
    if name == "permuted":
        tasks = permuted_digits(config.tasks, generator)
        return Benchmark(tasks, Training(config.updates, lr=config.lr, check_every=20), seed)
    if name == "classes":
        tasks = class_incremental_digits(generator)
        return Benchmark(tasks, Training(config.class_updates, check_every=20), seed)
    tokens = operations_in_sequence(OPERATIONS, MODULUS, generator, held_out=0)
    tasks = tuple(_one_hot(task) for task in tokens)
    adam = Training(config.operation_updates, batch=64, lr=0.003, optimizer="adam", check_every=20)
    return Benchmark(tasks, adam, seed)


def _one_hot(task: LearningTask) -> LearningTask:
    sizes = (len(OPERATIONS), MODULUS, MODULUS)

    def shown(tokens: torch.Tensor) -> torch.Tensor:
        parts = [one_hot(tokens[:, place], size) for place, size in enumerate(sizes)]
        return torch.cat(parts, 1).float()

    return replace(task, inputs=shown(task.inputs), test_inputs=shown(task.test_inputs))

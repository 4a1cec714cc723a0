"""The interface of methods against forgetting: what they may see and change while tasks are learnt in sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class LearningTask:
    """One task of a sequence.

    Attributes:
        inputs, labels: Examples to train on; labels are classes from 0, over all tasks.
        test_inputs, test_labels: Held-out ones.
    """

    name: str
    inputs: Shaped[Tensor, "example ..."]
    labels: Int[Tensor, " example"]
    test_inputs: Shaped[Tensor, "test ..."]
    test_labels: Int[Tensor, " test"]


@dataclass(frozen=True, eq=False)
class Batch:
    """Examples of an update.

    Attributes:
        hidden: By the name of a submodule, outputs of it that stand in for those of the last rows of `inputs`: hidden
            activations that are replayed. No gradient flows to what is before the submodule from these rows.
    """

    inputs: Shaped[Tensor, "row ..."]
    labels: Int[Tensor, " row"]
    hidden: Mapping[str, Float[Tensor, "replayed ..."]] = field(default_factory=dict)


@dataclass(eq=False)
class Run:
    """Training in sequence as methods see it.

    Attributes:
        tasks: All of them; methods read those up to `task` only.
        task: Index of the task that is learnt now.
        step: Updates done in this task.
        updates: Updates of each task.
        lr: The learning rate of the settings; methods may set another in `optimizer`, which stays until they change it.
        generator: Of everything that is drawn.
        memory: What methods keep, each under itself.
    """

    network: nn.Module
    tasks: Sequence[LearningTask]
    optimizer: torch.optim.Optimizer
    updates: int
    lr: float
    generator: torch.Generator
    task: int = 0
    step: int = 0
    memory: dict[Method, Any] = field(default_factory=dict)

    @property
    def current(self) -> LearningTask:
        """The task that is learnt now."""
        return self.tasks[self.task]

    def drawn(self, n: int, total: int) -> Int[Tensor, " drawn"]:
        """Random numbers below `total`, with replacement."""
        return torch.randint(total, (n,), generator=self.generator)

    def set_lr(self, lr: float) -> None:
        """Change the learning rate from this update on."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr


@dataclass(frozen=True)
class Method:
    """A method against forgetting; this one does nothing. What it keeps stands in ``run.memory[self]``.

    Example:
        A method that halves every gradient::

            @dataclass(frozen=True)
            class Halved(Method):
                def gradient(self, run, batch, logits):
                    for parameter in run.network.parameters():
                        parameter.grad *= 0.5
    """

    def start(self, run: Run) -> None:
        """Called once, before the first task."""

    def before_batch(self, run: Run, batch: Batch) -> Batch:
        """Called before every update with its examples; returns those that are trained on."""
        return batch

    def gradient(self, run: Run, batch: Batch, logits: Float[Tensor, "row class"]) -> None:
        """Called with every gradient; may change the parameters' ``grad``."""

    def after_step(self, run: Run) -> None:
        """Called after every update."""

    def after_task(self, run: Run) -> None:
        """Called after the last update of every task."""


@dataclass(frozen=True)
class Together(Method):
    """Several methods at once, called in their order."""

    methods: tuple[Method, ...]

    def start(self, run: Run) -> None:
        for method in self.methods:
            method.start(run)

    def before_batch(self, run: Run, batch: Batch) -> Batch:
        for method in self.methods:
            batch = method.before_batch(run, batch)
        return batch

    def gradient(self, run: Run, batch: Batch, logits: Float[Tensor, "row class"]) -> None:
        for method in self.methods:
            method.gradient(run, batch, logits)

    def after_step(self, run: Run) -> None:
        for method in self.methods:
            method.after_step(run)

    def after_task(self, run: Run) -> None:
        for method in self.methods:
            method.after_task(run)

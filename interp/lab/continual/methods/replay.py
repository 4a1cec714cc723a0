"""Replay of a few examples of every former task: as they are, or with the labels or inputs of a control."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from interp.errors import ConfigError, choose
from interp.lab.continual.method import Batch, Method, Run

CONTENTS = {
    "kept": "as they were",
    "shuffled": "with the labels of the buffer in another order",
    "noise": "Gaussian, of the mean and covariance of each task's part of the buffer",
}
RIDGE = 1e-6  # added to variances, so that a covariance of few examples has a root


@dataclass(eq=False)
class Buffer:
    """Values and labels to replay.

    Attributes:
        parts: Values and labels of every former task that is kept.
    """

    parts: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def shuffle(self, generator: torch.Generator) -> None:
        """Put the labels of all tasks in another order, and leave the values where they are."""
        values, labels = zip(*self.parts, strict=True)
        lengths = [len(one) for one in labels]
        every = torch.cat(labels)
        every = every[torch.randperm(len(every), generator=generator)]
        self.parts = list(zip(values, every.split(lengths), strict=True))


@dataclass(frozen=True)
class Replay(Method):
    """A part of each batch is replayed from a buffer of a few examples of every former task.

    Args:
        n: Examples that are kept of each task.
        share: Of the rows of each batch, from the second task on, replayed in place of current ones; in (0, 1).
        recent: Only this many of the last tasks are replayed; all if None.
        content: One of `CONTENTS`: what is replayed, or a control that could serve as well if the content did not
            matter.

    Raises:
        ConfigError: A number is out of range, or there is no such content.

    Example:
        >>> Replay(share=1.0)
        Traceback (most recent call last):
        interp.errors.ConfigError: share=1.0 of replayed rows is not in (0, 1)
    """

    n: int = 40
    share: float = 0.5
    recent: int | None = None
    content: str = "kept"
    contents: ClassVar = CONTENTS

    def __post_init__(self) -> None:
        choose("content", self.content, self.contents)
        if not 0 < self.share < 1:
            raise ConfigError(f"share={self.share} of replayed rows is not in (0, 1)")
        for name, value in (("n", self.n), ("recent", self.recent)):
            if value is not None and value < 1:
                raise ConfigError(f"{name}={value} is below 1")

    def start(self, run: Run) -> None:
        run.memory[self] = Buffer()

    def before_batch(self, run: Run, batch: Batch) -> Batch:
        n, parts = round(self.share * len(batch.labels)), run.memory[self].parts
        if not parts or not n:
            return batch
        values, labels = (torch.cat(one) for one in zip(*parts, strict=True))
        rows = run.drawn(n, len(labels))
        return self.mixed(run, batch, values[rows], labels[rows])

    def after_task(self, run: Run) -> None:
        task, buffer = run.current, run.memory[self]
        order = torch.randperm(len(task.labels), generator=run.generator)[: self.n]
        values, labels = self.stored(run, task.inputs[order]), task.labels[order]
        if self.content == "noise":
            values = alike(values, run.generator)
        buffer.parts = [*buffer.parts, (values, labels)][-(self.recent or len(run.tasks)) :]
        if self.content == "shuffled":
            buffer.shuffle(run.generator)

    def stored(self, run: Run, inputs: Shaped[Tensor, "kept ..."]) -> Shaped[Tensor, "kept ..."]:
        """The values to keep of some examples."""
        return inputs

    def mixed(
        self, run: Run, batch: Batch, kept: Shaped[Tensor, "replayed ..."], labels: Int[Tensor, " replayed"]
    ) -> Batch:
        """A batch whose last rows are replayed."""
        own = len(batch.labels) - len(labels)
        return Batch(torch.cat([batch.inputs[:own], kept]), torch.cat([batch.labels[:own], labels]))


def alike(values: Float[Tensor, "kept ..."], generator: torch.Generator) -> Float[Tensor, "kept ..."]:
    """Gaussian noise of the mean and covariance of some examples, as many and of their shape.

    Example:
        >>> values = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([3.0, 1.0])
        >>> alike(values, torch.Generator().manual_seed(1)).std(0).round().tolist()
        [3.0, 1.0]
    """
    flat = values.flatten(1)
    mean = flat.mean(0)
    variances, axes = torch.linalg.eigh((flat - mean).T.cov(correction=0) + RIDGE * torch.eye(len(mean)))
    drawn = torch.randn(flat.shape, generator=generator) * variances.clamp(min=0).sqrt()
    return (mean + drawn @ axes.T).reshape(values.shape)

"""Quadratic penalties on moving away from the parameters after earlier tasks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from interp.lab.continual.method import Batch, Method, Run


@dataclass(frozen=True, eq=False)
class Anchor:
    """Importance of each parameter, and importance times the value that it is pulled to."""

    weight: dict[str, Tensor]
    pull: dict[str, Tensor]


@dataclass(frozen=True)
class Penalty(Method, ABC):
    """Half of a strength times the sum of importances times squared distances; subclasses say what is important.

    Gradient steps of this penalty grow without bound where learning rate times strength times importance is above 2:
    training then diverges, which `learn_in_sequence` raises.

    Attributes:
        strength: At 0 training is the same as without.
        shuffled: Shuffle importances within each parameter: a control that is as stiff, at other weights.
    """

    strength: float = 1.0
    shuffled: bool = False
    summed: ClassVar[bool] = True  # over tasks
    own_values: ClassVar[bool] = False  # each task's importance pulls to the values after that task

    @abstractmethod
    def importance(self, run: Run) -> dict[str, Tensor]:
        """Of each parameter for the task that has just been learnt."""

    def gradient(self, run: Run, batch: Batch, logits: Float[Tensor, "row class"]) -> None:
        anchor = run.memory.get(self)
        if anchor is None:
            return
        for name, parameter in run.network.named_parameters():
            if parameter.grad is not None and name in anchor.weight:
                away = anchor.weight[name] * parameter.detach() - anchor.pull[name]
                parameter.grad.add_(away, alpha=self.strength)

    @torch.no_grad()
    def after_task(self, run: Run) -> None:
        if run.task == len(run.tasks) - 1:
            return  # nothing is learnt any more
        new, before = self.importance(run), run.memory.get(self)
        if self.shuffled:
            new = {name: _shuffled(one, run.generator) for name, one in new.items()}
        values = {name: one.detach().clone() for name, one in run.network.named_parameters() if name in new}
        weight = new if before is None or not self.summed else _sum(new, before.weight)
        pull = {name: one * values[name] for name, one in (new if self.own_values else weight).items()}
        if self.own_values and before is not None:
            pull = _sum(pull, before.pull)
        run.memory[self] = Anchor(weight, pull)


def _sum(one: dict[str, Tensor], other: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value + other[name] for name, value in one.items()}


def _shuffled(values: Tensor, generator: torch.Generator) -> Tensor:
    order = torch.randperm(values.numel(), generator=generator)
    return values.flatten()[order].view_as(values)

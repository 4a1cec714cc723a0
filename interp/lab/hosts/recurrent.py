"""Shared by hosts on recurrent packages: training on drawn examples, and accuracy while some units are silent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import CosineAnnealingLR

from interp.hooks import capture
from interp.interventions import ablate
from interp.lab.hosts.training import descend
from interp.lab.over_seeds import OverSeeds
from interp.lab.study import StudyResult
from interp.models import adopt
from interp.models.adopted import Adopted
from interp.progress import Report

Draw = Callable[[int, torch.Generator], tuple[Tensor, Tensor]]
"""Examples of a task, given how many and a generator: inputs ``(example, step, feature)`` and labels ``(example,)``."""

BATCH, EVALUATED, DRAWS = 64, 512, 10
TRAINING, CHOOSING, EVALUATING = range(3)
"""Purposes that examples are drawn for, each with random numbers of its own."""


def generator_for(seed: int, purpose: int) -> torch.Generator:
    """Random numbers of one purpose, the same for a seed if others are drawn or not."""
    return torch.Generator().manual_seed(3 * seed + purpose)


def train_on(
    module: nn.Module, draw: Draw, updates: int, seed: int, report: Report, *, lr: float = 3e-3
) -> None:
    """Train a network in place with Adam; each update sees examples that none has seen before."""
    generator = generator_for(seed, TRAINING)

    def loss() -> Tensor:
        inputs, labels = draw(BATCH, generator)
        return F.cross_entropy(module(inputs), labels)

    descend(module.parameters(), loss, updates, report, lr=lr, schedule=CosineAnnealingLR)


def class_spread(
    values: Float[Tensor, "example neuron"], labels: Int[Tensor, " example"]
) -> Float[np.ndarray, " neuron"]:
    """Variance of each unit's class means, every class with the same weight.

    Example:
        >>> class_spread(torch.tensor([[0.0, 1.0], [2.0, 1.0]]), torch.tensor([0, 1])).tolist()
        [1.0, 0.0]
    """
    means = torch.stack([values[labels == one].mean(0) for one in labels.unique()])
    return means.var(0, unbiased=False).numpy()


def random_others(
    width: int, chosen: Sequence[int], generator: np.random.Generator, draws: int = DRAWS
) -> list[list[int]]:
    """Random sets of as many other units as are chosen; of all units where there are not enough others.

    Example:
        >>> random_others(3, [0], np.random.default_rng(0), draws=1)[0] in ([1], [2])
        True
    """
    others = np.setdiff1d(np.arange(width), chosen)
    pool = others if len(others) >= len(chosen) else np.arange(width)
    return [sorted(generator.choice(pool, len(chosen), replace=False).tolist()) for _ in range(draws)]


@dataclass(frozen=True, eq=False)
class Bench:
    """An adopted network with examples that it was not trained on.

    Attributes:
        model: With its hook points.
        inputs: Of the examples.
        labels: Their right answers.
        generator: Draws the random sets.
    """

    model: Adopted
    inputs: Tensor
    labels: Int[Tensor, " example"]
    generator: np.random.Generator

    @classmethod
    def of(cls, module: nn.Module, sites: Sequence[str], draw: Draw, seed: int, **settings: Any) -> Bench:
        """Adopt a network, and draw the examples that it is measured on."""
        inputs, labels = draw(EVALUATED, generator_for(seed, EVALUATING))
        model = adopt(module.eval(), sites, example=inputs[:2], **settings)
        return cls(model, inputs, labels, np.random.default_rng(seed))

    def right(
        self, site: str | None = None, neurons: Sequence[int] = (), during: Any = None
    ) -> Bool[np.ndarray, " example"]:
        """True where the answer is right, with these units at zero in these steps."""
        silent = (
            ablate(self.model, list(neurons), "zero", site=site, during=during) if site else nullcontext()
        )
        with torch.no_grad(), silent:
            return (self.model(self.inputs).argmax(-1) == self.labels).numpy()

    def accuracy(self, site: str | None = None, neurons: Sequence[int] = (), during: Any = None) -> float:
        """Share of right answers, with these units at zero in these steps."""
        return float(self.right(site, neurons, during).mean())

    def random_accuracy(self, site: str, chosen: Sequence[int], width: int, during: Any = None) -> float:
        """Mean accuracy with as many random others at zero."""
        sets = random_others(width, chosen, self.generator)
        return float(np.mean([self.accuracy(site, one, during) for one in sets]))


def activations(model: Adopted, inputs: Tensor, site: str) -> Float[Tensor, "example time neuron"]:
    """Activations of a site at each step."""
    with torch.no_grad():
        return capture(model, inputs, site)[site]


def most(scores: np.ndarray, number: int) -> list[int]:
    """Indices of the largest scores, in rising order of the index."""
    return sorted(np.argsort(-scores, kind="stable")[:number].tolist())


def rounded(values: Any) -> list[float]:
    """Numbers of a curve, short enough to be kept in a file."""
    return [round(float(value), 4) for value in values]


def over_seeds(result: StudyResult, *names: str) -> list[OverSeeds]:
    """Numbers that every seed of these hosts has."""
    numbers = result.all_over(*names)
    assert numbers is not None
    return numbers


def cost_sentence(result: StudyResult, chosen: str, others: str, ablation: str, control: str) -> str:
    """Accuracy with all units, under an ablation and under its control, and which of these costs more."""
    whole, without, beside = over_seeds(result, "whole", chosen, others)
    side = beside.minus(without)
    verdict = side.verdict("The first costs more", "The first costs less", "Which costs more is not decided")
    return (
        f"Accuracy is {whole.words()} with all units, {without.words()} with {ablation}, and {beside.words()} with "
        f"{control}. {verdict}: the difference is {side.words()}."
    )

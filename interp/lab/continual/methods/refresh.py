"""The refresh step: every batch is unlearnt by one small step of gradient ascent, and then learnt as usual."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from interp.errors import ConfigError, choose
from interp.lab.continual.method import Batch, Method, Run
from interp.lab.continual.sequence import forward

DIRECTIONS = {"ascent": "up the gradient of the batch's loss", "random": "random, of the same length"}


@dataclass(eq=False)
class Importance:
    """Running mean of squared gradients, a diagonal of the Fisher information; None before the first gradient.

    Attributes:
        generator: Of the noise, apart from the run's own, so that batches are those of a run without this method.
    """

    generator: torch.Generator
    fisher: Tensor | None = None


@dataclass(frozen=True)
class Refresh(Method):
    """Before every update, one step up the gradient of its batch, shorter where parameters are important.

    After the refresh learning of arXiv 2403.13249, which this project knows from a summary: parameters change by
    ``size`` times the gradient, scaled to the length of the parameters, plus ``noise`` times Gaussian noise, over
    ``1 + damping`` times the Fisher information. It takes two gradients an update. Put it after replay in `Together`
    to unlearn what is replayed as well.

    Args:
        size: Of the step, as a share of the length of all parameters.
        damping: Weight of the Fisher information.
        noise: Spread of the noise beside the gradient.
        decay: Of the running mean of the Fisher information, in [0, 1).
        direction: One of `DIRECTIONS`; ``random`` is the control.

    Raises:
        ConfigError: A number is out of range, or there is no such direction.

    Example:
        >>> Refresh(direction="down")
        Traceback (most recent call last):
        interp.errors.ConfigError: unknown direction 'down'; expected one of 'ascent', 'random'
    """

    size: float = 1e-3
    damping: float = 1e-3
    noise: float = 1e-3
    decay: float = 0.9
    direction: str = "ascent"

    def __post_init__(self) -> None:
        choose("direction", self.direction, DIRECTIONS)
        if not 0 < self.size < 1 or not 0 <= self.decay < 1 or self.damping < 0 or self.noise < 0:
            raise ConfigError(
                f"size={self.size}, decay={self.decay}, damping={self.damping}, noise={self.noise}; expected a size in "
                "(0, 1), a decay in [0, 1) and the others at least 0"
            )

    def start(self, run: Run) -> None:
        run.memory[self] = Importance(torch.Generator().manual_seed(run.generator.initial_seed()))

    def before_batch(self, run: Run, batch: Batch) -> Batch:
        parameters = list(run.network.parameters())
        loss = cross_entropy(forward(run.network, batch), batch.labels)
        gradient = flat(torch.autograd.grad(loss, parameters))
        kept: Importance = run.memory[self]
        if self.direction == "random":
            gradient = torch.randn(gradient.shape, generator=kept.generator)
        with torch.no_grad():
            values = parameters_to_vector(parameters)
            vector_to_parameters(
                values + self.step(values, gradient, kept.fisher, kept.generator), parameters
            )
        return batch

    def step(
        self,
        values: Float[Tensor, " parameter"],
        gradient: Float[Tensor, " parameter"],
        fisher: Float[Tensor, " parameter"] | None,
        generator: torch.Generator,
    ) -> Float[Tensor, " parameter"]:
        """The change of all parameters."""
        scaled = gradient * values.norm() / gradient.norm().clamp_min(1e-30)
        noisy = scaled + self.noise * torch.randn(values.shape, generator=generator)
        return self.size * noisy / (1 + self.damping * (0.0 if fisher is None else fisher))

    def gradient(self, run: Run, batch: Batch, logits: Float[Tensor, "row class"]) -> None:
        kept: Importance = run.memory[self]
        squared = flat([_gradient_of(one) for one in run.network.parameters()]).square()
        kept.fisher = (
            squared if kept.fisher is None else self.decay * kept.fisher + (1 - self.decay) * squared
        )


def flat(tensors: tuple[Tensor, ...] | list[Tensor]) -> Float[Tensor, " parameter"]:
    """All numbers of some tensors, one after another."""
    return torch.cat([one.flatten() for one in tensors])


def _gradient_of(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad

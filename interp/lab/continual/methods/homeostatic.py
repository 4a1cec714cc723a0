"""Learning rates that follow a homeostatic state, after the idea of arXiv 2205.08645."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp

from jaxtyping import Float, Int
from torch import Tensor

from interp.errors import ConfigError, choose
from interp.lab.continual.method import Batch, Method, Run

EFFECTS = {
    "predicted": "mean effect of the predicted classes, whether right or wrong",
    "taken": "of the examples whose predicted class would bring the state back to 0, the effect of their true class",
    "consequence": "+1 for wrong answers and -1 for right ones, their mean",
}
CALM, WILD = 1 / 8, 8.0  # the least and the most that a learning rate is multiplied by


@dataclass(frozen=True)
class Homeostatic(Method):
    """The learning rate is multiplied by exp(gain · H), where H ← (1 − leak) · H + effect of what is classified.

    Classes are good or bad for the learner: even ones have the effect 1, odd ones −1. Only an abstract of the paper's
    algorithm is followed; see `EFFECTS` for what changes the state here. The factor is kept from 1/8 to 8, and is that
    of the update of the very examples that changed the state.

    Args:
        effect: One of `EFFECTS`.

    Raises:
        ConfigError: There is no such effect, or the leak is not in (0, 1].

    Example:
        >>> import torch
        >>> method, labels = Homeostatic("consequence"), torch.tensor([0, 1])
        >>> [method.change(torch.eye(2)[answers], labels, 0.0) for answers in ([0, 1], [1, 1], [1, 0])]
        [-1.0, 0.0, 1.0]
    """

    effect: str = "consequence"
    gain: float = 0.1
    leak: float = 0.1

    def __post_init__(self) -> None:
        choose("effect", self.effect, EFFECTS)
        if not 0 < self.leak <= 1:
            raise ConfigError(f"leak={self.leak} is not in (0, 1]")

    def change(self, logits: Float[Tensor, "row class"], labels: Int[Tensor, " row"], state: float) -> float:
        """The effect of a batch, from −1 to 1."""
        predicted = logits.argmax(1)
        if self.effect == "consequence":
            return float(1 - 2 * (predicted == labels).float().mean())
        if self.effect == "predicted":
            return float(good(predicted).mean())
        return float((good(labels) * (good(predicted) * state <= 0)).mean())

    def start(self, run: Run) -> None:
        run.memory[self] = Homeostasis()

    def gradient(self, run: Run, batch: Batch, logits: Float[Tensor, "row class"]) -> None:
        own: Homeostasis = run.memory[self]
        own.state = (1 - self.leak) * own.state + self.change(logits, batch.labels, own.state)
        own.factors.append(min(max(exp(self.gain * own.state), CALM), WILD))
        run.set_lr(run.lr * own.factors[-1])


@dataclass(eq=False)
class Homeostasis:
    """The state H, and the factors of the learning rate so far."""

    state: float = 0.0
    factors: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Modulated(Method):
    """The learning rate of every update is multiplied by a factor that is given: the control of `Homeostatic`.

    Args:
        factors: One for each update of all tasks; with those of another method in another order, the learning rate
            has the same distribution, and does not follow what is classified.
    """

    factors: tuple[float, ...]

    def start(self, run: Run) -> None:
        run.memory[self] = iter(self.factors)

    def gradient(self, run: Run, batch: Batch, logits: Float[Tensor, "row class"]) -> None:
        run.set_lr(run.lr * next(run.memory[self]))


def good(classes: Int[Tensor, " row"]) -> Float[Tensor, " row"]:
    """1 for even classes, −1 for odd ones."""
    return 1.0 - 2.0 * (classes % 2)

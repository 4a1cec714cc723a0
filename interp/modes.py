"""Interventions on neurons, and the names that they have on the command line, in Python and in the explorer.

Nothing here loads PyTorch, so that the command line can check a name at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from jaxtyping import Float

from interp.errors import InterventionError
from probes.plugins import load_all

if TYPE_CHECKING:
    from torch import Tensor

Change = Callable[[Any], Any]
"""From activations of the chosen neurons to new ones, ``(…, neuron)`` both."""


StepChange = Callable[[Any, int], Any]
"""The same at a step of a loop, given it."""


@runtime_checkable
class Intervention(Protocol):
    """A change of the chosen neurons' activations ``(…, neuron)``."""

    def start(self) -> Change:
        """A function from activations to new ones; the same object started twice does the same."""
        ...

    def affine(self) -> tuple[Tensor | float, Tensor | float] | None:
        """Scale and shift that have the same effect on every input, or None if there are none."""
        ...


@dataclass(frozen=True)
class Zero:
    """Set the neurons to 0."""

    def start(self) -> Change:
        return lambda x: x.new_zeros(x.shape)

    def affine(self) -> tuple[float, float]:
        return 0.0, 0.0


@dataclass(frozen=True)
class Scale:
    """Multiply the neurons by a factor; any real number."""

    factor: float

    def start(self) -> Change:
        return lambda x: x * self.factor

    def affine(self) -> tuple[float, float]:
        return self.factor, 0.0


@dataclass(frozen=True)
class Clamp:
    """Limit the neurons to [low, high]."""

    low: float | None = None
    high: float | None = None

    def start(self) -> Change:
        if self.low is None and self.high is None:
            raise InterventionError("a clamp needs low, high or both")
        return lambda x: x.clamp(self.low, self.high)

    def affine(self) -> None:
        return None


@dataclass(frozen=True)
class ActivityGain:
    """Multiply each neuron by a gain that follows its own recent activity; an example of a hook that keeps state.

    At step t the gain is ``1 + strength * a[t]`` with ``a[t] = decay * a[t-1] + (1 - decay) * |x[t]|``, from 0 before
    the first step of each forward pass. Steps are those of the loop, or the axis after the examples.

    Example:
        >>> import torch
        >>> ActivityGain(1.0, decay=0.5).start()(torch.ones(1, 3, 1)).flatten().tolist()
        [1.5, 1.75, 1.875]
    """

    strength: float
    decay: float = 0.9

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise InterventionError(f"decay={self.decay} is not in [0, 1)")

    def start(self) -> Change:
        def change(x: Tensor) -> Tensor:
            import torch

            at_step = self.start_stepwise()
            if x.ndim < 3:
                return at_step(x, 0)
            return torch.stack([at_step(one, step) for step, one in enumerate(x.unbind(1))], 1)

        return change

    def start_stepwise(self) -> StepChange:
        """At each step of a loop; a step that is not later than the last one begins anew."""
        kept: dict[str, Any] = {}

        def change(x: Tensor, step: int) -> Tensor:
            begun = kept.get("step", step) < step and kept["trace"].shape == x.shape
            trace = (1 - self.decay) * x.abs() + (self.decay * kept["trace"] if begun else 0)
            kept.update(step=step, trace=trace)
            return x * (1 + self.strength * trace)

        return change

    def affine(self) -> None:
        return None


@dataclass(frozen=True, eq=False)
class Patch:
    """Set the neurons to given values: ``(neuron,)`` or ``(…, neuron)`` for every example, or row by row."""

    values: Tensor

    def start(self) -> Change:
        def change(x: Tensor) -> Tensor:
            values = self.values.to(x)
            if values.shape not in (x.shape, x.shape[1:], x.shape[-1:]):
                raise InterventionError(
                    f"the patch has shape {tuple(values.shape)} but the neurons have {tuple(x.shape)}; give one "
                    "value a neuron, or values for exactly the examples of this forward pass"
                )
            return values.expand_as(x)

        return change

    def start_stepwise(self) -> StepChange:
        """At each step of a loop its own values: ``(step, …, neuron)``, or also examples before."""

        def change(x: Tensor, step: int) -> Tensor:
            values = self.values
            if values.ndim >= x.ndim:  # or else the same at every step
                values = values[:, step] if values.ndim > x.ndim else values[step]
            return Patch(values).start()(x)

        return change

    def affine(self) -> tuple[float, Tensor] | None:
        return (0.0, self.values) if self.values.ndim < 2 else None


@dataclass(frozen=True, eq=False)
class Resample:
    """Give each example the neurons' joint activations of another example, drawn anew in every forward pass."""

    activations: Tensor
    seed: int = 0

    def start(self) -> Change:
        import torch

        generator = torch.Generator().manual_seed(self.seed)
        if not len(self.activations):
            raise InterventionError("resample ablation has no examples to draw from")

        def change(x: Tensor) -> Tensor:
            if self.activations.shape[1:] != x.shape[1:]:
                raise InterventionError(
                    f"the reference activations have shape {tuple(self.activations.shape)}; "
                    f"the neurons have {tuple(x.shape)}"
                )
            rows = torch.randint(len(self.activations), (len(x),), generator=generator)
            return self.activations[rows.to(self.activations.device)].to(x)

        return change

    def start_stepwise(self) -> StepChange:
        """At all steps of one forward pass those of the same other example."""
        change, drawn = self.start(), dict[str, Any]()

        def at_step(x: Tensor, step: int) -> Tensor:
            if drawn.get("steps") is None or step in drawn["steps"] or len(drawn["rows"]) != len(x):
                whole = self.activations
                like = x.unsqueeze(1).expand(len(x), whole.shape[1], *x.shape[1:])
                drawn.update(steps=set(), rows=change(like))
            drawn["steps"].add(step)
            return drawn["rows"][:, step]

        return at_step

    def affine(self) -> None:
        return None


def started_stepwise(intervention: Intervention) -> StepChange:
    """A function from activations at a step of a loop, and the step, to new ones."""
    own = getattr(intervention, "start_stepwise", None)
    if own is not None:
        return own()
    change = intervention.start()
    return lambda x, step: change(x)


@dataclass(frozen=True)
class Mode:
    """An intervention by its name.

    Attributes:
        title: What it does to neurons, as in "times 0.5", with ``{factor}`` where it has one.
        make: The intervention, from the neurons' activations on reference examples ``(example, …, neuron)`` (None where
            it needs none), the factor and the seed.
        argument: What stands after ``=``; empty for a mode without.
        from_examples: Whether it needs reference examples; `by_example` whether more of them than their mean.
        in_weights: Whether weights can express it.
    """

    title: str
    help: str
    make: Callable[[Any, float, int], Intervention]
    argument: str = ""
    from_examples: bool = False
    in_weights: bool = True
    by_example: bool = False


MODES = {
    "zero": Mode("set to 0", "remove the neurons", lambda activations, factor, seed: Zero()),
    "mean": Mode(
        "set to their mean", "their mean over the examples, at each position",
        lambda activations, factor, seed: Patch(activations.mean(0)), from_examples=True,
    ),
    "resample": Mode(
        "resampled", "their activations on another example",
        lambda activations, factor, seed: Resample(activations, seed), from_examples=True, in_weights=False,
        by_example=True,
    ),
    "scale": Mode(
        "times {factor:g}", "multiply by a factor", lambda activations, factor, seed: Scale(factor), "FACTOR"
    ),
}  # fmt: skip
MODES |= load_all("grokscope.interventions", Mode, MODES)  # of other packages


def spelled_modes() -> list[str]:
    """The modes as they are written, such as ``scale=FACTOR``."""
    return [f"{name}={mode.argument}" if mode.argument else name for name, mode in MODES.items()]


def parse_mode(text: str) -> tuple[Mode, float]:
    """The mode and the factor that a text such as ``"scale=0.5"`` means; the factor is 1 where the mode has none.

    Raises:
        InterventionError: There is no such mode, or it has no finite number where it needs one.

    Example:
        >>> parse_mode("scale=0.5")[1]
        0.5
    """
    name, equals, argument = text.partition("=")
    mode = MODES.get(name)
    if mode is None or bool(mode.argument) != bool(equals):
        *others, last = spelled_modes()
        raise InterventionError(f"unknown mode {text!r}; expected {', '.join(others)} or {last}")
    try:
        factor = float(argument) if equals else 1.0
    except ValueError:
        factor = math.nan
    if not math.isfinite(factor):
        raise InterventionError(
            f"mode {text!r} has no number after '{name}='; write a finite one such as {name}=0.25"
        )
    return mode, factor


def make_intervention(
    mode: str, activations: Float[Tensor, "example *axes neuron"] | None, *, seed: int = 0
) -> Intervention:
    """The intervention of a mode; `activations` are the chosen neurons on reference examples, where it needs them.

    Raises:
        InterventionError: The mode is unknown, or it needs activations.

    Example:
        >>> make_intervention("scale=0.5", None)
        Scale(factor=0.5)
    """
    known, factor = parse_mode(mode)
    if known.from_examples and activations is None:
        raise InterventionError(f"{mode} ablation needs reference examples; pass the task as reference")
    return known.make(activations, factor, seed)

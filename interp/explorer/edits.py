"""Changes of neurons: checked as the page sends them (else an `InterventionError`), composed, and copied as Python."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from textwrap import fill
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.edits import neuron_indices
from interp.errors import InterventionError
from interp.modes import MODES, Intervention, Mode, Patch

LOWEST, HIGHEST = -1.0, 2.0
MOST_CHANGES = 100
WIDTH = 100


def modes() -> dict[str, Mode]:
    """The modes that the page offers: those that weights can express, so that the result can be saved."""
    return {name: mode for name, mode in MODES.items() if mode.in_weights}


@dataclass(frozen=True)
class Change:
    """One change of some neurons.

    Attributes:
        factor: Of a mode that has one; 1 for the others.
    """

    neurons: tuple[int, ...]
    mode: str
    factor: float = 1.0

    def __str__(self) -> str:
        count = f"{len(self.neurons)} neuron{'s' * (len(self.neurons) != 1)}"
        return f"{count} {MODES[self.mode].title.format(factor=self.factor)}"

    @property
    def affine(self) -> tuple[Any, Any] | None:
        """Scale and shift of the activations; None where they depend on the activations of the examples."""
        mode = MODES[self.mode]
        return None if mode.from_examples else mode.make(None, self.factor, 0).affine()

    @property
    def changes_nothing(self) -> bool:
        return not self.neurons or self.affine == (1, 0)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "neurons": list(self.neurons)}


def indices_of(sent: Any, width: int) -> tuple[int, ...]:
    """Neurons that the page sent as a list, ascending; each exists and is named once."""
    if not isinstance(sent, list) or any(type(neuron) is not int for neuron in sent):
        raise InterventionError(f"{str(sent)[:60]!r} is no list of neurons")
    try:
        numbers = np.array(sent, dtype=np.int64)
    except OverflowError:
        raise InterventionError(f"{str(sent)[:60]!r} names neurons that do not exist") from None
    return tuple(np.sort(neuron_indices(numbers, width)).tolist())


def change_of(neurons: Any, mode: Any, factor: Any, width: int) -> Change:
    """A change that the page sent.

    Example:
        >>> change_of([2, 0], "scale", 0.5, width=4)
        Change(neurons=(0, 2), mode='scale', factor=0.5)
    """
    chosen, offered = indices_of(neurons, width), modes()
    if not isinstance(mode, str) or mode not in offered:
        raise InterventionError(f"unknown mode {str(mode)[:60]!r}; expected one of {', '.join(offered)}")
    if not offered[mode].argument:
        return Change(chosen, mode)
    if type(factor) not in (int, float) or not LOWEST <= factor <= HIGHEST:
        raise InterventionError(
            f"cannot {mode} by {str(factor)[:60]!r}; expected a number from {LOWEST:g} to {HIGHEST:g}"
        )
    return Change(chosen, mode, float(factor))


def changes_of(sent: Any, width: int) -> tuple[Change, ...]:
    """The changes that the page sent as kept, at most `MOST_CHANGES`."""
    if not isinstance(sent, list) or any(not isinstance(one, dict) for one in sent):
        raise InterventionError(f"{str(sent)[:60]!r} is no list of changes")
    if len(sent) > MOST_CHANGES:
        raise InterventionError(
            f"{len(sent)} changes; at most {MOST_CHANGES} are kept. Save, and open the saved file"
        )
    return tuple(change_of(one.get("neurons"), one.get("mode"), one.get("factor"), width) for one in sent)


def composed(
    changes: Iterable[Change], activations: Float[Tensor, "example *axes neuron"]
) -> tuple[list[Intervention], Tensor, Tensor]:
    """The interventions of changes one after another, and what they make of each unchanged activation together.

    Returns:
        An intervention for each change, a factor for each neuron ``(neuron,)`` and a term ``(*axes, neuron)``.

    Example:
        >>> changes = [Change((0,), "mean"), Change((0, 1), "scale", 0.5)]
        >>> _, scale, shift = composed(changes, torch.tensor([[3.0, 6.0, 8.0], [5.0, 6.0, 8.0]]))
        >>> scale.tolist(), shift.tolist()
        ([0.0, 0.5, 1.0], [2.0, 0.0, 0.0])
    """
    scale = activations.new_ones(activations.shape[-1], dtype=torch.float64)
    shift = activations.new_zeros(activations.shape[1:], dtype=torch.float64)
    interventions = []
    for change in changes:
        mode, chosen = MODES[change.mode], list(change.neurons)
        now = activations[..., chosen] * scale[chosen] + shift[..., chosen] if mode.from_examples else None
        intervention = mode.make(now, change.factor, 0)
        # A patch at each of several positions is the same for every input, although weights cannot express it.
        affine = (0.0, intervention.values) if isinstance(intervention, Patch) else intervention.affine()
        assert affine is not None, f"weights cannot express {change.mode}"
        scale[chosen] *= affine[0]
        shift[..., chosen] = shift[..., chosen] * affine[0] + affine[1]
        interventions.append(intervention)
    return interventions, scale, shift


def as_python(changes: Sequence[Change], opened: str, site: str) -> str:
    """A script that opens the checkpoint by a call, makes the same changes with hooks, and measures every split."""
    lines = ["import interp", "", f"opened = {opened}", "model, task = opened.model, opened.task"]
    measure, contexts = "print(interp.accuracy(model, task))", []
    for i, change in enumerate(changes, 1):
        numbers = ", ".join(map(str, change.neurons))
        lines.append(
            f"neurons_{i} = [\n{fill(numbers, WIDTH, initial_indent='    ', subsequent_indent='    ')},\n]"
        )
        mode = MODES[change.mode]
        name = f"{change.mode}={change.factor!r}" if mode.argument else change.mode
        reference = ", reference=task" if mode.from_examples else ""
        contexts.append(f"interp.ablate(model, neurons_{i}, {name!r}, site={site!r}{reference})")
    if not contexts:
        return "\n".join((*lines, measure)) + "\n"
    entered = (f"    stack.enter_context({context})" for context in contexts)
    within = ("with ExitStack() as stack:", *entered, f"    {measure}")  # a bare `with` holds at most 20
    return "\n".join(("from contextlib import ExitStack", "", *lines, *within)) + "\n"

"""What a person did to neurons in the explorer: a list of changes that can be checked, composed, undone and copied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np

from interp.errors import InterventionError
from interp.interventions import neuron_indices

MODES = ("scale", "zero", "mean")
LOWEST, HIGHEST = -1.0, 2.0
"""The slider's ends."""
MOST_CHANGES = 100
WIDTH = 100


@dataclass(frozen=True)
class Change:
    """One change of some neurons.

    Attributes:
        neurons: Their indices, ascending.
        mode: ``scale``, ``zero`` or ``mean``.
        factor: What ``scale`` multiplies by; 1 for the other modes.
    """

    neurons: tuple[int, ...]
    mode: str
    factor: float = 1.0

    @property
    def changes_nothing(self) -> bool:
        """Whether it leaves every network as it is."""
        return not self.neurons or (self.mode == "scale" and self.factor == 1)

    @property
    def scale(self) -> float:
        """What is left of the neurons' own activations."""
        return self.factor if self.mode == "scale" else 0.0

    def __str__(self) -> str:
        count = f"{len(self.neurons)} neuron{'s' * (len(self.neurons) != 1)}"
        done = {"scale": f"times {self.factor:g}", "zero": "set to 0", "mean": "set to their mean"}
        return f"{count} {done[self.mode]}"

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return {"neurons": list(self.neurons), "mode": self.mode, "factor": self.factor}


def indices_of(sent: Any, width: int) -> tuple[int, ...]:
    """Neurons that the page sent as a list, ascending.

    Raises:
        InterventionError: It is no list of whole numbers, a neuron does not exist, or one is named twice.
    """
    if not isinstance(sent, list) or any(type(neuron) is not int for neuron in sent):
        raise InterventionError(f"{str(sent)[:60]!r} is no list of neurons")
    try:
        numbers = np.array(sent, dtype=np.int64)
    except OverflowError:
        raise InterventionError(f"{str(sent)[:60]!r} names neurons that do not exist") from None
    return tuple(np.sort(neuron_indices(numbers, width)).tolist())


def change_of(neurons: Any, mode: Any, factor: Any, width: int) -> Change:
    """A change from what the page sent.

    Raises:
        InterventionError: The neurons do not exist, the mode is unknown, or the factor is no finite number.

    Example:
        >>> change_of([2, 0], "scale", 0.5, width=4)
        Change(neurons=(0, 2), mode='scale', factor=0.5)
    """
    chosen = indices_of(neurons, width)
    if not isinstance(mode, str) or mode not in MODES:
        raise InterventionError(f"unknown mode {str(mode)[:60]!r}; expected one of {', '.join(MODES)}")
    if mode != "scale":
        return Change(chosen, mode)
    if type(factor) not in (int, float) or not LOWEST <= factor <= HIGHEST:
        raise InterventionError(
            f"cannot scale by {str(factor)[:60]!r}; expected a number from {LOWEST:g} to {HIGHEST:g}"
        )
    return Change(chosen, mode, float(factor))


def changes_of(sent: Any, width: int) -> tuple[Change, ...]:
    """The changes that the page says were kept.

    Raises:
        InterventionError: One cannot be read, or there are too many.
    """
    if not isinstance(sent, list) or any(not isinstance(one, dict) for one in sent):
        raise InterventionError(f"{str(sent)[:60]!r} is no list of changes")
    if len(sent) > MOST_CHANGES:
        raise InterventionError(
            f"{len(sent)} changes; at most {MOST_CHANGES} are kept. Save, and open the saved file"
        )
    return tuple(change_of(one.get("neurons"), one.get("mode"), one.get("factor"), width) for one in sent)


def composed(changes: Iterable[Change], means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What changes one after another make of each neuron's activation: a factor of it, and what is added.

    Args:
        changes: In the order in which they were made.
        means: Of each neuron's activations over the examples, ``(…, neuron)``.

    Returns:
        Factors ``(neuron,)`` and terms of the shape of `means`.

    Example:
        >>> scale, shift = composed([Change((0,), "mean"), Change((0, 1), "scale", 0.5)], np.array([4.0, 6.0, 8.0]))
        >>> scale.tolist(), shift.tolist()
        ([0.0, 0.5, 1.0], [2.0, 0.0, 0.0])
    """
    scale, shift = np.ones(means.shape[-1], means.dtype), np.zeros_like(means)
    for change in changes:
        chosen = np.array(change.neurons, dtype=np.int64)
        now = scale[chosen] * means[..., chosen] + shift[..., chosen]
        scale[chosen] *= change.scale
        shift[..., chosen] = now if change.mode == "mean" else shift[..., chosen] * change.scale
    return scale, shift


def as_python(changes: Sequence[Change], opened: str, site: str) -> str:
    """A script that makes the same changes with hooks, and measures every split.

    Args:
        changes: In the order in which they were made.
        opened: The call that opens the checkpoint.
        site: Hook name of the neurons.
    """
    lines = ["import interp", "", f"opened = {opened}", "model, task = opened.model, opened.task"]
    measure, contexts = "print(interp.accuracy(model, task))", []
    for i, change in enumerate(changes, 1):
        listed = fill(
            ", ".join(map(str, change.neurons)), WIDTH, initial_indent="    ", subsequent_indent="    "
        )
        lines.append(f"neurons_{i} = [\n{listed},\n]")
        if change.mode == "scale":
            contexts.append(f"interp.rescale(model, neurons_{i}, {change.factor!r}, site={site!r})")
        else:
            reference = ", reference=task" if change.mode == "mean" else ""
            contexts.append(f"interp.ablate(model, neurons_{i}, {change.mode!r}, site={site!r}{reference})")
    if not contexts:
        return "\n".join((*lines, measure)) + "\n"
    entered = (f"    stack.enter_context({context})" for context in contexts)
    within = ("with ExitStack() as stack:", *entered, f"    {measure}")  # a bare `with` holds at most 20
    return "\n".join(("from contextlib import ExitStack", "", *lines, *within)) + "\n"

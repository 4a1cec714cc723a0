"""Interventions scheduled over the steps of training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from interp.errors import ConfigError
from interp.hooks import resolve
from interp.interventions import Edit, intervene
from interp.models import HookedModel
from interp.modes import Change, Intervention


@dataclass(frozen=True)
class _Stopped:
    """The same intervention, through which no gradient flows back."""

    inner: Intervention

    def start(self) -> Change:
        change = self.inner.start()
        return lambda x: change(x.detach())

    def affine(self) -> tuple[Tensor | float, Tensor | float] | None:
        return self.inner.affine()


@dataclass(frozen=True, eq=False)
class Held:
    """An edit, and for which updates it is in force.

    Args:
        edit: What is done, to which neurons, and where.
        start: Updates done before it begins.
        stop: Updates done when it is over; None: it lasts.
        gradient: Whether the gradient flows back through the changed neurons: by the intervention's own derivative
            (a scale's factor; inside the limits of a clamp; none through a constant). Else it ends there, and what
            feeds these neurons is moved by weight decay and the optimiser's momentum only.

    Raises:
        ConfigError: It would begin before the first update or end before it begins.
    """

    edit: Edit
    start: int = 0
    stop: int | None = None
    gradient: bool = True

    def __post_init__(self) -> None:
        if self.start < 0 or (self.stop is not None and self.stop < self.start):
            raise ConfigError(
                f"start={self.start} and stop={self.stop} are no span of updates; expected 0 <= start <= stop"
            )

    def acting(self, step: int) -> Edit | None:
        """The edit as it acts after so many updates; None if it is not in force."""
        if step < self.start or (self.stop is not None and step >= self.stop):
            return None
        return (
            self.edit if self.gradient else replace(self.edit, intervention=_Stopped(self.edit.intervention))
        )


@dataclass(frozen=True, eq=False)
class Schedule:
    """Neurons held during spans of updates, for ``train(…, during=schedule)`` or a loop of your own; arXiv 2404.07129.

    It depends on the step alone, so a series that is resumed with the same schedule goes on to the bit. Where no edit
    is in force nothing at all is changed: the run is the same to the bit as without a schedule. While edits are in
    force a `SmallTransformer` computes all positions of its last block, as ``hook@N`` and the like need them. An
    intervention that draws examples draws the same in every step.

    Args:
        held: What is held; at the same hook point in this order.

    Example:
        >>> import numpy as np
        >>> from interp.data import ModularTask
        >>> from interp.interventions import Zero
        >>> from interp.models import MLPConfig
        >>> from interp.training import TrainConfig, train
        >>> task, shape = ModularTask(p=7, train_fraction=0.8), MLPConfig(width=16)
        >>> schedule = Schedule((Held(Edit("blocks.0.mlp.hook_post", np.arange(4), Zero()), start=1),))
        >>> held = train(task, shape, TrainConfig(steps=2), during=schedule, show_progress=False)
        >>> held.step
        2
    """

    held: tuple[Held, ...] = ()

    def __call__(self, model: HookedModel, step: int) -> AbstractContextManager[Any]:
        """The context of the update after `step` others, and of a measurement that follows it.

        Raises:
            HookNameError: A hook does not exist, be it in force yet or not.
        """
        if self.held:
            resolve(model, [held.edit.hook for held in self.held])
        edits = [edit for held in self.held if (edit := held.acting(step)) is not None]
        return _in_force(model, edits) if edits else nullcontext(model)


@contextmanager
def _in_force(model: Any, edits: Sequence[Edit]) -> Iterator[HookedModel]:
    """`intervene`, with all positions computed."""
    shortened = getattr(model, "readout_only", False)
    if shortened:
        model.readout_only = False
    try:
        with intervene(model, *edits):
            yield model
    finally:
        if shortened:
            model.readout_only = True

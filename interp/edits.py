"""An intervention with the place where it acts, and how it acts there in a forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.errors import InterventionError
from interp.models import HookedModel, NeuronSite, split_position
from interp.models.site_point import step_at
from interp.modes import Change, Intervention, started_stepwise
from interp.selectors import indices_in
from interp.time_scope import TimeScope


@dataclass(frozen=True, eq=False)
class Edit:
    """An intervention and where it acts.

    Attributes:
        hook: A site, or a hook point whose last axis is the neurons; with ``@N`` at its end, position N only.
        neurons: Indices of neurons.
        intervention: What is done to them, given ``(…, neuron)`` whatever the layout at the hook point. At a site in a
            loop it acts inside the loop: what follows a step goes on from the changed neurons.
        during: Steps that it is limited to, along the site's axis time, segment or position; all if None. Also a text
            such as ``"4-9"``, ``"4-"`` or ``"-9"``, steps, or a boolean mask over all.
    """

    hook: str
    neurons: np.ndarray
    intervention: Intervention
    during: Any = None

    @property
    def scope(self) -> TimeScope | None:
        """`during`, read."""
        return None if self.during is None else TimeScope.of(self.during)


def neuron_indices(neurons: Any, width: int) -> np.ndarray:
    """Indices from an index, several, a text such as ``3,5-9``, a boolean mask, or rows of a `NeuronTable`.

    Raises:
        InterventionError: An index is out of range or occurs twice, or the type is wrong.

    Example:
        >>> neuron_indices([True, False, True], 3).tolist()
        [0, 2]
        >>> neuron_indices("0,2-4", 6).tolist()
        [0, 2, 3, 4]
    """
    if isinstance(neurons, str):
        neurons = np.array(indices_in(neurons), dtype=np.int64)
    try:
        chosen = np.atleast_1d(np.asarray(getattr(neurons, "neuron", neurons)))
    except ValueError:  # lists of different lengths
        chosen = np.empty((0, 0))
    if chosen.dtype == bool:
        if chosen.shape != (width,):
            raise InterventionError(f"the mask has shape {chosen.shape}; the site has {width} neurons")
        return np.flatnonzero(chosen)
    if chosen.ndim != 1 or (chosen.size and chosen.dtype.kind not in "iu"):
        raise InterventionError(
            f"neurons={neurons!r} are no neurons; expected indices, a boolean mask, rows of a "
            "NeuronTable or a text such as 3,5-9"
        )
    chosen = np.array(chosen, dtype=np.int64, order="C")
    outside = chosen[(chosen < 0) | (chosen >= width)]
    if outside.size:
        raise InterventionError(f"neuron {outside[0]} does not exist; the site has neurons 0 to {width - 1}")
    if len(np.unique(chosen)) != len(chosen):
        raise InterventionError("a neuron is named twice; name each once")
    return chosen


def changes_of(model: HookedModel, edits: Sequence[Edit]) -> tuple[dict[str, Change], list[Acting]]:
    """A function for each hook that does all edits there, begun anew, and the edits at work."""
    sites = {site.hook: site for site in model.neuron_sites()}
    by_hook = {
        hook: [Acting(edit) for edit in edits if edit.hook == hook]
        for hook in dict.fromkeys(edit.hook for edit in edits)
    }

    def combined(hook: str) -> Change:
        name, position = split_position(hook)
        site, point = sites.get(name), model.hook_dict.get(name)
        looped = position is None  # one position is reached once
        for one in by_hook[hook]:
            one.check(site, hook, position)

        def change(activations: Tensor) -> Tensor:
            changed = activations.clone()
            neurons_last = changed.movedim(-1 if site is None else site.axis, -1)  # a view into `changed`
            for one in by_hook[hook]:
                one.apply(neurons_last, site, step_at(point) if point is not None and looped else None)
            return changed

        return change

    return {hook: combined(hook) for hook in by_hook}, [one for some in by_hook.values() for one in some]


class Acting:
    """An edit at work: its intervention, and the steps of a loop that it has seen."""

    def __init__(self, edit: Edit) -> None:
        self.edit, self.scope, self.steps = edit, edit.scope, 0
        self.chosen: tuple[Any, ...] | None = None
        self.change, self.step_change = edit.intervention.start(), started_stepwise(edit.intervention)

    def check(self, site: NeuronSite | None, hook: str, position: int | None) -> None:
        """Raise an `InterventionError` if the edit is limited in time, and the site has no time or is one step."""
        if self.scope is None:
            return
        axes = () if site is None else site.axes_neurons_last
        if position is not None or site is None or site.time_axis is None:
            shown = f"its axes are {', '.join(axes)}" if axes else "its axes are not known"
            shown = f"{hook!r} is one position" if position is not None else shown
            raise InterventionError(
                f"the edit at {hook!r} is limited to {self.scope}, but there are no steps there: {shown}; leave out "
                "during"
            )

    def apply(self, neurons_last: Tensor, site: NeuronSite | None, step: int | None) -> None:
        """Change the neurons, ``(example, …, neuron)``, in place; `step` is that of the loop."""
        if self.chosen is None:
            indices = neuron_indices(self.edit.neurons, neurons_last.shape[-1])
            self.chosen = (..., torch.as_tensor(indices, device=neurons_last.device))
        chosen = self.chosen
        if step is not None:
            self.steps = max(self.steps, step + 1)
            along_loop = site is not None and site.time_axis == 1
            if self.scope is None or not along_loop or step in self.scope:
                neurons_last[chosen] = self.step_change(neurons_last[chosen], step)
            return
        before = neurons_last[chosen]
        after = self.change(before)
        if self.scope is not None and site is not None and site.time_axis is not None:
            after = torch.where(in_scope(self.scope, before, site.time_axis), after, before)
        neurons_last[chosen] = after

    def check_steps(self) -> None:
        """Raise an `InterventionError` if the loop did not reach a step that the edit names."""
        if self.scope is not None and self.steps:
            self.scope.check(self.steps)


def in_scope(scope: TimeScope, activations: Tensor, axis: int) -> Tensor:
    """True at the steps in a scope, of a shape that multiplies activations along one of their axes."""
    mask = torch.as_tensor(scope.mask(activations.shape[axis]), device=activations.device)
    return mask.reshape([-1 if place == axis else 1 for place in range(activations.ndim)])

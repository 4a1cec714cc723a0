"""Interventions on neurons applied to a network: for a while, or for good in a copy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.errors import InterventionError
from interp.hooks import capture, hooked
from interp.models import HookedModel, NeuronSite, neuron_site, split_position
from interp.models.site_point import step_at
from interp.modes import Change, Intervention, Patch, Zero, make_intervention, parse_mode, started_stepwise
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


def edit_from_mode(
    model: HookedModel,
    neurons: Any,
    mode: str,
    *,
    site: str | None = None,
    reference: Any = None,
    seed: int = 0,
    during: Any = None,
) -> Edit:
    """An `Edit` of neurons by an intervention's name, measuring reference activations where it needs them."""
    place = neuron_site(model, site or getattr(neurons, "site_name", None))
    chosen = neuron_indices(neurons, place.width)
    activations = None
    if reference is not None and parse_mode(mode)[0].from_examples:
        examples = getattr(reference, "dataset", reference)
        inputs = examples if isinstance(examples, Tensor) else examples.inputs
        captured = capture(model, inputs, place.hook)[place.hook].movedim(place.axis, -1)
        activations = captured[..., torch.as_tensor(chosen)]
    return Edit(place.hook, chosen, make_intervention(mode, activations, seed=seed), during)


@contextmanager
def intervene(model: HookedModel, *edits: Edit) -> Iterator[HookedModel]:
    """Apply edits inside the block, in the order given; the model is as before at its end, whatever happens.

    Raises:
        HookNameError: A hook does not exist.
        InterventionError: An edit is limited to steps that the site does not have.
    """
    sites = {site.hook: site for site in model.neuron_sites()}
    by_hook = {
        hook: [_Acting(edit) for edit in edits if edit.hook == hook]
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

    with hooked(model, {hook: combined(hook) for hook in by_hook}):
        yield model
    for one in (one for some in by_hook.values() for one in some):
        one.check_steps()


class _Acting:
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


@contextmanager
def ablate(
    model: HookedModel,
    neurons: Any,
    mode: str = "zero",
    *,
    site: str | None = None,
    reference: Any = None,
    seed: int = 0,
    during: Any = None,
) -> Iterator[HookedModel]:
    """Take neurons out inside the block.

    Args:
        neurons: Indices, a mask, or rows of a `NeuronTable`.
        mode: One of `interp.modes.MODES`, such as ``"zero"`` or ``"scale=0.5"``.
        site: Hook name of the neurons; the table's, or else the model's last site.
        reference: A task or inputs, for modes that need them.
        seed: Of draws.
        during: Steps that this is limited to, as of `Edit`: ``"4-9"``, ``"4-"``, ``"-9"``, steps or a mask.

    Raises:
        InterventionError: The neurons, the steps or the mode cannot be used. HookNameError: the site does not exist.

    Example:
        >>> from interp.models import analytic_mlp
        >>> model, pair = analytic_mlp("add", p=13), torch.tensor([[2, 3]])
        >>> with ablate(model, range(200)):
        ...     float(model(pair).detach().abs().max())
        0.0
    """
    settings: dict[str, Any] = {"site": site, "reference": reference, "seed": seed, "during": during}
    with intervene(model, edit_from_mode(model, neurons, mode, **settings)):
        yield model


@contextmanager
def rescale(
    model: HookedModel, neurons: Any, factor: float, *, site: str | None = None, during: Any = None
) -> Iterator[HookedModel]:
    """Multiply neurons by a factor inside the block; see `ablate` for the arguments."""
    with ablate(model, neurons, f"scale={float(factor)!r}", site=site, during=during):
        yield model


def bake(model: HookedModel, *edits: Edit) -> HookedModel:
    """A copy with the edits in its weights, so that it gives the same logits without hooks.

    The original is left unchanged.

    Raises:
        InterventionError: An edit is not the same scale and shift for every input (resample, clamp, row-wise patch), or
            acts at one position only.
    """
    like = next(one for one in model.parameters() if not one.is_complex()).detach()
    composed: dict[str, tuple[Tensor, Tensor]] = {}
    for edit in edits or [Edit(neuron_site(model).hook, np.array([], dtype=np.int64), Zero())]:
        width = neuron_site(model, edit.hook).width
        if edit.during is not None:
            raise InterventionError(
                f"the edit at {edit.hook!r} is limited to {edit.scope}; weights act at every step, so it cannot be "
                "saved"
            )
        if "@" in edit.hook:
            raise InterventionError(
                f"the edit at {edit.hook!r} acts at one position; weights act at every position, so it cannot be saved"
            )
        scale, shift = composed.setdefault(edit.hook, (like.new_ones(width), like.new_zeros(width)))
        chosen = neuron_indices(edit.neurons, width)
        factor, offset = _coefficients(edit.intervention, len(chosen), like)
        scale[chosen], shift[chosen] = scale[chosen] * factor, shift[chosen] * factor + offset
    for hook, (scale, shift) in composed.items():
        model = model.absorb(hook, scale, shift)
    return model


def _coefficients(intervention: Intervention, n: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and shift of an intervention on n neurons, or an error if it has none."""
    coefficients = intervention.affine()
    if coefficients is None:
        raise InterventionError(
            f"{type(intervention).__name__.lower()} depends on the input or its position, so weights cannot express "
            "it; zero, scale, one value a neuron, and the mean where there are no positions can be saved"
        )
    factor, offset = (torch.as_tensor(x, dtype=like.dtype, device=like.device) for x in coefficients)
    if isinstance(intervention, Patch) and offset.shape != (n,):
        raise InterventionError(
            f"the patch has shape {tuple(offset.shape)}; give one value for each of {n} neurons"
        )
    return factor, offset

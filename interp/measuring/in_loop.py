"""Interventions along time: limited to some steps, and inside the loop of a site that is passed once a step."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from interp.edits import in_scope
from interp.errors import InterventionError
from interp.hooks import capture
from interp.measuring.logits import Activations, mapped
from interp.models import HookedModel, NeuronSite
from interp.modes import (
    Change,
    Intervention,
    Patch,
    StepChange,
    make_intervention,
    parse_mode,
    started_stepwise,
)
from interp.time_scope import TimeScope


def limited_change(
    change: Activations, scope: TimeScope, place: NeuronSite, model: HookedModel, inputs: Tensor
) -> Activations:
    """The change of activations at the steps in a scope; none at others.

    Args:
        inputs: Which tell how many steps there are, where only one of them was computed.

    Raises:
        InterventionError: The site has no steps, or not these.
    """
    axis = place.time_axis
    if axis == 1 and len(change.shape) == len(place.axes) - 1 and place.position is not None:
        # only the position that the answer is read at was computed, as no other one matters from here on
        few = capture(model, inputs[:1], place.hook)[place.hook]
        scope.check(few.movedim(place.axis, -1).shape[axis])
        inside = float(place.position in scope)
        return mapped(change, lambda block: block * inside)
    if axis is None or len(change.shape) != len(place.axes):
        raise InterventionError(
            f"{place.hook!r} has no steps to limit the intervention to ({scope}): its axes are "
            f"{', '.join(place.axes)}; leave out during"
        )
    scope.check(change.shape[axis])
    return mapped(change, lambda block: block * in_scope(scope, block, axis))


@dataclass(frozen=True, eq=False)
class Partial:
    """A share of an intervention: 0 leaves the neurons, 1 is all of it; differentiable in the share.

    Attributes:
        share: One number, one for each neuron ``(neuron,)``, or for each example as well ``(example, …, neuron)``.
    """

    intervention: Intervention
    share: Tensor | float

    def start(self) -> Change:
        change = self.intervention.start()
        return lambda x: x + self.share * (change(x) - x)

    def start_stepwise(self) -> StepChange:
        """The same at each step of a loop."""
        change = started_stepwise(self.intervention)
        return lambda x, step: x + self.share * (change(x, step) - x)

    def affine(self) -> None:
        return None


def intervention_in_loop(
    mode: str, after: Float[Tensor, "row *axes chosen"], share: Tensor | float = 1.0
) -> Intervention:
    """An intervention that acts at each step of a loop, on some examples.

    Args:
        after: What a mode that takes values from examples gives these, at every step.
        share: How much of it, see `Partial`.
    """
    known, _ = parse_mode(mode)
    whole = Patch(after) if known.from_examples else make_intervention(mode, None)
    return whole if isinstance(share, float) and share == 1 else Partial(whole, share)

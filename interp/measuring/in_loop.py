"""Interventions along time: limited to some steps, and inside the loop of a site that is passed once a step."""

from __future__ import annotations

from dataclasses import replace

from jaxtyping import Float, Int
from torch import Tensor

from interp.errors import InterventionError
from interp.interventions import Edit, in_scope, intervene
from interp.measuring.logits import Activations
from interp.models import HookedModel, NeuronSite
from interp.modes import Patch, make_intervention, parse_mode
from interp.time_scope import TimeScope


def limited_change(change: Activations, scope: TimeScope, place: NeuronSite) -> Activations:
    """The change of activations at the steps in a scope; none at others.

    Raises:
        InterventionError: The site has no steps, or not these.
    """
    axis = place.time_axis
    if axis is None or len(change.shape) != len(place.axes):
        raise InterventionError(
            f"{place.hook!r} has no steps to limit the intervention to ({scope}): its axes are "
            f"{', '.join(place.axes)}; leave out during"
        )
    if isinstance(change, Tensor):
        return change * in_scope(scope, change, axis)
    whole = change
    scope.check(whole.shape[axis])
    return replace(whole, compute=lambda rows: (part := whole[rows]) * in_scope(scope, part, axis))


def edit_in_loop(
    hook: str,
    mode: str,
    neurons: Int[Tensor, " chosen"],
    after: Float[Tensor, "row *axes neuron"],
    during: TimeScope | None,
) -> Edit:
    """An intervention on some examples at a site in a loop.

    Args:
        after: What a mode that takes values from examples gives these, at every step.
    """
    chosen = neurons.cpu().numpy()
    if parse_mode(mode)[0].from_examples:
        return Edit(hook, chosen, Patch(after[..., neurons]), during)
    return Edit(hook, chosen, make_intervention(mode, None), during)


def logits_in_loop(model: HookedModel, edit: Edit, inputs: Tensor) -> Float[Tensor, "row output"]:
    """Logits with an edit at work while the loop runs: later steps go on from the neurons that it changed."""
    with intervene(model, edit):
        return model(inputs)

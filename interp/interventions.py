"""Interventions on neurons applied to a network: for a while, or for good in a copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.edits import Edit as Edit
from interp.edits import changes_of, neuron_indices
from interp.errors import InterventionError
from interp.hooks import capture, changed_at, device_of, hooked, resolve
from interp.models import HookedModel, neuron_site, split_position
from interp.models.protocol import evaluation_mode
from interp.models.state import edited_state
from interp.models.watched import same_rows
from interp.modes import Change, Intervention, Patch, Zero, make_intervention, parse_mode


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


@dataclass(frozen=True, eq=False)
class Applied(AbstractContextManager["HookedModel"]):
    """Edits of a network: applied inside a ``with`` block, as a list of hooks, or as weights.

    Attributes:
        model: The network; it is left unchanged.
        edits: In the order in which they act.
        names: The weights of the edited network, given it and the network, by the names that `state_dict` gives them.
        inputs: Some of those that the edits were measured on; weights are checked on them.

    Example:
        >>> from interp.models import analytic_mlp
        >>> model, pairs = analytic_mlp("add", p=13), torch.tensor([[2, 3], [4, 4]])
        >>> removed = ablate(model, [0, 5])
        >>> with removed:
        ...     inside = model(pairs)
        >>> torch.equal(model.run_with_hooks(pairs, fwd_hooks=removed.fwd_hooks()), inside)
        True
        >>> _ = analytic_mlp("add", p=13).load_state_dict(removed.state_dict())
    """

    model: HookedModel
    edits: tuple[Edit, ...]
    names: Callable[[HookedModel, HookedModel], dict[str, Tensor]] = edited_state
    inputs: Tensor | None = None
    _active: list[AbstractContextManager[Any]] = field(default_factory=list, repr=False)

    def __enter__(self) -> HookedModel:
        block = _intervening(self.model, self.edits)
        block.__enter__()
        self._active.append(block)
        return self.model

    def __exit__(self, *error: Any) -> bool | None:
        return self._active.pop().__exit__(*error)

    def fwd_hooks(self) -> FwdHooks:
        """One (hook name, function) for each hook, for ``model.run_with_hooks(x, fwd_hooks=…)`` and ``model.hooks``.

        The functions take ``(activation, hook)``. They draw, and keep state over steps, as one ``with`` block does;
        ask for new ones to begin anew. A loop that ends before a step that an edit is limited to is an error in a
        ``with`` block only, as hooks do not know when a forward pass has ended.

        Raises:
            HookNameError: A hook does not exist. InterventionError: an edit is limited to steps, and there are none.
        """
        changes, _ = changes_of(self.model, self.edits)
        resolve(self.model, list(changes))

        def function(name: str, change: Change) -> Callable[..., Tensor | None]:
            return lambda activation, hook: changed_at(name, hook, change, activation)

        return [(split_position(name)[0], function(name, change)) for name, change in changes.items()]

    def state_dict(self) -> dict[str, Tensor]:
        """Copies of the weights, on the CPU, with the edits in them: the same logits without hooks.

        Names are those of the user's own module, or of the file that the network was read from, as far as the edits
        were measured on an opened checkpoint (`interp.remove`); else the hooked network's own.

        Raises:
            InterventionError: No weights express an edit exactly (resampling, clamping, some steps only), or those
                beside the site cannot, or the network has no bias for them; the message says why.
        """
        return self.names(self.model, self.baked())

    def baked(self) -> HookedModel:
        """A copy with the edits in its weights, see `bake`; on `inputs`, if there are any, it answers as with hooks.

        Raises:
            InterventionError: It cannot, as where the weights beside the site are used elsewhere in the network too.
        """
        edited = bake(self.model, *self.edits)
        if self.inputs is None:
            return edited
        inputs = self.inputs.to(device_of(self.model))
        with evaluation_mode(self.model), evaluation_mode(edited):
            with self:
                expected = self.model(inputs)
            same = same_rows(edited(inputs), expected)
        if not same:
            raise InterventionError(
                f"the weights beside {self.edits[0].hook!r} are used elsewhere in the network too, so that the edit in "
                "them changes more than these neurons; leave it hooked"
            )
        return edited


FwdHooks = list[tuple[str, Callable[..., Any]]]
"""Hooks as TransformerLens takes them."""


def intervene(model: HookedModel, *edits: Edit) -> Applied:
    """Apply edits inside a ``with`` block, in the order given; the model is as before at its end, whatever happens.

    Returns:
        What the block begins with; also as hooks or weights, see `Applied`.

    Raises:
        HookNameError: A hook does not exist, at the beginning of the block.
        InterventionError: An edit is limited to steps that the site does not have.
    """
    return Applied(model, edits)


@contextmanager
def _intervening(model: HookedModel, edits: Sequence[Edit]) -> Iterator[None]:
    changes, acting = changes_of(model, edits)
    with hooked(model, changes):
        yield
    for one in acting:
        one.check_steps()


def ablate(
    model: HookedModel,
    neurons: Any,
    mode: str = "zero",
    *,
    site: str | None = None,
    reference: Any = None,
    seed: int = 0,
    during: Any = None,
) -> Applied:
    """Take neurons out inside a ``with`` block, or as `Applied.fwd_hooks` or `Applied.state_dict` of the result.

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
    return intervene(model, edit_from_mode(model, neurons, mode, **settings))


def rescale(
    model: HookedModel, neurons: Any, factor: float, *, site: str | None = None, during: Any = None
) -> Applied:
    """Multiply neurons by a factor inside a ``with`` block; see `ablate` for the arguments and the result."""
    return ablate(model, neurons, f"scale={float(factor)!r}", site=site, during=during)


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

"""A network that was not built with hook points, with hook points at inputs and outputs of its submodules."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interp.errors import ConfigError, InterventionError
from interp.models.adopted_runs import (
    check_gradients,
    check_twin,
    continued,
    given_to_hooks,
    in_chunks,
    is_linear,
)
from interp.models.axes import axes_by_kind
from interp.models.checkpointing import without_checkpointing
from interp.models.layers import add_hook_points
from interp.models.module_tensor import ModuleTensor, Passage, changing_tensors
from interp.models.nested import Keys
from interp.models.outputs import at_position, read_logits
from interp.models.prompt import Prompt
from interp.models.protocol import NeuronSite, Prefix, check_site, has_hooks
from interp.models.site_point import SitePoint
from interp.models.stepped_root import SteppedRoot
from interp.models.watched import Call
from interp.models.weight_edits import absorbed, editable_sides, linear_readout


class Adopted(SteppedRoot):
    """A user's network with hook points at the sites that `adopt` was given; made by `adopt`.

    The network itself stays as it is: PyTorch hooks are on its submodules only while `forward` runs. What a hook point
    sees has PyTorch's own layout, except that examples come first, and that neurons which two axes count, as heads and
    their dimension do, are one axis, the last. A site in a loop is passed once a step: its hook point sees one step,
    with ``hook.step``, and `run_with_cache` and `interp.capture` put the steps together, right after the examples.

    A network that keeps state between calls carries it from one call to the next; see `interp.models.evaluation_mode`.

    Example:
        >>> from interp.models.adoption import adopt
        >>> model = adopt(nn.Sequential(nn.Conv2d(1, 6, 3), nn.Flatten(), nn.Linear(96, 2)), ["0:output", "2:input"])
        >>> [(site.hook, site.width, site.axis) for site in model.neuron_sites()]
        [('0:output', 6, -3), ('2:input', 96, -1)]
    """

    kind = "adopted"

    def __init__(
        self,
        module: nn.Module,
        tensors: Mapping[str, ModuleTensor],
        *,
        prompt: Prompt | None,
        readout: int,
        n_outputs: int | None,
        call: Call,
        output: Keys | None = None,
        loop: str | None = None,
    ) -> None:
        super().__init__()
        self.module, self.tensors = module, dict(tensors)
        self.prompt, self.readout, self.n_outputs, self.call = prompt, readout, n_outputs, call
        self.output, self.keys, self.loop = output, output, loop
        self.output_axis: int | None = None
        self.output_notes, self.axis_notes = tuple[str, ...](), tuple[str, ...]()
        self.axes = {name: axes_by_kind(self._owner(name), tensor) for name, tensor in tensors.items()}
        for name, axes in self.axes.items():  # neurons on the last axis may have positions before them
            if axes.axis == -1 and not axes.example_axis:
                self.axes[name] = replace(axes, position=readout)
            if loop is not None and tensors[name].of_module:
                self.axes[name] = replace(self.axes[name], loop=loop)
        self.linear: dict[str, tuple[str, ...]] | None = None
        self.example: Tensor | None = None
        self.random = False
        self.points = add_hook_points(self, list(tensors), SitePoint).train(module.training)
        self.training = module.training

    def _owner(self, site: str) -> nn.Module:
        """The submodule that a site belongs to; the whole network of a tap."""
        tensor = self.tensors[site]
        return self.module if tensor.side == "tap" else self.module.get_submodule(tensor.path)

    def forward(self, inputs: Tensor) -> Float[Tensor, "example output"]:
        """Logits of the network at the position that the answer is read at.

        Raises:
            HookNameError: A site is not reached, is reached more than once, or holds no tensor.
            ConfigError: The output holds no logits.
        """
        given = inputs if self.prompt is None else self.prompt(inputs)
        gradients = torch.is_grad_enabled()
        acting = not gradients or any(has_hooks(self.hook_dict[name]) for name in self.tensors)
        change = partial(self._hooked, len(inputs), gradients)
        changing = changing_tensors(self.module, self.tensors, change, self.stepped_sites())
        self.begin_call()
        with without_checkpointing() if acting else nullcontext(), changing:
            output = self.call(self.module, given)
        logits, self.keys, notes = read_logits(
            output, len(inputs), self.readout, self.n_outputs, self.output, self.output_axis
        )
        self.output_notes = notes if self.output is None else self.output_notes
        return logits

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about outputs and axes where there was a choice."""
        return (*self.output_notes, *self.axis_notes)

    def _hooked(
        self, n_examples: int, gradients: bool, site: str, tensor: Tensor, passage: Passage
    ) -> Tensor:
        """The tensor as a site's hooks leave it."""
        point, axes = self.hook_dict[site], self.axes[site]
        if not has_hooks(point):
            return tensor
        assert isinstance(point, SitePoint)
        point.loop, point.step = axes.loop, passage.step
        if gradients and not torch.is_grad_enabled():
            check_gradients(self.module, self.tensors[site])
        return given_to_hooks(point, axes, tensor, n_examples, site)

    def neuron_sites(self) -> tuple[NeuronSite, ...]:
        """One site for each that was adopted, in their order; a `ConfigError` where only an example tells its axis."""
        return tuple(self._site(name) for name in self.tensors)

    def _site(self, name: str) -> NeuronSite:
        axes = self.axes[name]
        if axes.width is None or axes.axis is None or axes.axis > 0:
            raise ConfigError(
                f"a {type(self._owner(name)).__name__} does not tell which axis of {name!r} counts its neurons; "
                "pass example=… to adopt, a few of the network's inputs"
            )
        layer = linear_readout(self._owner(name), self.n_outputs) if self._only_linear_follows(name) else None
        readout = layer[0] if layer else None
        shown = axes.names if axes.loop else axes.layout
        layout = f"({', '.join(shown)})"
        places: dict[str, Any] = {"axis": axes.axis, "position": axes.position, "loop": axes.loop}
        return NeuronSite(name, axes.width, readout=readout, layout=layout, axes=axes.names, **places)

    def _only_linear_follows(self, name: str) -> bool:
        """True if the example showed that the logits are linear in a site's neurons, and no hook changes that now."""
        following = (self.linear or {}).get(name)
        return following is not None and not any(has_hooks(self.hook_dict[other]) for other in following)

    def linear_readout_of(
        self, name: str, activations: Tensor, logits: Tensor, inputs: Tensor
    ) -> tuple[Tensor, Tensor] | None:
        """Matrix and bias of the layer that reads a site, if it gives the logits, for these activations and others."""
        layer = linear_readout(self._owner(name), self.n_outputs)
        no_place = activations.ndim == 3 and self.axes[name].position is None
        in_loop = self.axes[name].loop is not None  # a neuron changes others at later steps
        usable = self.axes[name].of_weights and self.tensors[name].side == "input" and not in_loop
        site_axis = self.axes[name].axis
        if not usable or layer is None or no_place or activations.ndim > 3 or site_axis is None:
            return None
        linear = is_linear(
            layer, activations, logits, lambda x: continued(self, name, site_axis, x, inputs), self.readout
        )
        return layer if linear else None

    def prefix(self, hook: str, inputs: Tensor) -> Prefix:
        """The forward pass up to a site; what follows runs the network again, with the site's tensor replaced.

        Where a linear layer reads the site and gives the logits, what follows is that layer alone.

        Raises:
            HookNameError: There is no such site. ConfigError: its neurons or positions are not known for these inputs.
        """
        site, length = self._site(check_site(hook, self.tensors)), self.axes[hook].length
        logits, activations = in_chunks(self, hook, inputs)
        activations = activations.movedim(site.axis, -1)
        if self.readout < 0 and length is not None and activations.shape[1] != length:
            raise ConfigError(
                f"{hook!r} has {activations.shape[1]} positions on these inputs and had {length} on the example, where "
                f"readout={self.readout} was position {site.position}; adopt the network with an example like these"
            )
        promised = self._only_linear_follows(hook)
        tried = promised or (self.linear is None and activations.ndim == 2)
        readout = self.linear_readout_of(hook, activations, logits, inputs) if tried else None
        if readout is not None:
            matrix, bias = readout
            rows = at_position(activations, self.readout)
            return Prefix(rows, lambda stream: stream, matrix, bias.expand(len(rows), -1))
        if promised:
            raise ConfigError(
                f"the logits are not linear in {hook!r} on these inputs, as they were on the example; "
                "adopt the network again, with an example like these"
            )
        positions = site.position is not None and activations.ndim >= 3
        after, in_loop = partial(continued, self, hook, site.axis), site.loop is not None
        carried = (inputs, activations) if in_loop else (inputs,)
        return Prefix(activations, after, carried=carried, has_positions=positions, in_loop=in_loop)

    def absorb(self, hook: str, scale: Float[Tensor, " neuron"], shift: Float[Tensor, " neuron"]) -> Adopted:
        """A copy whose weights make ``activations * scale + shift`` of a site; the user's network is unchanged.

        Raises:
            HookNameError: There is no such site. InterventionError: the weights beside it cannot do this.
        """
        tensor = self.tensors[check_site(hook, self.tensors)]
        if not self.axes[hook].of_weights and editable_sides(self._owner(hook)):
            raise InterventionError(
                f"the neurons at {hook!r} are on another axis than the weights of {tensor.path!r} have, so that these "
                "cannot change them; leave it hooked"
            )
        module = absorbed(self.module, tensor, scale, shift)
        settings = ("prompt", "readout", "n_outputs", "call", "output", "loop")
        twin = Adopted(module, self.tensors, **{name: getattr(self, name) for name in settings})
        twin.axes, twin.linear, twin.output_axis = dict(self.axes), self.linear, self.output_axis
        twin.stateful = self.stateful
        if self.example is not None:
            check_twin(self, twin, self._site(hook), scale, shift, self.example)
        return twin

    def to_dict(self) -> dict[str, Any]:
        """The network's kind and sites, ready for JSON; the network itself stays the user's."""
        return {"kind": self.kind, "module": type(self.module).__name__, "sites": list(self.tensors)}

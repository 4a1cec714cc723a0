"""A network that was not built with hook points, with hook points at inputs and outputs of its submodules."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformer_lens import HookedRootModule
from transformer_lens.hook_points import HookPoint

from interp.errors import ConfigError, HookNameError, InterventionError, near_matches
from interp.models.module_io import Layout, Port, layout_of, learned_layout, logits_in
from interp.models.prompt import Prompt
from interp.models.protocol import NeuronSite, Prefix
from interp.models.weights import absorb_change, linear_readout

Call = Callable[[nn.Module, Tensor], Any]
LINEAR = 1e-5
"""Up to this relative difference logits count as what a linear layer gives."""


class Adopted(HookedRootModule):
    """A user's network with hook points at the sites that `adopt` was given; made by `adopt`.

    The network itself stays as it is: PyTorch hooks are on its submodules only while `forward` runs. What a hook point
    sees has PyTorch's own layout, except that the state of a recurrent network comes with examples first.

    Attributes:
        module: The user's network.
        hook_dict: The hook point of each site.

    Example:
        >>> from interp.models import adopt
        >>> model = adopt(nn.Sequential(nn.Conv2d(1, 6, 3), nn.Flatten(), nn.Linear(96, 2)), ["0:output", "2:input"])
        >>> [(site.hook, site.width, site.axis) for site in model.neuron_sites()]
        [('0:output', 6, -3), ('2:input', 96, -1)]
    """

    kind = "adopted"

    def __init__(
        self,
        module: nn.Module,
        ports: Mapping[str, Port],
        *,
        prompt: Prompt | None,
        readout: int,
        n_outputs: int | None,
        call: Call,
    ) -> None:
        super().__init__()
        self.module, self.ports = module, dict(ports)
        self.prompt, self.readout, self.n_outputs, self.call = prompt, readout, n_outputs, call
        self.layouts = {name: layout_of(self._owner(name), port) for name, port in ports.items()}
        self.layouts = {name: _with_position(layout, readout) for name, layout in self.layouts.items()}
        self.linear: dict[str, tuple[str, ...]] | None = None
        points = nn.ModuleList(HookPoint() for _ in ports)
        self.points = points.train(module.training)
        self.training = module.training
        # TransformerLens' setup() would name every module of the user's, and its hook points by attribute.
        self.hook_dict = dict(zip(ports, points, strict=True))  # type: ignore[arg-type]
        self.mod_dict = dict(self.hook_dict)
        for name, point in self.hook_dict.items():
            point.name = name

    def _owner(self, site: str) -> nn.Module:
        """The submodule that a site belongs to."""
        return self.module.get_submodule(self.ports[site].path)

    def forward(self, inputs: Tensor) -> Float[Tensor, "example output"]:
        """Logits of the network at the position that the answer is read at.

        Raises:
            HookNameError: A site is not reached, is reached more than once, or holds no tensor.
            ConfigError: The output holds no logits.
        """
        given = inputs if self.prompt is None else self.prompt(inputs)
        runs = dict.fromkeys(self.ports, 0)
        with ExitStack() as stack:
            stack.enter_context(_module_by_module(self.module))
            for name, port in self.ports.items():
                seen = partial(self._show, name, len(inputs), runs)
                stack.callback(port.attach(self._owner(name), seen).remove)
            output = self.call(self.module, given)
        self._check_runs(runs)
        return logits_in(output, self.readout, self.n_outputs)

    def _show(self, site: str, n_examples: int, runs: dict[str, int], tensor: Tensor) -> Tensor:
        """Show a tensor to a site's hooks; what comes back is what the network goes on with."""
        runs[site] += 1
        point = self.hook_dict[site]
        if runs[site] > 1 or not _has_hooks(point):
            return tensor
        example_axis = self.layouts[site].example_axis
        shown = tensor.transpose(0, example_axis) if example_axis else tensor
        if shown.ndim < 1 or len(shown) != n_examples:
            raise HookNameError(
                f"{site!r} has shape {tuple(shown.shape)} for {n_examples} examples; its first axis must count them. "
                "Build the network with batch_first=True, or choose a site where the examples are not mixed"
            )
        kept = shown.clone()  # what later changes the tensor in place does not reach what hooks keep
        changed = point(kept)
        if changed is kept and not kept.requires_grad and torch.equal(kept, shown):
            return tensor
        if example_axis:
            changed = changed.transpose(0, example_axis)
        dense = tensor.is_contiguous()
        return changed.clone(memory_format=torch.contiguous_format if dense else torch.preserve_format)

    def _check_runs(self, runs: dict[str, int]) -> None:
        for site, count in runs.items():
            path = self.ports[site].path
            if count > 1:
                raise HookNameError(
                    f"{path!r} runs {count} times in one forward pass: the network reuses it, so that {site!r} is not "
                    "one place. Choose a submodule that runs once, such as the block around one of its uses"
                )
            if count == 0:
                raise HookNameError(
                    f"{site!r} was never reached in the forward pass: {self._why_silent(path)}"
                )

    def _why_silent(self, path: str) -> str:
        parent, _, name = path.rpartition(".")
        if name == "out_proj" and isinstance(self.module.get_submodule(parent), nn.MultiheadAttention):
            return (
                "nn.MultiheadAttention multiplies by out_proj's weight without calling out_proj. "
                f"Its result is {parent + ':output'!r}"
            )
        return (
            "the network does not call this submodule on these inputs (it may be skipped, or compiled in part, or only "
            "its weights or its forward method may be used)"
        )

    def learn(self, example: Tensor) -> None:
        """Run the network on an example, to learn what its sites look like and whether what follows them is linear.

        Raises:
            ConfigError: The example has no rows, or a site is not what its kind of module should give.
            HookNameError: See `forward`.
        """
        if not len(example):
            raise ConfigError("the example has no rows; pass one or more inputs, examples first")
        example = example.to(next((p.device for p in self.parameters()), example.device))
        with _evaluating(self):
            logits, cache = self.run_with_cache(example)
            self.run_with_cache(torch.cat([example, example[:1]]))  # each first axis must grow with it
            for name, tensor in cache.items():
                if not tensor.is_floating_point():
                    raise ConfigError(
                        f"{name!r} holds {tensor.dtype} numbers, such as tokens, and no activations"
                    )
                shape = tuple(tensor.shape)
                self.layouts[name] = learned_layout(name, self.layouts[name], shape, self.readout)
            self.linear = {
                name: tuple(cache)[i + 1 :]
                for i, (name, tensor) in enumerate(cache.items())
                if self._readout(name, tensor, logits, example) is not None
            }

    def neuron_sites(self) -> tuple[NeuronSite, ...]:
        """One site for each that was adopted, in the order given.

        Raises:
            ConfigError: A site's kind of module does not tell which axis counts the neurons, and there was no example.
        """
        return tuple(self._site(name) for name in self.ports)

    def _site(self, name: str) -> NeuronSite:
        layout = self.layouts[name]
        if layout.width is None or layout.axis is None or layout.axis > 0:
            raise ConfigError(
                f"a {type(self._owner(name)).__name__} does not tell which axis of {name!r} counts its neurons; "
                "pass example=… to adopt, a few of the network's inputs"
            )
        found = linear_readout(self._owner(name), self.n_outputs) if self._only_linear_follows(name) else None
        readout = None if found is None else found[0]
        return NeuronSite(name, layout.width, readout=readout, axis=layout.axis, position=layout.position)

    def _only_linear_follows(self, name: str) -> bool:
        """Whether the example showed that the logits are linear in a site's neurons, and no hook changes that now."""
        following = (self.linear or {}).get(name)
        return following is not None and not any(_has_hooks(self.hook_dict[other]) for other in following)

    def _at_readout(self, activations: Tensor) -> Tensor:
        return activations[:, self.readout] if activations.ndim == 3 else activations

    def _readout(
        self, name: str, activations: Tensor, logits: Tensor, inputs: Tensor
    ) -> tuple[Tensor, Tensor] | None:
        """Matrix and bias of the layer that reads a site, if it gives the logits, for these activations and others."""
        found = linear_readout(self._owner(name), self.n_outputs)
        no_place = activations.ndim == 3 and self.layouts[name].position is None
        if self.ports[name].side != "input" or found is None or no_place or activations.ndim > 3:
            return None
        changed = -3 * activations
        for x, given in ((activations, logits), (changed, self._continue(name, changed, inputs))):
            expected = self._at_readout(x) @ found[0] + found[1]
            if expected.shape != given.shape or not _close(given, expected):
                return None
        return found

    def _continue(self, name: str, activations: Tensor, inputs: Tensor) -> Tensor:
        """Logits if a site's tensor, with its neurons last, were another one."""
        axis = self.layouts[name].axis
        assert axis is not None
        changed = activations.movedim(-1, axis)
        handle = self.hook_dict[name].register_forward_hook(lambda *_: changed)
        try:
            return self(inputs)
        finally:
            handle.remove()

    def prefix(self, hook: str, inputs: Tensor) -> Prefix:
        """The forward pass up to a site; what follows runs the network again, with the site's tensor replaced.

        Where a linear layer reads the site and gives the logits, what follows is that layer alone.

        Raises:
            HookNameError: There is no such site. ConfigError: its neurons or positions are not known for these inputs.
        """
        self._check_site(hook)
        site, length = self._site(hook), self.layouts[hook].length
        logits, cache = self.run_with_cache(inputs, names_filter=hook)
        activations = cache[hook].movedim(site.axis, -1)
        if self.readout < 0 and length is not None and activations.shape[1] != length:
            raise ConfigError(
                f"{hook!r} has {activations.shape[1]} positions on these inputs and had {length} on the example, where "
                f"readout={self.readout} was position {site.position}; adopt the network with an example like these"
            )
        promised = self._only_linear_follows(hook)
        tried = promised or (self.linear is None and activations.ndim == 2)
        readout = self._readout(hook, activations, logits, inputs) if tried else None
        if readout is not None:
            matrix, bias = readout
            rows = self._at_readout(activations)
            return Prefix(rows, lambda stream: stream, matrix, bias.expand(len(rows), -1))
        if promised:
            raise ConfigError(
                f"the logits are not linear in {hook!r} on these inputs, as they were on the example; "
                "adopt the network again, with an example like these"
            )
        positions = site.axis == -1 and site.position is not None and activations.ndim == 3
        after = partial(self._continue, hook)
        return Prefix(activations, after, carried=(inputs,), has_positions=positions)

    def _check_site(self, hook: str) -> None:
        if hook not in self.ports:
            raise HookNameError(f"there are no neurons at {hook!r}; {near_matches(hook, self.ports)}")

    def absorb(self, hook: str, scale: Float[Tensor, " neuron"], shift: Float[Tensor, " neuron"]) -> Adopted:
        """A copy whose weights make ``activations * scale + shift`` of a site; the user's network is unchanged.

        Raises:
            HookNameError: There is no such site. InterventionError: the weights beside it cannot do this.
        """
        self._check_site(hook)
        try:
            module = copy.deepcopy(self.module)
        except (RuntimeError, TypeError) as error:
            raise InterventionError(
                f"the network cannot be copied, so nothing can be saved in its weights: {error}"
            ) from error
        absorb_change(module, self.ports[hook], scale, shift)
        twin = Adopted(
            module,
            self.ports,
            prompt=self.prompt,
            readout=self.readout,
            n_outputs=self.n_outputs,
            call=self.call,
        )
        twin.layouts, twin.linear = dict(self.layouts), self.linear
        return twin

    def to_dict(self) -> dict[str, Any]:
        """What was adopted, ready for JSON; the network itself stays the user's."""
        return {"kind": self.kind, "module": type(self.module).__name__, "sites": list(self.ports)}


def _has_hooks(point: nn.Module) -> bool:
    kinds = (point._forward_hooks, point._forward_pre_hooks, point._backward_hooks, point._backward_pre_hooks)
    return any(kinds)


def _close(given: Tensor, expected: Tensor) -> bool:
    """Whether two sets of logits are equal up to rounding."""
    return bool((given - expected).abs().max() <= LINEAR * given.abs().max())


def _with_position(layout: Layout, readout: int) -> Layout:
    """A layout before any example was seen: neurons on the last axis may have positions before them."""
    return replace(layout, position=readout) if layout.axis == -1 and not layout.example_axis else layout


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; every module's mode is restored."""
    training = [inner for inner in module.modules() if inner.training]
    for inner in training:
        inner.training = False
    try:
        with torch.no_grad():
            yield
    finally:
        for inner in training:
            inner.training = True


@contextmanager
def _module_by_module(module: nn.Module) -> Iterator[None]:
    """Inside the block no submodule is passed over: PyTorch's fused attention and compiled code are off."""
    compiled = any(
        hasattr(inner, "_orig_mod") or getattr(inner, "_compiled_call_impl", None) is not None
        for inner in module.modules()
    )
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.compiler.set_stance("force_eager") if compiled else nullcontext():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)

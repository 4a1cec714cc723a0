"""The seam between models and everything that measures them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from interp.errors import ConfigError, HookNameError, near_matches
from interp.models.suffix import Suffix

STEPS = ("time", "segment", "position")
"""Axes that an intervention can be limited along."""
Names = str | Sequence[str] | Callable[[str], bool]


@dataclass(frozen=True, eq=False)
class NeuronSite:
    """Where a model's neurons can be read and changed, and the weights around them.

    Attributes:
        hook: Name of the hook point, such as ``blocks.0.mlp.hook_post``; with ``@N`` at its end, position N only.
        input_vectors: For neurons fed directly by tokens, one matrix for each input position; otherwise empty.
        readout: If all that follows the neurons is linear: the logits are ``activations @ readout`` plus a constant.
        axis: Which axis of the activation counts the neurons, from its end: -1, or another one for channels of images
            and attention heads.
        position: Where the activation has positions as its second axis: the one that scores are taken from, usually the
            one that the answer is read at. None: there are none, or scores are taken from their mean.
        layout: Each axis of the module's own tensor in a word, such as ``(position, example, neuron)``; empty where the
            hook point shows the tensor as it is.
        axes: Names of the axes of captures, such as ``("example", "time", "neuron")``; empty where they are not known.
        loop: Which of them is the steps of a loop: the hook point is passed once a step, and a neuron that is changed
            at one may change all neurons at later ones. None: the hook point is passed once.
    """

    hook: str
    width: int
    input_vectors: tuple[Float[Tensor, "neuron token"], ...] = field(default=(), repr=False)
    readout: Float[Tensor, "neuron output"] | None = field(default=None, repr=False)
    axis: int = -1
    position: int | None = None
    layout: str = ""
    axes: tuple[str, ...] = ("example", "neuron")
    loop: str | None = None

    @property
    def axes_neurons_last(self) -> tuple[str, ...]:
        """`axes` in the order of `Prefix.activations`."""
        names = list(self.axes)
        unit = [names.pop(self.axis)] if names else []
        return (*names, *unit)

    @property
    def time_axis(self) -> int | None:
        """Where the steps are in `Prefix.activations`: the index of the first of `STEPS`; None if there are none."""
        names = self.axes_neurons_last[:-1]
        return next((names.index(name) for name in STEPS if name in names), None)


@dataclass(frozen=True, eq=False)
class Prefix:
    """A forward pass up to one site, and how it goes on from there.

    If the neurons are first of all read by a matrix, the rest is ``after(offset + activations @ writes)``, so that a
    few changed neurons cost a few rows of it; else it is ``after(activations)``.

    Attributes:
        activations: Neurons last, whatever the layout at the hook point.
        after: The rest of the network, for any subset of examples, with the same rows of `carried`.
        carried: What else `after` needs, a row for each example.
        has_positions: Whether the second axis of `activations` is the token position.
        suffix: The same as `after`, which reads `stream`, in parts that small changes are followed through; None where
            it is not known in parts.
        whole: For a single position of a site, the pass up to all of them.
        position: Which of its positions that is.
        in_loop: Whether the site is passed once a step. `after` then adds to each step's neurons what differs from
            `activations`, and they go on from there; a change that depends on the neurons has to act in the loop, see
            `interp.interventions.intervene`.
    """

    activations: Float[Tensor, "example *axes neuron"]
    after: Callable[..., Float[Tensor, "example output"]]
    writes: Float[Tensor, "neuron stream"] | None = None
    offset: Float[Tensor, "example *axes stream"] | None = None
    carried: tuple[Tensor, ...] = ()
    has_positions: bool = False
    suffix: Suffix | None = None
    whole: Prefix | None = None
    position: int | None = None
    in_loop: bool = False

    @cached_property
    def stream(self) -> Tensor:
        """Input of the rest of the network, unchanged."""
        if self.writes is None or self.offset is None:
            return self.activations
        return self.offset + self.activations @ self.writes

    def logits(
        self, activations: Tensor | None = None, rows: Tensor | slice | None = None
    ) -> Float[Tensor, "example output"]:
        """Logits of some examples (all if None) if their neurons had other activations."""
        chosen = slice(None) if rows is None else rows
        if activations is None:
            stream = self.stream[chosen]
        elif self.writes is None or self.offset is None:
            stream = activations
        else:
            stream = self.offset[chosen] + activations @ self.writes
        return self.after(stream, *(kept[chosen] for kept in self.carried))

    def logits_shifted(self, neurons: Tensor, shift: Tensor, rows: Tensor) -> Float[Tensor, "example output"]:
        """Logits of some examples if `shift` ``(row, …, chosen neuron)`` were added to a few of their neurons."""
        if self.writes is None:
            stream = self.stream[rows]
            stream[..., neurons] += shift
        else:
            stream = self.stream[rows] + shift @ self.writes[neurons]
        return self.after(stream, *(kept[rows] for kept in self.carried))


@runtime_checkable
class HasHooks(Protocol):
    """Anything with hook points by name."""

    @property
    def hook_dict(self) -> Mapping[str, nn.Module]: ...


@runtime_checkable
class HookedModel(Protocol):
    """A network from inputs ``(example, …)`` to logits ``(example, output)`` with hook points.

    `run_with_hooks` and `run_with_cache` are TransformerLens'. `neuron_sites` are in the order of the forward pass.
    `prefix` runs the network up to a site. `absorb` changes neurons for good: in a copy, what reads the neurons at
    `hook` reads ``activations * scale + shift`` instead, at every position; where a network without biases is
    shifted, the copy has biases. Both raise a `HookNameError` where there are no neurons at `hook`.
    """

    @property
    def hook_dict(self) -> Mapping[str, nn.Module]: ...

    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    def run_with_hooks(self, *args: Any, fwd_hooks: Any = ..., **kwargs: Any) -> Any: ...

    def run_with_cache(self, *args: Any, names_filter: Any = ..., **kwargs: Any) -> Any: ...

    def parameters(self, recurse: bool = True) -> Any: ...

    def modules(self) -> Any: ...

    def to(self, *args: Any, **kwargs: Any) -> HookedModel: ...

    def train(self, mode: bool = True) -> HookedModel: ...

    def neuron_sites(self) -> tuple[NeuronSite, ...]: ...

    def prefix(self, hook: str, inputs: Tensor) -> Prefix: ...

    def absorb(
        self, hook: str, scale: Float[Tensor, " neuron"], shift: Float[Tensor, " neuron"]
    ) -> HookedModel: ...


def split_position(name: str) -> tuple[str, int | None]:
    """A hook name without the position that it may end in, and that position.

    Example:
        >>> split_position("blocks.0.mlp.hook_post@2"), split_position("blocks.0.mlp.hook_post")
        (('blocks.0.mlp.hook_post', 2), ('blocks.0.mlp.hook_post', None))
    """
    hook, mark, position = name.rpartition("@")
    if not mark:
        return name, None
    if not position.isdecimal():
        raise HookNameError(
            f"{name!r} does not end in a position; write a number from 0 after '@', such as {hook}@0"
        )
    return hook, int(position)


def check_site(hook: str, sites: Collection[str], kind: str = "neurons") -> str:
    """`hook` if it is one of the sites; a `HookNameError` if not."""
    if hook not in sites:
        raise HookNameError(f"there are no {kind} at {hook!r}; {near_matches(hook, sites)}")
    return hook


def has_hooks(point: nn.Module) -> bool:
    """True if any hook is on a hook point."""
    kinds = (point._forward_hooks, point._forward_pre_hooks, point._backward_hooks, point._backward_pre_hooks)
    return any(kinds)


@contextmanager
def evaluation_mode(model: HookedModel, *, carry: bool = False) -> Iterator[HookedModel]:
    """Dropout off and running statistics in use, without gradients; every module's mode is restored.

    Args:
        carry: Let a network that keeps state go on with it from call to call. Else every call inside the block starts
            from the state at its beginning, which is put back at its end.
    """
    training = [module for module in model.modules() if module.training]
    model.train(False)
    independent = None if carry else getattr(model, "independent_calls", None)
    try:
        with torch.no_grad(), nullcontext() if independent is None else independent():
            yield model
    finally:
        for module in training:
            module.training = True


def neuron_site(model: HookedModel, hook: str | None = None) -> NeuronSite:
    """The model's site of that name, with ``@N`` at position N only; without a name its last one, which the output
    reads.

    Raises:
        HookNameError: The model has no neurons at `hook`.
    """
    sites = {site.hook: site for site in model.neuron_sites()}
    if hook is None:
        return list(sites.values())[-1]
    name, position = split_position(hook)
    site = sites[check_site(name, sites)]
    if position is None:
        return site
    if site.position is None:
        raise HookNameError(f"the neurons at {name!r} have no positions; leave out '@{position}'")
    same = position == site.position
    return replace(site, hook=hook, readout=site.readout if same else None, position=None)


def prefix_at(model: HookedModel, hook: str, inputs: Tensor) -> Prefix:
    """The forward pass up to a site, which may be a single position of one (``…hook_post@N``).

    Raises:
        HookNameError: The model has no neurons at `hook`, or they have no such position.
    """
    name, position = split_position(hook)
    whole = model.prefix(name, inputs)
    if position is None:
        return whole
    if not whole.has_positions:  # only the position that the answer is read at matters from here on
        site = neuron_site(model, name)
        if position == site.position:
            return whole
        _, cache = model.run_with_cache(inputs, names_filter=name)
        activations = select_position(cache[name], position, name).movedim(site.axis, -1)
        return Prefix(activations, lambda _, logits: logits, carried=(whole.logits(),))

    def after(activations: Tensor, full: Tensor, *carried: Tensor) -> Tensor:
        changed = full.clone()
        changed[:, position] = activations
        stream = changed
        if whole.writes is not None:
            stream, carried = carried[0] + changed @ whole.writes, carried[1:]
        return whole.after(stream, *carried)

    offset = () if whole.offset is None else (whole.offset,)
    activations = select_position(whole.activations, position, name)
    carried = (whole.activations, *offset, *whole.carried)
    return Prefix(activations, after, carried=carried, suffix=whole.suffix, whole=whole, position=position)


def select_position(activation: Tensor, position: int, name: str) -> Tensor:
    """The activation at one position of its second axis; a `HookNameError` if there is no such position."""
    if activation.ndim < 3 or position >= activation.shape[1]:
        places = activation.shape[1] if activation.ndim > 2 else 0
        raise HookNameError(f"{name!r} has {places} positions, from 0; there is no position {position}")
    return activation[:, position]


def check_tokens(
    tokens: Num[Tensor, "example position"], vocab: int, n_positions: int, *, training: bool = False
) -> None:
    """Raise a `ConfigError` unless there are `n_positions` tokens an example, each from 0 to ``vocab - 1``.

    In training on a GPU, where looking at tokens would make it wait, they are taken as they are.
    """
    if training and tokens.device.type != "cpu":
        return
    if tokens.is_floating_point():
        raise ConfigError(
            "the inputs are measurements (they are no whole numbers throughout), but the network reads tokens; give "
            "it a table of tokens"
        )
    if tokens.shape[-1] != n_positions:
        raise ConfigError(
            f"the inputs have {tokens.shape[-1]} tokens an example; the network reads {n_positions}"
        )
    if len(tokens):
        low, high = (int(extreme) for extreme in torch.aminmax(tokens))
        if low < 0 or high >= vocab:
            raise ConfigError(f"the inputs have tokens {low} to {high}; the network knows {vocab}, from 0")

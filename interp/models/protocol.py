"""The seam between models and everything that measures them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from interp.errors import HookNameError, near_matches


@dataclass(frozen=True, eq=False)
class NeuronSite:
    """Where a model's neurons can be read and changed, and the weights around them.

    Attributes:
        hook: Name of the hook point whose last axis is the neurons, for example ``blocks.0.mlp.hook_post``.
        width: How many neurons there are.
        input_vectors: For neurons fed directly by tokens, one ``(neuron, token value)`` matrix for each input
            position; otherwise empty.
        readout: Matrix ``(neuron, output)`` if all that follows the neurons is linear (the logits are
            ``activations @ readout`` plus a constant); otherwise None.
    """

    hook: str
    width: int
    input_vectors: tuple[Float[Tensor, "neuron token"], ...] = ()
    readout: Float[Tensor, "neuron output"] | None = None


@runtime_checkable
class HookedModel(Protocol):
    """A network from token numbers ``(example, token)`` to logits ``(example, output)`` with hook points.

    `run_with_hooks` and `run_with_cache` are TransformerLens'. `run_from` continues a forward pass from
    neurons' activations. `absorb` changes neurons for good: in a copy, what reads the neurons at `hook` reads
    ``activations * scale + shift`` instead.
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

    def run_from(
        self, hook: str, activations: Float[Tensor, "example neuron"]
    ) -> Float[Tensor, "example output"]: ...

    def absorb(
        self, hook: str, scale: Float[Tensor, " neuron"], shift: Float[Tensor, " neuron"]
    ) -> HookedModel: ...


def neuron_site(model: HookedModel, hook: str | None = None) -> NeuronSite:
    """The model's site of that name, or its last one, whose neurons the output reads.

    Raises:
        HookNameError: The model has no neurons at `hook`.
    """
    sites = {site.hook: site for site in model.neuron_sites()}
    if hook is None:
        return list(sites.values())[-1]
    if hook not in sites:
        raise HookNameError(f"there are no neurons at {hook!r}; {near_matches(hook, sites)}")
    return sites[hook]

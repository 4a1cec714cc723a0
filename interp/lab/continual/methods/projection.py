"""Updates kept orthogonal to the activity of earlier tasks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from interp.lab.continual.method import Method, Run
from interp.lab.continual.methods.hebbian import hebbian_subspace, orthonormal, subspace_overlap


@dataclass(eq=False)
class Protected:
    """Subspaces that updates leave alone, by the name of a linear layer.

    Attributes:
        learnt: Orthonormal rows of the activity before the layer, with a last element of 1 for its bias.
        used: The same, or as many random ones: what updates are orthogonal to.
        overlaps: Of each task's units with the principal components of the activity that was left, see
            `subspace_overlap`; by layer.
        values: Weights before an update, with the bias in the last column.
    """

    learnt: dict[str, Tensor]
    used: dict[str, Tensor]
    overlaps: dict[str, list[float]]
    values: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Projection(Method):
    """Orthogonal projection by Hebbian units (after arXiv 2402.11984, whose networks spike).

    After each task, lateral units of every linear layer learn the directions of most of its input's activity in this
    task, and are frozen. From then on the part of every update that acts on these directions is taken out, so that the
    layer answers nearly as before to inputs of earlier tasks.

    Attributes:
        share: Of the sum of squares of activity, in (0, 1), that the units of all tasks so far span.
        random: Protect random directions, as many in each layer: a control.
    """

    share: float = 0.95
    random: bool = False

    def start(self, run: Run) -> None:
        empty = {
            name: layer.weight.new_zeros(0, layer.in_features + 1)
            for name, layer in linear_layers(run.network)
        }
        run.memory[self] = Protected(dict(empty), dict(empty), {name: [] for name in empty})

    def gradient(self, run: Run, batch: object, logits: object) -> None:
        protected = run.memory[self]
        if run.task:
            protected.values = {name: _with_bias(layer) for name, layer in linear_layers(run.network)}

    @torch.no_grad()
    def after_step(self, run: Run) -> None:
        """Project what the optimiser did, whichever it is."""
        protected = run.memory[self]
        if not run.task:
            return
        for name, layer in linear_layers(run.network):
            rows = protected.used[name]
            change = _with_bias(layer) - protected.values[name]
            undone = (change @ rows.T) @ rows
            layer.weight.sub_(undone[:, :-1])
            if layer.bias is not None:
                layer.bias.sub_(undone[:, -1])

    @torch.no_grad()
    def after_task(self, run: Run) -> None:
        protected = run.memory[self]
        if run.task == len(run.tasks) - 1:
            return  # nothing is learnt any more
        for name, activity in layer_inputs(run.network, run.current.inputs).items():
            known = protected.learnt[name]
            new = hebbian_subspace(activity, self.share, run.generator, known)
            if len(new):
                left = activity - (activity @ known.T) @ known
                components = torch.linalg.svd(left, full_matrices=False)[2][: len(new)]
                protected.overlaps[name].append(subspace_overlap(new, components))
            protected.learnt[name] = torch.cat([known, new])
            drawn = torch.randn(new.shape, generator=run.generator) if self.random else new
            protected.used[name] = orthonormal(drawn, protected.used[name])


def linear_layers(network: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    """Names and linear layers of a network, in order."""
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Linear):
            yield name, layer


@torch.no_grad()
def layer_inputs(
    network: nn.Module, inputs: Shaped[Tensor, "example ..."]
) -> dict[str, Float[Tensor, "row neuron"]]:
    """Inputs of every linear layer, with a last element of 1 where it has a bias and 0 where it has none."""
    collected: dict[str, Tensor] = {}

    def hook(name: str, layer: nn.Linear, given: tuple[Tensor, ...]) -> None:
        rows = given[0].detach().flatten(0, -2)
        one = float(layer.bias is not None)
        collected[name] = torch.cat([rows, rows.new_full((len(rows), 1), one)], 1)

    handles = []
    for name, layer in linear_layers(network):
        handles.append(
            layer.register_forward_pre_hook(lambda module, given, name=name: hook(name, module, given))
        )
    try:
        network(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return collected


def protected_share(layer: nn.Linear, rows: Float[Tensor, "unit weight"]) -> Float[np.ndarray, " neuron"]:
    """Share of each neuron's squared incoming weights and bias that lies in a protected subspace; in [0, 1].

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> _ = layer.load_state_dict({"weight": torch.tensor([[3.0, 4], [0, 1]]), "bias": torch.zeros(2)})
        >>> protected_share(layer, torch.eye(3)[:1]).round(2).tolist()
        [0.36, 0.0]
    """
    weights = _with_bias(layer).double()
    inside = (weights @ rows.double().T).square().sum(1) / weights.square().sum(1).clamp_min(1e-30)
    return inside.numpy()


def _with_bias(layer: nn.Linear) -> Tensor:
    bias = layer.weight.new_zeros(layer.out_features) if layer.bias is None else layer.bias
    return torch.cat([layer.weight, bias[:, None]], 1).detach().clone()

"""From a model's neurons to plain arrays that a probe can read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.data import Ordering, Task
from interp.data.operations import in_order, steps_of
from interp.hooks import capture
from interp.measuring.logits import BLOCK, Activations, Streamed, blocks_of
from interp.models import HookedModel, NeuronSite, Prefix


@dataclass(frozen=True, eq=False)
class NeuronArrays:
    """Weights and strength of the neurons at one site.

    Attributes:
        vectors: Weights read in the task's order, one ``(neuron, position)`` array for each input position and
            one for the output; those that do not exist (deeper layers) are missing.
        outside: Share in [0, 1] of each neuron's squared weights at residues that the ordering leaves out.
        distinct: Positions in `vectors` of those that are not a repetition: tied inputs are one vector, not two.
        steps: For each vector the multiple of the neuron's frequency that it has; see `interp.data.Ordering`.
        strength: Root mean square of what each neuron adds to a logit, classes centred; relative to the others
            it tells a dead neuron from a quiet one.
    """

    vectors: tuple[Float[np.ndarray, "neuron position"], ...]
    distinct: tuple[int, ...]
    outside: Float[np.ndarray, " neuron"]
    strength: Float[np.ndarray, " neuron"]
    steps: tuple[int, ...]


def neuron_arrays(site: NeuronSite, activations: Activations, ordering: Ordering | None) -> NeuronArrays:
    """Weights in task order, and how strongly each neuron acts.

    Args:
        activations: Their activations on every example.
        ordering: The task's; the natural order of token values if None.

    Example:
        >>> from interp.data import ModularTask
        >>> from interp.models import analytic_mlp, neuron_site
        >>> model, task = analytic_mlp("multiply", p=13), ModularTask("multiply", p=13)
        >>> site = neuron_site(model)
        >>> acts = capture(model, task.dataset.inputs, site.hook)[site.hook]
        >>> [v.shape for v in neuron_arrays(site, acts, task.ordering).vectors]
        [(200, 12), (200, 12), (200, 12)]
    """
    raw, vectors = weight_vectors(site, ordering)
    strength = root_mean_square(activations).cpu().numpy()
    if site.readout is not None:
        readout = raw[-1].astype(np.float64)
        strength = strength * readout.std(1)
    steps = steps_of(ordering, len(vectors))
    outside = share_outside(raw, vectors) if raw else np.zeros(site.width)
    return NeuronArrays(tuple(vectors), distinct_vectors(site), outside, strength, steps)


def root_mean_square(activations: Activations) -> Float[Tensor, " neuron"]:
    """Root mean square of each neuron over examples and all other axes, in double precision.

    Example:
        >>> root_mean_square(torch.tensor([[1.0, 1.0], [7.0, 1.0]])).tolist()
        [5.0, 1.0]
    """
    if isinstance(activations, Streamed):
        total = torch.zeros(activations.shape[-1], dtype=torch.float64, device=activations.device)
        for rows in blocks_of(activations):
            total += activations[rows].double().square().flatten(0, -2).sum(0)
        return (total / torch.Size(activations.shape[:-1]).numel()).sqrt()
    flat = activations.flatten(0, -2)
    some = flat.split(max(1, BLOCK // max(1, len(flat))), dim=1)
    return torch.cat([part.double().square().mean(0) for part in some]).sqrt()


def share_outside(
    raw: Sequence[Float[np.ndarray, "neuron _"]], kept: Sequence[Float[np.ndarray, "neuron _"]]
) -> Float[np.ndarray, " neuron"]:
    """The share in [0, 1] of each neuron's squared weights that an order leaves out; 0 of a neuron without weights.

    Example:
        >>> share_outside([np.array([[3.0, 1.0]])], [np.array([[3.0]])]).round(6).tolist()
        [0.1]
    """
    whole, part = (sum(np.square(v, dtype=np.float64).sum(1) for v in some) for some in (raw, kept))
    return np.clip(np.where(whole > 0, 1 - part / np.where(whole > 0, whole, 1), 0.0), 0.0, 1.0)


def weight_vectors(
    site: NeuronSite, ordering: Ordering | None
) -> tuple[list[Float[np.ndarray, "neuron token"]], list[Float[np.ndarray, "neuron position"]]]:
    """Each neuron's weights as they are, input positions first and the readout last, and the same in task order."""
    inputs = [as_array(vector) for vector in site.input_vectors]
    output = [] if site.readout is None else [as_array(site.readout)]
    raw = inputs + output
    if ordering is None or len(inputs) not in (0, 2):
        return raw, raw
    orders = ([ordering.left, ordering.right] if inputs else []) + ([ordering.output] if output else [])
    return raw, [in_order(vector, order) for vector, order in zip(raw, orders, strict=True)]


def distinct_vectors(site: NeuronSite) -> tuple[int, ...]:
    """Positions among a site's weight vectors of those that are not a repetition: tied inputs are one, not two."""
    sources = [*site.input_vectors, *([] if site.readout is None else [site.readout])]
    return tuple(
        i for i, source in enumerate(sources) if all(source is not earlier for earlier in sources[:i])
    )


def as_array(x: Tensor) -> np.ndarray:
    """A tensor as an array; half precisions, which numpy knows in part, as float32."""
    x = x.detach().cpu()
    return (x.float() if x.dtype in (torch.bfloat16, torch.float16) else x).numpy()


def scored_activations(prefix: Prefix, site: NeuronSite) -> Float[Tensor, "example neuron"]:
    """One number for each example and neuron: at the site's position, else the mean over all axes between."""
    position = site.position if prefix.has_positions else None
    return _one_each(prefix.activations, position)


def _one_each(
    activations: Float[Tensor, "example *axes neuron"], position: int | None
) -> Float[Tensor, "example neuron"]:
    if position is not None:
        activations = activations[:, position]
    return activations if activations.ndim == 2 else activations.flatten(1, -2).mean(1)


def activation_grid(
    model: HookedModel, task: Task, hook: str, neurons: np.ndarray | None = None
) -> Float[np.ndarray, "neuron left right"]:
    """Activations over every pair of operands, both axes in the task's order.

    Args:
        model: A hooked model with two input positions.
        task: Gives the pairs and the ordering (natural order if it has none).
        hook: Hook name of the neurons; of a site with positions, its own is read, elsewhere their mean.
        neurons: Which of them; all if None.

    Returns:
        One grid a neuron; NaN for pairs that the operation does not allow.
    """
    site = {site.hook: site for site in model.neuron_sites()}.get(hook, NeuronSite(hook, 0))
    captured = capture(model, task.dataset.inputs, hook)[hook].movedim(site.axis, -1)
    activations = _one_each(captured, site.position)
    return on_grid(activations if neurons is None else activations[:, torch.as_tensor(neurons)], task)


def on_grid(
    activations: Float[Tensor, "example neuron"], task: Task
) -> Float[np.ndarray, "neuron left right"]:
    """Activations that were measured on every example, laid out as in `activation_grid`."""
    inputs, p = task.dataset.inputs.cpu(), side_of_grid(task)
    full = activations.new_full((p * p, activations.shape[1]), float("nan"))
    full[(inputs[:, 0] * p + inputs[:, 1]).to(full.device)] = activations
    return grid_of(full, p, task.ordering)


def side_of_grid(task: Task) -> int:
    """Number of values of an operand: p, or one more than the largest that occurs."""
    p = getattr(task, "p", None)
    return p if isinstance(p, int) else int(task.dataset.inputs.max()) + 1


def grid_of(
    activations: Float[Tensor, "pair neuron"], p: int, ordering: Ordering | None
) -> Float[np.ndarray, "neuron left right"]:
    """Activations of all p² pairs in row-major order, as grids in the given order (natural if None)."""
    grid = as_array(activations).T.reshape(-1, p, p)
    return grid if ordering is None else grid[:, ordering.left[:, None], ordering.right[None, :]]

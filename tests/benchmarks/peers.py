"""Other people's ways to remove neurons, one forward pass a set: a loop of one's own, hooks, captum, nnsight traces.

Each gives the accuracy over all examples for each neuron or step that is asked for; none looks at splits or margins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from timing import Limit, Peer, Work, at_least
from torch import Tensor

from interp.data import Task
from interp.models import HookedMLP, HookedModel

SITE = "blocks.0.mlp.hook_post"
Sets = Sequence[Sequence[int]]


def alone(neurons: int) -> Sets:
    """Every one of the first neurons by itself."""
    return [[neuron] for neuron in range(neurons)]


def cumulative(steps: Sequence[int]) -> Sets:
    """The first neurons, as many as each step says."""
    return [range(step) for step in steps]


def forward_of(model: HookedModel, task: Task) -> Work:
    """One forward pass over all examples."""

    @torch.no_grad()
    def forward() -> None:
        model(task.dataset.inputs)

    return forward


def effect_peers(model: HookedModel, task: Task, some: int, width: int, least: float) -> dict[str, Peer]:
    """Ways to measure each neuron's own effect; timed on some of the neurons, as each takes a pass."""
    note, times, sets = f"{some} of {width} neurons, scaled", width / some, alone(some)
    ways = _ways(model, task, sets, at_least(least), times, note)
    with_rest = width / (some + 1)  # it removes all the others as well
    captum = Peer(lambda: lambda: by_captum(model, task, some), at_least(least), with_rest, note, "captum")
    return {**ways, "captum LayerFeatureAblation": captum}


def curve_peers(model: HookedModel, task: Task, some: int, width: int, least: float) -> dict[str, Peer]:
    """Ways to measure all cumulative removals; timed at some of the steps, as each takes a pass."""
    note, times = f"{some} of {width + 1} steps, scaled", (width + 1) / some
    sets = cumulative(np.linspace(0, width, some).astype(int).tolist())
    ways = _ways(model, task, sets, at_least(least), times, note)
    captum = Peer(lambda: lambda: curve_by_captum(model, task, sets), at_least(least), times, note, "captum")
    return {**ways, "captum FeatureAblation": captum}


def _ways(
    model: HookedModel, task: Task, sets: Sets, limit: Limit, times: float, note: str
) -> dict[str, Peer]:
    ways = {
        "TransformerLens run_with_hooks": Peer(
            lambda: lambda: by_hooks(model, task, sets), limit, times, note
        ),
        "nnsight traces": Peer(lambda: lambda: by_nnsight(model, task, sets), limit, times, note, "nnsight"),
    }
    if isinstance(model, HookedMLP):
        ways["notebook's loop"] = Peer(lambda: lambda: by_notebook(model, task, sets), limit, times, note)
    return ways


def share_right(logits: Tensor, task: Task) -> float:
    """Accuracy against the labels as trained on."""
    return float((logits.argmax(-1) == task.dataset.labels).float().mean())


@torch.no_grad()
def by_notebook(model: HookedMLP, task: Task, sets: Sets) -> list[float]:
    """As the authors' notebook does: the weights of the chosen neurons set to 0, and one forward pass of them."""
    (a, b), result = task.dataset.inputs.T, []
    u, v, w = *(table.T for table in model.embed.W_E), model.unembed.weight.T
    for chosen in sets:
        kept = w.clone()
        kept[:, list(chosen)] = 0
        result.append(share_right((kept @ (u[:, a] + v[:, b]) ** 2).T, task))
    return result


@torch.no_grad()
def by_hooks(model: HookedModel, task: Task, sets: Sets, site: str = SITE) -> list[float]:
    """`run_with_hooks` of TransformerLens."""
    result = []
    for chosen in sets:
        mask = _mask(model, site, chosen)
        hook: Any = (site, lambda values, hook, mask=mask: values * mask)
        result.append(share_right(model.run_with_hooks(task.dataset.inputs, fwd_hooks=[hook]), task))
    return result


def _mask(model: HookedModel, site: str, chosen: Sequence[int]) -> Tensor:
    width = next(one.width for one in model.neuron_sites() if one.hook.partition("@")[0] == site)
    mask = torch.ones(width)
    mask[list(chosen)] = 0
    return mask


def _accuracy(model: HookedModel, task: Task) -> Callable[[Tensor], Tensor]:
    @torch.no_grad()
    def forward(inputs: Tensor) -> Tensor:
        return torch.tensor([share_right(model(inputs), task)])

    return forward


def by_captum(model: HookedModel, task: Task, neurons: int, site: str = SITE) -> list[float]:
    """`LayerFeatureAblation` of captum: the first neurons one after another, and then all others at once."""
    from captum.attr import LayerFeatureAblation

    layer, forward = model.get_submodule(site), _accuracy(model, task)
    with torch.no_grad():
        _, cache = model.run_with_cache(task.dataset.inputs[:1], names_filter=site)
    shape = cache[site].shape
    mask = torch.arange(shape[-1]).clamp(max=neurons).expand(1, *shape[1:]).contiguous()
    lost = LayerFeatureAblation(forward, layer).attribute(task.dataset.inputs, layer_mask=mask)
    before = float(forward(task.dataset.inputs))
    return (before - lost.reshape(-1, shape[-1])[0, :neurons]).tolist()


def curve_by_captum(model: HookedModel, task: Task, sets: Sets, site: str = SITE) -> list[float]:
    """`FeatureAblation` of captum: each set's factor is a feature, whose ablation makes it 0."""
    from captum.attr import FeatureAblation

    inputs, whole, result = task.dataset.inputs, torch.ones(1, 1), []
    before = float(_accuracy(model, task)(inputs))
    for chosen in sets:
        own = 1 - _mask(model, site, chosen)

        @torch.no_grad()
        def forward(factor: Tensor, own: Tensor = own) -> Tensor:
            mask = 1 - own * (1 - factor)
            hook: Any = (site, lambda values, hook: values * mask)
            return torch.tensor([share_right(model.run_with_hooks(inputs, fwd_hooks=[hook]), task)])

        result.append(before - float(FeatureAblation(forward).attribute(whole)[0, 0]))
    return result


@torch.no_grad()
def by_nnsight(model: HookedModel, task: Task, sets: Sets, site: str = SITE) -> list[float]:
    """A trace of nnsight for each set."""
    from nnsight import NNsight

    traced, result = NNsight(model), []
    for chosen in sets:
        places = np.array(chosen, np.int64)
        with traced.trace(task.dataset.inputs):
            layer = traced.get(site)
            layer.output[..., places] = 0
            logits = traced.output.save()
        result.append(share_right(logits, task))
    return result

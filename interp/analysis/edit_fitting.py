"""A change of one layer's weights, learnt so that a network answers prompts otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from interp.analysis.value_layers import ValueLayer, changed_output
from interp.errors import ConfigError
from interp.hooks import device_of, evaluation_mode
from interp.models import HookedModel

Penalty = Callable[[Tensor, Tensor], tuple[Tensor, bool]]
"""Of a change of weights and the edits' scores: what is added to the loss, and True if it is low enough."""


@dataclass(frozen=True)
class EditSettings:
    """Settings by which edits are learnt and routed.

    Attributes:
        steps: Of Adam for one edit, at most.
        lr: Learning rate, as a share of the root mean square of the layer's weights.
        enough: Cross-entropy of the edits from which on nothing more is learnt, in nats.
        per_shard: Successive edits that share one copy of the weights.
        share: Of the weights, the random part that one copy may change.
        rehearse: Learn all edits of a copy again when another one is added to it; else the new one alone.
        merge: Merge all copies into one by TIES; else the one with the largest score answers.
        density: Share of each copy's change that is kept when they are merged.
        margins: The score of unrelated examples shall be below the first, that of edits above the second, and further
            apart than the third; in units of the median norm of the layer's output.
        weight: Of the margin loss, beside the cross-entropy; 0: leave it out.
        misrouted: Share of unrelated examples that may read the memory: the threshold is the quantile of examples that
            nothing was fitted to.
    """

    steps: int = 100
    lr: float = 0.1
    enough: float = 0.1
    per_shard: int = 5
    share: float = 0.25
    rehearse: bool = True
    merge: bool = False
    density: float = 0.5
    margins: tuple[float, float, float] = (0.1, 0.8, 0.6)
    weight: float = 10.0
    misrouted: float = 0.02

    def __post_init__(self) -> None:
        for name, least in {"steps": 1, "per_shard": 1}.items():
            if getattr(self, name) < least:
                raise ConfigError(f"{name}={getattr(self, name)} is below {least}")
        for name in ("lr", "enough"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}={getattr(self, name)} is not above 0")
        for name in ("share", "density"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"{name}={getattr(self, name)} is not in (0, 1]")
        if not 0 < self.misrouted < 1:
            raise ConfigError(f"misrouted={self.misrouted} is not in (0, 1)")
        if not 0 <= self.margins[0] < self.margins[1] or self.margins[2] < 0:
            raise ConfigError(f"margins={self.margins}; expected 0 <= first < second, and a third from 0")


STANDARD = EditSettings()
BATCH = 4_096
"""Examples of one forward pass."""


def answers(model: HookedModel, inputs: Tensor) -> Int[Tensor, " example"]:
    """The class of the largest logit, in evaluation mode."""
    with evaluation_mode(model):
        return torch.cat([model(chunk).argmax(-1) for chunk in inputs.to(device_of(model)).split(BATCH)])


def fit_change(
    model: HookedModel,
    layer: ValueLayer,
    start: Float[Tensor, "neuron output"],
    inputs: Tensor,
    targets: Int[Tensor, " edit"],
    settings: EditSettings,
    *,
    mask: Float[Tensor, "neuron output"] | None = None,
    penalty: Penalty | None = None,
    kept: tuple[Tensor, Tensor] | None = None,
    everywhere: bool = False,
) -> Float[Tensor, "neuron output"]:
    """Learn a change of a layer's weights by which the network answers prompts with their targets.

    Args:
        start: The change that is gone on from.
        mask: 0 where weights stay as they are at the start.
        penalty: What is added to the cross-entropy; the edits' scores are those at the position of the answer.
        kept: Further examples and the answers that are learnt with the prompts.
        everywhere: Change the layer's output at every position, as changed weights do; else at that of the answer only.
    """
    change = start.clone().requires_grad_()
    prompts = inputs if kept is None else torch.cat([inputs, kept[0]])
    step_size = settings.lr * float(layer.weight.square().mean().sqrt())
    optimizer = torch.optim.Adam([change], lr=step_size)
    at_answers: list[Tensor] = []

    def added(activations: Tensor, output: Tensor) -> Tensor:
        more = activations @ change
        at_answers[:] = [more if more.ndim == 2 else more[:, layer.answer_at]]
        if everywhere or more.ndim == 2:
            return output + more
        result = output.clone()
        result[:, layer.answer_at] = output[:, layer.answer_at] + at_answers[0]
        return result

    for _ in range(settings.steps):
        with evaluation_mode(model), torch.enable_grad(), changed_output(layer, added):
            logits = model(prompts)
            losses = [F.cross_entropy(logits[: len(inputs)], targets)]
            if kept is not None:
                losses.append(F.cross_entropy(logits[len(inputs) :], kept[1]))
            more, satisfied = (
                (0.0, True) if penalty is None else penalty(change, _norm(at_answers[0][: len(inputs)]))
            )
        if satisfied and all(float(one.detach()) < settings.enough for one in losses):
            break
        loss = torch.stack(losses).sum()
        (gradient,) = torch.autograd.grad(loss + more, change)
        change.grad = gradient if mask is None else gradient * mask
        optimizer.step()
    return change.detach()


def margin_penalty(others: Float[Tensor, "vector neuron"], settings: EditSettings, unit: float) -> Penalty:
    """The margin loss against unrelated activations: means of what violates each of the three margins."""
    (low, high, apart), others = settings.margins, torch.unique(others, dim=0)

    def loss(change: Tensor, scores: Tensor) -> tuple[Tensor, bool]:
        unrelated, scores = _norm(others @ change) / unit, scores / unit
        excess = (
            F.relu(unrelated - low),
            F.relu(high - scores),
            F.relu(apart - (scores[:, None] - unrelated[None])),
        )
        violations = torch.stack([_mean_of_violations(one) for one in excess]).sum()
        quiet = float((unrelated.detach() > low).double().mean()) <= settings.misrouted
        return settings.weight * violations, not settings.weight or (
            quiet and not bool((scores < high).any())
        )

    return loss


def _mean_of_violations(excess: Tensor) -> Tensor:
    return excess.sum() / (excess > 0).sum().clamp_min(1)


def _norm(vectors: Tensor) -> Tensor:
    return torch.linalg.vector_norm(vectors, dim=-1)

"""Inputs that excite a neuron as much as possible without leaving the inputs they start from far behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from interp.hooks import hooked
from interp.measuring.logits import chosen_columns, whole_of
from interp.models import HookedMLP, HookedModel, NeuronSite, SmallTransformer
from interp.models.protocol import evaluation_mode
from interp.subject import Subject

RATE = 0.05
FLOOR = 1e-3  # of a token's weight in a mixture at the start: without any it could never come in


@dataclass(frozen=True, eq=False)
class Prototypes:
    """Inputs by regularised activation maximisation (arXiv 1602.03616).

    Attributes:
        inputs: One each, in the shape of the network's inputs; of tokens mixtures ``(prototype, position, token)``,
            which add up to 1 over the tokens.
        start: Activation of the neuron at the start, which is a mean of inputs and usually none itself.
        activation: Activation at the prototype.
    """

    inputs: Float[np.ndarray, "prototype ..."]
    start: Float[np.ndarray, " prototype"]
    activation: Float[np.ndarray, " prototype"]


def not_possible(subject: Subject) -> str | None:
    """The reason in words for which no prototypes can be made; None if they can."""
    if subject.place.loop is not None:
        return "the neurons are in a loop, which is passed once a step"
    if subject.data.inputs.is_floating_point() or isinstance(subject.model, HookedMLP | SmallTransformer):
        return None
    return (
        "it is not known how this network embeds its tokens, and between two tokens there is no other input"
    )


def mean_inputs(subject: Subject, rows: Int[np.ndarray, " example"]) -> Tensor:
    """The mean of some inputs; of tokens the share of each, ``(position, token)``."""
    some = subject.data.inputs[torch.as_tensor(rows, device=subject.data.inputs.device)]
    return (some if some.is_floating_point() else one_hot(some, _tokens(subject))).double().mean(0).float()


def prototypes(
    subject: Subject,
    neurons: Int[np.ndarray, " prototype"],
    starts: Float[Tensor, "prototype ..."],
    *,
    steps: int = 100,
    decay: float = 1.0,
    variation: float = 0.0,
) -> Prototypes:
    """Climb from each start along the gradient of its neuron's activation.

    Activations are counted in standard deviations over the task's examples, and so are inputs: the penalties are
    `decay` times the mean square of the change since the start (of mixtures the squared change over all tokens), and
    `variation` times the mean square of differences between neighbours along the last two axes. Inputs stay between the
    lowest and the highest value of the task's own. It is a local search: a prototype says what excites the neuron near
    its start.

    Args:
        neurons: The neuron of each.
        starts: From `mean_inputs`.
        steps: Of Adam, 0 or more.
        decay: See above; 0 or more.
        variation: See above; without effect on mixtures.
    """
    values = subject.data.inputs
    spread = values.double().std().item() if values.is_floating_point() else 1.0
    numbers = torch.as_tensor(neurons, device=values.device)
    known = chosen_columns(subject.cached.activations, numbers)
    scale = whole_of(known).double().std(0).clamp_min(1e-12).float()
    measure = _measure_of(subject)
    mixing = not values.is_floating_point()
    with evaluation_mode(subject.model), torch.enable_grad():
        free = ((starts + FLOOR).log() if mixing else starts / spread).clone().requires_grad_(True)
        optimizer = torch.optim.Adam([free], lr=RATE * (4 if mixing else 1))
        for _ in range(steps):
            x = free.softmax(-1) if mixing else free * spread
            gain = measure(x).gather(1, numbers[:, None])[:, 0] / scale
            change = ((x - starts) / spread).square().flatten(1)
            loss = decay * (change.sum(1) if mixing else change.mean(1))
            if variation and not mixing:
                loss = loss + variation * sum(
                    (x.diff(dim=axis) / spread).square().flatten(1).mean(1) for axis in (-1, -2)
                )
            (free.grad,) = torch.autograd.grad((loss - gain).sum(), free)
            optimizer.step()
            if not mixing:
                with torch.no_grad():
                    free.clamp_(values.min().item() / spread, values.max().item() / spread)
    with evaluation_mode(subject.model):
        end = free.detach().softmax(-1) if mixing else free.detach() * spread
        first, last = (
            measure(x).gather(1, numbers[:, None])[:, 0].double().cpu().numpy() for x in (starts, end)
        )
    return Prototypes(end.cpu().numpy(), first, last)


def _measure_of(subject: Subject) -> Callable[[Tensor], Tensor]:
    """A function from inputs, or mixtures of tokens, to activations ``(example, neuron)``, with gradients."""
    model, place = subject.model, subject.place
    if subject.data.inputs.is_floating_point():
        return partial(_run, model, place, {})
    token_model = model
    assert isinstance(token_model, HookedMLP | SmallTransformer)
    return partial(_run_mixtures, token_model, place, _tokens(subject))


def _run(
    model: HookedModel, place: NeuronSite, changes: dict[str, Callable[[Tensor], Tensor | None]], x: Tensor
) -> Tensor:
    """Activations at a site, one number an example and neuron, while others are put in the place of activations."""
    kept: list[Tensor] = []
    with hooked(model, changes | {place.hook: kept.append}):
        model(x)
    last = kept[0].movedim(place.axis, -1)
    if place.position is not None and last.ndim > 2:
        last = last[:, place.position]
    return last if last.ndim == 2 else last.flatten(1, -2).mean(1)


def _run_mixtures(model: HookedMLP | SmallTransformer, place: NeuronSite, p: int, mixtures: Tensor) -> Tensor:
    """The same of mixtures, whose embedding is that of their tokens, mixed."""
    n, operands = mixtures.shape[:2]
    tokens = torch.zeros(n, operands, dtype=torch.long, device=mixtures.device)
    if isinstance(model, HookedMLP):
        tables = model.embed.W_E.expand(operands, -1, -1)
        total = torch.einsum("npt,ptw->nw", mixtures, tables)
        total = total if model.embed.b_E is None else total + model.embed.b_E
        return _run(model, place, {"blocks.0.mlp.hook_pre": lambda _: total}, tokens)
    base = model.embed(model.prompt(tokens[:1]))
    embedded = base.expand(n, -1, -1)
    for operand in range(operands):
        own = torch.zeros(p, operands, dtype=torch.long, device=mixtures.device)
        own[:, operand] = torch.arange(p, device=mixtures.device)
        table = model.embed(model.prompt(own))  # of each value at this operand, zeros at the others
        embedded = embedded + torch.einsum("nt,tcd->ncd", mixtures[:, operand], table - base)
    return _run(model, place, {"hook_embed": lambda _: embedded}, tokens)


def _tokens(subject: Subject) -> int:
    """Number of values that a token of the task can have."""
    own = getattr(subject.task, "p", None)
    return int(own) if own else int(subject.data.inputs.max()) + 1

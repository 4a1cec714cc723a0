"""Orders of neurons, those first that hold memories of some examples and not the rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from interp.hooks import evaluation_mode
from interp.measuring.cached_pass import CachedPass
from interp.measuring.evaluation import margins

KEPT = 5.0
"""Weight of the rule's examples beside memorised ones."""
MOST_ROWS = 500
"""Of each kind of examples so many at most are looked at."""
CANDIDATES = 8
GREEDY_WORK = 5e8
"""Multiplications that a greedy search may take; larger networks are ordered by attribution."""
FLIPPED, FLIP_STEPS = 200, 30
MASK_STEPS, MASK_RATE, MASK_START = 100, 0.1, -2.0
CLEAR = 5.0


@dataclass(frozen=True, eq=False)
class Aim:
    """A goal that neurons are chosen for: memories to take out, and a rule to leave alone.

    Attributes:
        rows: The examples that are looked at, ``(row,)``.
        forget: Those that are memorised; the others are the rule's.
        held_out: Those that are held out. The rule's others are training examples with their own label: a search that
            looks at held-out ones alone fits these few.
        labels: As trained on.
        true_labels: By the rule.
        wrong: Whether the memorised labels are wrong; else they are those of all training examples.
        scale: Logits are multiplied by this before their softmax, so that the median answer leads by `CLEAR` at least.
            Squared error leaves leads below 1, where log-probabilities are linear and clear answers count on;
            cross-entropy gives leads above it, and 1.
    """

    rows: Int[Tensor, " row"]
    forget: Bool[Tensor, " row"]
    held_out: Bool[Tensor, " row"]
    labels: Int[Tensor, " row"]
    true_labels: Int[Tensor, " row"]
    wrong: bool
    scale: float

    def value(self, logits: Float[Tensor, "row output"]) -> Tensor:
        """Mean log-probability of the true label on memorised examples (of any other, where it is the memorised one),
        plus `KEPT` times that on the rule's; from -inf to 0."""
        right = F.log_softmax(self.scale * logits, dim=1).gather(1, self.true_labels[:, None])[:, 0]
        own, kept = right[self.forget], right[~self.forget].mean()
        return (own if self.wrong else torch.log1p(-own.exp().clamp(max=1 - 1e-6))).mean() + KEPT * kept


def aim_at(cached: CachedPass, fit: Bool[Tensor, " example"], seed: int = 0, most: int = MOST_ROWS) -> Aim:
    """The aim on some examples: wrong labels to forget and all others to keep, or, without any that is wrong, training
    labels to forget and held-out ones to keep.

    Args:
        fit: Examples that may be looked at; at least one to forget and one to keep.
        seed: Of the draw of at most `most` examples of each kind.
    """
    data = cached.data
    wrong = bool(data.mislabelled.any())
    generator, kinds = np.random.default_rng(seed), []
    memorised = data.mislabelled if wrong else data.train
    for kind in (memorised, data.test, data.train & ~memorised):
        inside = (kind & fit).nonzero()[:, 0].cpu().numpy()
        kinds.append(np.sort(generator.permutation(inside)[:most]))
    rows = torch.as_tensor(np.concatenate(kinds), device=cached.logits.device)
    forget = torch.arange(len(rows), device=rows.device) < len(kinds[0])
    held_out = data.test[rows]
    first, second = cached.logits[rows].topk(2, dim=1).values.T
    scale = max(1.0, CLEAR / max(float((first - second).median()), 1e-6))
    return Aim(rows, forget, held_out, data.labels[rows], data.true_labels[rows], wrong, scale)


def held_rows(cached: CachedPass, rows: Int[Tensor, " row"]) -> tuple[CachedPass, Int[Tensor, " row"]]:
    """A pass that holds some examples, and their places in it: the pass itself where nothing is streamed."""
    if isinstance(cached.logits, Tensor):
        return cached, rows
    return cached.part(rows), torch.arange(len(rows), device=rows.device)


def masked_logits(
    cached: CachedPass, rows: Int[Tensor, " row"], share: Float[Tensor, "... neuron"]
) -> Float[Tensor, "row output"]:
    """Logits of some examples with a share of each neuron's change: 0 leaves it, 1 removes it; differentiable.

    Args:
        share: One number a neuron, ``(neuron,)``, or one for each example too, ``(row, neuron)``.
    """
    change = cached.change[rows]
    if cached.in_loop:
        shares = share.view(len(rows), *[1] * (change.ndim - 3), -1) if share.ndim == 2 else share
        return cached.logits_in_loop(torch.arange(cached.width, device=share.device), rows, shares)
    if share.ndim == 2:
        share = share.view(len(rows), *[1] * (change.ndim - 2), -1)
    if cached.readout is not None:
        return torch.addmm(cached.logits[rows], change * share, cached.readout)
    return cached.prefix.logits(cached.prefix.activations[rows] + change * share, rows)


def slope(
    cached: CachedPass, rows: Tensor, share: Tensor, value: Callable[[Tensor], Tensor]
) -> Float[Tensor, "... neuron"]:
    """Slopes of a value of the logits in each share: what removing neurons does to it, exactly where all is linear.

    Where they are not, this is attribution patching (Syed and others 2023, arXiv 2310.10348).
    """
    start = share.detach().clone().requires_grad_()
    with evaluation_mode(cached.model), torch.enable_grad():
        return torch.autograd.grad(value(masked_logits(cached, rows, start)), start)[0]


def none_gone(cached: CachedPass) -> Float[Tensor, " neuron"]:
    """Shares of an unchanged network."""
    return torch.zeros(cached.width, dtype=cached.activations.dtype, device=cached.activations.device)


def attribution_order(cached: CachedPass, fit: Bool[Tensor, " example"], seed: int = 0) -> np.ndarray:
    """Neurons by what they add to memorised labels less what they add to the rule, most first.

    Direct logit attribution: of the memorised label above the true one on wrongly labelled examples (above the mean of
    all, where no label is wrong), less that of the true label above the mean of all on held-out ones. Both are divided
    by their root mean square over the neurons, since logits of the two sets are not comparable.
    """
    aim = aim_at(cached, fit, seed)
    part, rows = held_rows(cached, aim.rows)

    def effect(inside: Tensor, labels: Tensor, true: Tensor | None) -> Tensor:
        def lead(logits: Tensor) -> Tensor:
            own = logits.gather(1, labels[:, None])[:, 0]
            rival = logits.mean(1) if true is None else logits.gather(1, true[:, None])[:, 0]
            return (own - rival)[inside].mean()

        added = -slope(part, rows, none_gone(cached), lead)
        return added / added.square().mean().sqrt().clamp_min(1e-12)

    memory = effect(aim.forget, aim.labels, aim.true_labels if aim.wrong else None)
    return _descending(memory - effect(aim.held_out, aim.true_labels, None))


def greedy_order(cached: CachedPass, fit: Bool[Tensor, " example"], seed: int = 0) -> np.ndarray:
    """All neurons, each time the one whose removal then helps the `Aim` most.

    The best `CANDIDATES` to first order are tried on the network itself.
    """
    aim, gone = aim_at(cached, fit, seed), none_gone(cached)
    part, rows = held_rows(cached, aim.rows)
    order: list[int] = []
    with evaluation_mode(cached.model):
        for _ in range(cached.width):
            gain = slope(part, rows, gone, aim.value).masked_fill(gone > 0, -torch.inf)
            tried = gain.topk(min(CANDIDATES, cached.width - len(order))).indices
            values = [aim.value(masked_logits(part, rows, gone.index_fill(0, one, 1.0))) for one in tried]
            best = tried[torch.stack(values).argmax()]
            gone[best] = 1.0
            order.append(int(best))
    return np.array(order)


def flip_order(cached: CachedPass, fit: Bool[Tensor, " example"], seed: int = 0) -> np.ndarray:
    """Neurons by how many memorised answers they flip, most first.

    For each memorised example neurons are removed one after another, each time the one that to first order most lowers
    the log-probability of its label while held-out examples keep theirs, until its answer flips (Maini and others 2023,
    arXiv 2307.09542, where this shows memories in few neurons). A neuron counts as often as it was taken; of equal ones
    the one that lowers held-out log-probabilities less comes first.
    """
    aim = aim_at(cached, fit, seed)
    part, places = held_rows(cached, aim.rows)
    rows, labels = places[aim.forget][:FLIPPED], aim.labels[aim.forget][:FLIPPED]

    def right(labels: Tensor, scale: float) -> Callable[[Tensor], Tensor]:
        return lambda logits: F.log_softmax(scale * logits, dim=1).gather(1, labels[:, None]).sum()

    held_out = aim.held_out
    kept = slope(part, places[held_out], none_gone(cached), right(aim.true_labels[held_out], aim.scale))
    kept = kept / held_out.sum()
    gone = none_gone(cached).expand(len(rows), -1).clone()
    for _ in range(min(FLIP_STEPS, cached.width)):
        with evaluation_mode(cached.model):
            standing = margins(masked_logits(part, rows, gone), labels) > cached.tolerance
        if not standing.any():
            break
        gain = kept - slope(part, rows, gone, right(labels, aim.scale))
        taken = gain.masked_fill(gone > 0, -torch.inf).argmax(1)
        gone[standing, taken[standing]] = 1.0
    return _descending(gone.sum(0) + 0.5 * torch.tanh(kept))


def mask_order(cached: CachedPass, fit: Bool[Tensor, " example"], seed: int = 0) -> np.ndarray:
    """Neurons by a mask that was learnt, those first that it takes out.

    The share of each neuron's removal is a sigmoid, ascended by Adam on the `Aim`, forgetting against retaining as in
    BalancedSubnet (Sakarvadia and others 2024, arXiv 2410.02159, there over weights).
    """
    aim = aim_at(cached, fit, seed)
    part, rows = held_rows(cached, aim.rows)
    logit = torch.full_like(none_gone(cached), MASK_START, requires_grad=True)
    optimizer = torch.optim.Adam([logit], lr=MASK_RATE)
    for _ in range(MASK_STEPS):
        share = logit.detach().sigmoid()
        logit.grad = -slope(part, rows, share, aim.value) * share * (1 - share)
        optimizer.step()
    return _descending(logit.detach())


def _descending(values: Tensor) -> np.ndarray:
    return values.argsort(descending=True, stable=True).cpu().numpy()


Order = Callable[[CachedPass, Bool[Tensor, " example"], int], np.ndarray]
"""Gives all neurons in an order, from a network, the examples that may be looked at, and a seed."""
ORDERS: dict[str, Order] = {
    "greedy": greedy_order,
    "attribution": attribution_order,
    "flip": flip_order,
    "mask": mask_order,
}
"""Every way to order neurons by the memories that they hold."""


def affordable_order(cached: CachedPass, fit: Bool[Tensor, " example"]) -> str:
    """``"greedy"`` where its search takes at most `GREEDY_WORK`, else ``"attribution"``."""
    rows = min(int(fit.sum()), 3 * MOST_ROWS)
    per_row = torch.Size(cached.change.shape[1:]).numel() * (
        CANDIDATES if cached.readout is None else cached.logits.shape[1]
    )
    return "greedy" if rows * per_row * cached.width <= GREEDY_WORK else "attribution"

"""What changing each neuron alone does: to accuracies and margins, and to which labels the network knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.stats import norm
from torch import Tensor

from interp.data import SPLITS
from interp.sweeps import kernels
from interp.sweeps.curves import kernel_arguments, kernel_threads, split_accuracy, use_kernels
from interp.sweeps.state import GROUPS, SiteState, both_margins, group_sums

CHUNK_ELEMENTS = 20_000_000
MIN_EFFECTIVE = 8.0


@dataclass(frozen=True, eq=False)
class SingleEffects:
    """Accuracy and mean margin lost on each split when one neuron alone is changed, ``(neuron,)`` each.

    Positive: the split did better with the neuron.
    """

    accuracy_drop: dict[str, np.ndarray | None]
    margin_drop: dict[str, np.ndarray | None]


def single_effects(state: SiteState) -> SingleEffects:
    """Measure each neuron's own effect, for all neurons, exactly."""
    if use_kernels(state):
        change, readout, logits, *labelled = kernel_arguments(state)
        with kernel_threads() as threads:
            arguments = (change, readout, logits, *labelled, len(GROUPS), threads, state.tolerance)
            counts, sums = kernels.single_effects(*arguments)
    else:
        pairs = [_sums_after(state, neuron) for neuron in range(state.width)]
        counts, sums = (np.stack(column) for column in zip(*pairs, strict=True))
    base_counts, base_sums = _sums(state, state.logits)

    def drops(before: np.ndarray, after: np.ndarray) -> dict[str, np.ndarray | None]:
        base, changed = split_accuracy(before[None], state), split_accuracy(after, state)
        return {s: None if (b := base[s]) is None or (c := changed[s]) is None else b - c for s in SPLITS}

    return SingleEffects(drops(base_counts, counts), drops(base_sums, sums))


def _sums(state: SiteState, logits: Tensor) -> tuple[np.ndarray, np.ndarray]:
    margins = both_margins(logits, state.data)
    hits, sums = (
        group_sums(x.double(), state.group).T.cpu().numpy() for x in (margins > state.tolerance, margins)
    )
    return hits, sums


def _sums_after(state: SiteState, neuron: int) -> tuple[np.ndarray, np.ndarray]:
    return _sums(state, state.logits_after(torch.tensor([neuron], device=state.logits.device)))


@dataclass(frozen=True, eq=False)
class Evidence:
    """Whether each neuron knows a set of labels, ``(neuron,)`` each.

    Attributes:
        effect: Mean over the examples of what the neuron adds to the label's logit, beyond what it adds to the
            classes that could have been there instead.
        z: The effect in standard deviations of its null distribution, in which the labels are unrelated to
            the neuron.
        p: One-sided p-value; NaN where too few examples carry the effect to tell.
        n: How many examples there are.
    """

    effect: np.ndarray
    z: np.ndarray
    p: np.ndarray
    n: int


def label_evidence(
    state: SiteState, examples: Tensor, labels: Int[Tensor, " example"], *, excluded: Tensor | None = None
) -> Evidence | None:
    """Test for every neuron whether it knows the labels of some examples.

    The null is exact for labels drawn at random: given what changing neuron n does to an example's logits, a label
    that the network never learnt is as likely to be any other class. So the effect is compared with its mean
    and variance over the classes, without assuming anything about weights or activations. Assumes many examples;
    where fewer than 8 carry the effect, p is NaN.

    Args:
        state: From `site_state`.
        examples: Mask of the examples.
        labels: The labels to test, for all examples.
        excluded: For each example a class that its label cannot be (the true one, for a wrong label).

    Returns:
        None if there is no example.
    """
    if not examples.any():
        return None
    target = labels[examples]
    barred = None if excluded is None else excluded[examples]
    if state.readout is not None:
        parts = _linear_moments(-state.change[examples], state.readout, target, barred)
    else:
        parts = _prefix_moments(state, examples, target, barred)
    total, variance, fourth = (x.cpu().numpy() for x in parts)
    known = variance > 0
    safe = np.where(known, variance, 1.0)
    z = np.where(known, total / np.sqrt(safe), np.nan)
    effective = np.where(known, variance**2 / np.where(known, fourth, 1.0), 0.0)
    p = np.where(known & (effective >= MIN_EFFECTIVE), norm.sf(z), np.nan)
    n = len(target)
    return Evidence(total / n, z, p, n)


def difference_evidence(first: Evidence, second: Evidence) -> Evidence:
    """Whether each neuron helps the first set of examples more than the second, by the same null."""
    deviation = [
        np.divide(e.effect, e.z, out=np.full_like(e.z, np.nan), where=e.z != 0) for e in (first, second)
    ]
    difference = first.effect - second.effect
    z = difference / np.hypot(*deviation)
    known = ~(np.isnan(first.p) | np.isnan(second.p))
    return Evidence(difference, z, np.where(known, norm.sf(z), np.nan), first.n + second.n)


def _spread(rows: Float[Tensor, "row output"], barred: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean and variance of each row over its classes, leaving out the barred one."""
    n_outputs = rows.shape[1]
    total, square = rows.sum(1), rows.square().sum(1)
    if barred is not None:
        own = rows.gather(1, barred[:, None])[:, 0]
        total, square, n_outputs = total - own, square - own.square(), n_outputs - 1
    mean = total / n_outputs
    return mean, (square / n_outputs - mean.square()).clamp_min(0)


def _linear_moments(
    effect: Float[Tensor, "example neuron"], readout: Tensor, target: Tensor, barred: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum of effects, its null variance, and the sum of squared single variances, ``(neuron,)`` each."""
    totals = []
    width = max(1, CHUNK_ELEMENTS // len(target))
    for x, weights in zip(effect.split(width, dim=1), readout.split(width), strict=True):
        x, weights = x.T.double(), weights.double()
        weights = weights - weights.mean(1, keepdim=True)
        n_outputs, mean, square = weights.shape[1], 0.0, weights.square().sum(1, keepdim=True)
        if barred is not None:
            own = weights[:, barred]
            n_outputs, mean, square = n_outputs - 1, -own / (n_outputs - 1), square - own.square()
        variance = x.square() * (square / n_outputs - torch.as_tensor(mean).square()).clamp_min(0)
        total = (x * (weights[:, target] - mean)).sum(1)
        totals.append(torch.stack([total, variance.sum(1), variance.square().sum(1)]))
    total, variance, fourth = torch.cat(totals, dim=1)
    return total, variance, fourth


def _prefix_moments(
    state: SiteState, examples: Tensor, target: Tensor, barred: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The same moments where the rest of the network is not linear, one neuron after another."""
    sums = []
    for neuron in range(state.width):
        chosen = torch.tensor([neuron], device=state.logits.device)
        effect = (state.logits - state.logits_after(chosen))[examples].double()
        mean, variance = _spread(effect, barred)
        total = effect.gather(1, target[:, None])[:, 0] - mean
        sums.append(torch.stack([total.sum(), variance.sum(), variance.square().sum()]))
    total, variance, fourth = torch.stack(sums, dim=1)
    return total, variance, fourth

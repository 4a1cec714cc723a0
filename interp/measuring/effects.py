"""Effects of changing each neuron alone: on accuracies, on margins, and on the labels that the network knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.special import ndtr
from torch import Tensor

from interp.data import GROUPS, SPLITS
from interp.measuring import kernels
from interp.measuring.cached_pass import CachedPass, both_margins
from interp.measuring.curves import kernel_arguments, kernel_threads, split_accuracy, use_kernels
from interp.progress import Report, silent

CHUNK_ELEMENTS = 20_000_000
MIN_EFFECTIVE = 8.0


@dataclass(frozen=True, eq=False)
class SingleEffects:
    """Accuracy and mean margin lost on each split when one neuron alone is changed, ``(neuron,)`` each.

    Positive: the split did better with the neuron.
    """

    accuracy_drop: dict[str, np.ndarray | None]
    margin_drop: dict[str, np.ndarray | None]


@dataclass(frozen=True, eq=False)
class Question:
    """A set of labels that neurons may know.

    Attributes:
        examples: Mask of the examples; at least one.
        labels: The labels to test, for all examples.
        excluded: For each example a class that its label cannot be (the true one, for a wrong label).
    """

    examples: Bool[Tensor, " example"]
    labels: Int[Tensor, " example"]
    excluded: Int[Tensor, " example"] | None = None


@dataclass(frozen=True, eq=False)
class Evidence:
    """Evidence that each neuron knows a set of labels, ``(neuron,)`` each.

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


def single_effects(cached: CachedPass) -> SingleEffects:
    """Measure each neuron's own effect, for all neurons, exactly."""
    return measure_neurons(cached, [])[0]


def measure_neurons(
    cached: CachedPass, questions: Sequence[Question], report: Report = silent
) -> tuple[SingleEffects, list[Evidence]]:
    """Each neuron's own effect, and whether it knows the labels of sets of examples, in one pass over the neurons.

    The null of the evidence is exact for labels drawn at random: given what changing neuron n does to an example's
    logits, a label that the network never learnt is as likely to be any other class. So the effect is compared with its
    mean and variance over the classes, without assuming anything about weights or activations. Assumes many
    examples; where fewer than 8 carry the effect, p is NaN.

    Args:
        questions: Sets of labels to test.
    """
    if use_kernels(cached):
        change, readout, logits, *labelled = kernel_arguments(cached)
        with kernel_threads() as threads:
            arguments = (change, readout, logits, *labelled, len(GROUPS), threads, cached.tolerance)
            counts, sums = kernels.single_effects(*arguments)
        effects = _drops(cached, counts, sums)
        return effects, [_evidence(_linear_moments(cached, question), question) for question in questions]
    rows = []
    for neuron in range(cached.width):
        rows.append(_one_neuron(cached, neuron, questions))
        report(neuron + 1)
    counts, sums, moments = (np.stack(column) for column in zip(*rows, strict=True))
    return _drops(cached, counts, sums), [_evidence(moments[:, i], q) for i, q in enumerate(questions)]


def _drops(cached: CachedPass, counts: np.ndarray, sums: np.ndarray) -> SingleEffects:
    """Counts of right answers and sums of margins without each neuron, as losses by split."""
    margins = cached.margins
    hits = margins > cached.tolerance

    def drops(before: np.ndarray, after: np.ndarray) -> dict[str, np.ndarray | None]:
        base, changed = split_accuracy(before[None], cached), split_accuracy(after, cached)
        return {s: None if (b := base[s]) is None or (c := changed[s]) is None else b - c for s in SPLITS}

    return SingleEffects(drops(cached.by_group(hits), counts), drops(cached.by_group(margins), sums))


def _one_neuron(
    cached: CachedPass, neuron: int, questions: Sequence[Question]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right answers and margins by group without a neuron, and the moments of its effect for each question."""
    data, margins = cached.data, cached.margins.clone()
    moments = np.zeros((len(questions), 3))
    for rows, logits in cached.changed_logits(torch.tensor([neuron], device=cached.logits.device)):
        margins[:, rows] = both_margins(logits, data.labels[rows], data.true_labels[rows])
        for i, question in enumerate(questions):
            inside = question.examples[rows]
            asked = rows[inside]
            excluded = None if question.excluded is None else question.excluded[asked]
            moments[i] += _moments(cached.logits[asked] - logits[inside], question.labels[asked], excluded)
    return cached.by_group(margins > cached.tolerance), cached.by_group(margins), moments


def _moments(effect: Float[Tensor, "row output"], target: Tensor, barred: Tensor | None) -> np.ndarray:
    """Sum over rows of the target's effect above its row's mean, of the row's variance, and of that squared.

    Mean and variance are over a row's classes without the barred one.
    """
    n_outputs, total, square = effect.shape[1], effect.sum(1), effect.square().sum(1)
    own = effect.gather(1, target[:, None])[:, 0]
    if barred is not None:
        left_out = effect.gather(1, barred[:, None])[:, 0]
        n_outputs, total, square = n_outputs - 1, total - left_out, square - left_out.square()
    mean = total / n_outputs
    variance = (square / n_outputs - mean.square()).clamp_min(0).double()
    sums = torch.stack([(own - mean).double().sum(), variance.sum(), variance.square().sum()])
    return sums.cpu().numpy()


def _linear_moments(cached: CachedPass, question: Question) -> np.ndarray:
    """The same moments ``(neuron, 3)`` for all neurons at once, where what follows them is linear."""
    assert cached.readout is not None
    target, barred = question.labels[question.examples], question.excluded
    barred = None if barred is None else barred[question.examples]
    effect, totals = -cached.change[question.examples], []
    width = max(1, CHUNK_ELEMENTS // len(target))
    for x, weights in zip(effect.split(width, dim=1), cached.readout.split(width), strict=True):
        x, weights = x.T.double(), weights.double()
        weights = weights - weights.mean(1, keepdim=True)
        n_outputs, mean, square = weights.shape[1], 0.0, weights.square().sum(1, keepdim=True)
        if barred is not None:
            own = weights[:, barred]
            n_outputs, mean, square = n_outputs - 1, -own / (n_outputs - 1), square - own.square()
        variance = x.square() * (square / n_outputs - torch.as_tensor(mean).square()).clamp_min(0)
        total = (x * (weights[:, target] - mean)).sum(1)
        totals.append(torch.stack([total, variance.sum(1), variance.square().sum(1)], dim=1))
    return torch.cat(totals).cpu().numpy()


def _evidence(moments: np.ndarray, question: Question) -> Evidence:
    total, variance, fourth = moments.T
    n, known = int(question.examples.sum()), variance > 0
    z = np.where(known, total / np.sqrt(np.where(known, variance, 1.0)), np.nan)
    effective = np.where(known, variance**2 / np.where(known, fourth, 1.0), 0.0)
    p = np.where(known & (effective >= MIN_EFFECTIVE), ndtr(-z), np.nan)
    return Evidence(total / n, z, p, n)


def difference_evidence(first: Evidence, second: Evidence) -> Evidence:
    """Evidence that each neuron helps the first set of examples more than the second, by the same null."""
    deviation = [
        np.divide(e.effect, e.z, out=np.full_like(e.z, np.nan), where=e.z != 0) for e in (first, second)
    ]
    difference = first.effect - second.effect
    z = difference / np.hypot(*deviation)
    known = ~(np.isnan(first.p) | np.isnan(second.p))
    return Evidence(difference, z, np.where(known, ndtr(-z), np.nan), first.n + second.n)

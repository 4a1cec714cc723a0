"""Effects of changing each neuron alone: on accuracies, on margins, and on all logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.data import GROUPS, SPLITS
from interp.measuring import kernels
from interp.measuring.cached_pass import CachedPass, both_margins
from interp.measuring.curves import kernel_arguments, kernel_options, split_accuracy, use_kernels
from interp.measuring.logits import BLOCK, blocks_of
from interp.measuring.rivals import FEWEST
from interp.progress import Report, silent

Row = TypeVar("Row")


@dataclass(frozen=True, eq=False)
class SingleEffects:
    """Accuracy and mean margin lost on each split when one neuron alone is changed, ``(neuron,)`` each.

    Positive: the split did better with the neuron.
    """

    accuracy_drop: dict[str, np.ndarray | None]
    margin_drop: dict[str, np.ndarray | None]


def single_effects(cached: CachedPass) -> SingleEffects:
    """Measure each neuron's own effect, for all neurons, exactly."""
    return measure_neurons(cached)[0]


def measure_neurons(
    cached: CachedPass,
    reduce: Callable[[Float[np.ndarray, "example output"]], Row] | None = None,
    report: Report = silent,
) -> tuple[SingleEffects, list[Row]]:
    """Each neuron's own effect, and what `reduce` makes of the logits that it adds, in one pass over the neurons.

    Args:
        reduce: Called for every neuron in order with what it adds to every logit of every example, if what follows the
            neurons is not linear; elsewhere that is activation times readout, and nothing is called.
    """
    if use_kernels(cached):
        counts, sums = _by_kernels(cached, report)
        return _drops(cached, counts, sums), []
    measured, reduced = [], []
    for neuron in range(cached.width):
        counts, sums, added = _one_neuron(cached, neuron, reduce is not None and cached.readout is None)
        measured.append((counts, sums))
        if reduce is not None and added is not None:
            reduced.append(reduce(added))
        report(neuron + 1)
    counts, sums = (np.stack(column) for column in zip(*measured, strict=True))
    return _drops(cached, counts, sums), reduced


def _by_kernels(cached: CachedPass, report: Report) -> tuple[np.ndarray, np.ndarray]:
    """Counts of right answers and sums of margins without each neuron, ``(neuron, group, 2)``, where a matrix follows.

    They come from each example's largest rivals; of the examples for which these do not decide, from all logits.
    """
    counts, sums = np.zeros((2, cached.width, len(GROUPS), 2))
    few = cached.logits.shape[1] < FEWEST
    for some in blocks_of(cached.change):
        rows = torch.arange(some.start, some.stop) if few else _by_rivals(cached, some, counts, sums)
        for part in rows.split(max(1, BLOCK // cached.logits.shape[1])):
            parts = kernels.single_effects(*kernel_arguments(cached, part), **kernel_options(cached))
            counts += parts[0]
            sums += parts[1]
        report(cached.width * some.stop // len(cached.data))
    return counts, sums


def _by_rivals(cached: CachedPass, some: slice, counts: np.ndarray, sums: np.ndarray) -> Int[Tensor, " row"]:
    """Add counts and sums of a block of examples, and give those for which rivals do not decide."""
    assert cached.readout is not None
    rivals, data = cached.rivals, cached.data
    tensors = (
        cached.change[some].float(),
        cached.readout.T.float(),
        rivals.own[:, some],
        rivals.values[some],
        rivals.classes[some],
        data.labels[some],
        data.true_labels[some],
        cached.group[some],
    )
    arrays = [tensor.contiguous().numpy() for tensor in tensors]
    parts = kernels.effects_on_rivals(*arrays, **kernel_options(cached) | {"complete": rivals.complete})
    counts += parts[0].transpose(2, 0, 1)
    sums += parts[1].transpose(2, 0, 1)
    return some.start + torch.as_tensor(parts[2]).nonzero()[:, 0]


def _drops(cached: CachedPass, counts: np.ndarray, sums: np.ndarray) -> SingleEffects:
    """Counts of right answers and sums of margins without each neuron, as losses by split."""
    margins = cached.margins
    hits = margins > cached.tolerance

    def drops(before: np.ndarray, after: np.ndarray) -> dict[str, np.ndarray | None]:
        base, changed = split_accuracy(before[None], cached), split_accuracy(after, cached)
        return {s: None if (b := base[s]) is None or (c := changed[s]) is None else b - c for s in SPLITS}

    return SingleEffects(drops(cached.by_group(hits), counts), drops(cached.by_group(margins), sums))


def _one_neuron(
    cached: CachedPass, neuron: int, logits_too: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Right answers and margins by group without a neuron, and what it adds to all logits."""
    data, margins = cached.data, cached.margins.clone()
    added = np.zeros(tuple(cached.logits.shape), np.float32) if logits_too else None
    for rows, logits in cached.changed_logits(torch.tensor([neuron], device=cached.logits.device)):
        margins[:, rows] = both_margins(logits, data.labels[rows], data.true_labels[rows])
        if added is not None:
            added[rows.cpu().numpy()] = (cached.logits[rows] - logits).float().cpu().numpy()
    return cached.by_group(margins > cached.tolerance), cached.by_group(margins), added

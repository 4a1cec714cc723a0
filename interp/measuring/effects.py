"""Effects of changing each neuron alone: on accuracies, on margins, and on all logits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.data import GROUPS, SPLITS
from interp.hooks import evaluation_mode
from interp.measuring import kernels, rival_kernels
from interp.measuring.cached_pass import CachedPass
from interp.measuring.curves import kernel_arguments, kernel_options, split_accuracy, use_kernels
from interp.measuring.effect_sums import EffectSums, PairSums, Wanted, neurons_at_once
from interp.measuring.logits import BLOCK, blocks_of
from interp.measuring.rivals import FEWEST
from interp.measuring.suffix_logits import followed, logits_of_pairs
from interp.progress import Report, shifted, silent
from interp.threads import shared

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
    wanted: Wanted | None = None,
    reduce: Callable[[EffectSums], Row] | None = None,
    report: Report = silent,
) -> tuple[SingleEffects, list[Row]]:
    """Each neuron's own effect, and the sums of what it adds to the logits, in one pass over the neurons.

    Args:
        wanted: The sums, if what follows the neurons is not linear; elsewhere what a neuron adds is activation times
            readout, and none are taken.
        reduce: Called with the sums of some neurons after another, in order.
    """
    if use_kernels(cached):
        counts, sums = _by_kernels(cached, report)
        return _drops(cached, counts, sums), []
    wanted = wanted if cached.readout is None else None
    measured, reduced, at_once = [], [], neurons_at_once(cached, wanted)
    for start in range(0, cached.width, at_once):
        some = slice(start, min(cached.width, start + at_once))
        batch = _batch(cached, some, wanted, shifted(report, start))
        measured.append((batch.counts, batch.sums))
        if wanted and reduce:
            reduced.append(reduce(batch.effects))
    counts, sums = (np.concatenate(column) for column in zip(*measured, strict=True))
    return _drops(cached, counts, sums), reduced


def _by_kernels(cached: CachedPass, report: Report) -> tuple[np.ndarray, np.ndarray]:
    """Counts of right answers and sums of margins without each neuron, ``(neuron, group, 2)``, where a matrix follows.

    They come from each example's largest rivals; of the examples for which these do not decide, from all logits.
    """
    counts, sums = np.zeros((2, cached.width, len(GROUPS), 2))
    assert cached.readout is not None
    few, weights = cached.logits.shape[1] < FEWEST, cached.readout.T.float().contiguous()
    for some in blocks_of(cached.change):
        rows = torch.arange(some.start, some.stop) if few else _by_rivals(cached, weights, some, counts, sums)
        for part in rows.split(max(1, BLOCK // cached.logits.shape[1])):
            parts = kernels.single_effects(*kernel_arguments(cached, part), **kernel_options(cached))
            counts += parts[0]
            sums += parts[1]
        report(cached.width * some.stop // len(cached.data))
    return counts, sums


def _by_rivals(
    cached: CachedPass,
    weights: Float[Tensor, "output neuron"],
    some: slice,
    counts: np.ndarray,
    sums: np.ndarray,
) -> Int[Tensor, " row"]:
    """Add counts and sums of a block of examples, and give those for which rivals do not decide."""
    rivals, data = cached.rivals, cached.data
    tensors = (
        cached.change[some].float(),
        weights,
        rivals.own[:, some].float(),
        rivals.values[some].float(),
        rivals.classes[some],
        data.labels[some],
        data.true_labels[some],
        cached.group[some],
    )
    arrays = [tensor.contiguous().numpy() for tensor in tensors]
    parts = rival_kernels.effects_on_rivals(*arrays, **kernel_options(cached) | {"complete": rivals.complete})
    counts += parts[0].transpose(2, 0, 1)
    sums += parts[1].transpose(2, 0, 1)
    return some.start + torch.as_tensor(parts[2]).nonzero()[:, 0]


def _batch(cached: CachedPass, neurons: slice, wanted: Wanted | None, report: Report) -> PairSums:
    """Sums of some neurons, from one part of the examples after another."""
    width, n = neurons.stop - neurons.start, len(cached.data)
    sums = PairSums(cached, width, wanted)
    for start, part in cached.parts():
        share, before = len(part.data) / n, width * start / n

        def of_part(done: int, note: str = "", share: float = share, before: float = before) -> None:
            report(int(before + share * done))

        with evaluation_mode(part.model):
            add = _follow if part.readout is None and followed(part.held_prefix) else _run_again
            add(part, start, neurons, sums, of_part)
    return sums


def _run_again(part: CachedPass, start: int, neurons: slice, sums: PairSums, report: Report) -> None:
    """Add the logits of examples that are held, by a pass for each neuron.

    Args:
        start: Number of the first of them among all.
    """
    for i in range(neurons.stop - neurons.start):
        neuron = torch.tensor([neurons.start + i], device=part.logits.device)
        for reached, changed in part.changed_logits(neuron):
            first, last = int(reached[0]), int(reached[-1])
            example, logits = start + reached.cpu().numpy(), changed.float().cpu().numpy()
            before = part.logits[slice(first, last + 1)]
            sums.add(start + first, (np.full_like(example, i), example), logits, before)
        report(i + 1)


def _follow(part: CachedPass, start: int, neurons: slice, sums: PairSums, report: Report) -> None:
    """The same by the parts of what follows, from blocks of examples in several threads."""
    n, width = len(part.data), neurons.stop - neurons.start
    threads = [sums, *(sums.part() for _ in range(torch.get_num_threads() - 1))]

    def work(blocks: Iterator[int], thread: int) -> None:
        for rows, (neuron, example), logits in logits_of_pairs(
            part.held_prefix, part.change, neurons, blocks
        ):
            pairs = neuron, start + example
            threads[thread].add(start + rows.start, pairs, logits, part.logits[rows])
            if not thread:
                report(max(1, width * rows.start // n))

    shared(work)
    for other in threads[1:]:
        sums.take(other)
    report(width)


def _drops(cached: CachedPass, counts: np.ndarray, sums: np.ndarray) -> SingleEffects:
    """Counts of right answers and sums of margins without each neuron, as losses by split."""
    margins = cached.margins
    hits = margins > cached.tolerance

    def drops(before: np.ndarray, after: np.ndarray) -> dict[str, np.ndarray | None]:
        base, changed = split_accuracy(before[None], cached), split_accuracy(after, cached)
        return {s: None if (b := base[s]) is None or (c := changed[s]) is None else b - c for s in SPLITS}

    return SingleEffects(drops(cached.by_group(hits), counts), drops(cached.by_group(margins), sums))

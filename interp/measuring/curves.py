"""Accuracy on every split while neurons are taken out one after another, with its random control."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.data import GROUPS, SPLITS
from interp.drawing import Drawable
from interp.hooks import evaluation_mode
from interp.measuring import kernels
from interp.measuring.band import Band
from interp.measuring.cached_pass import CachedPass, rows_at_once
from interp.measuring.logits import Logits, Rows, Streamed, blocks_of
from interp.measuring.passed import both_margins, group_sums
from interp.measuring.set_logits import logits_of_order, normed_counts
from interp.measuring.suffix_logits import followed
from interp.models.suffix import Affine
from interp.output import plain
from interp.progress import Report, shifted, silent
from interp.threads import shared

TORCH_BLOCK_BYTES = 256e6
PRODUCT_BLOCK, BLOCKS = 250_000, 16
"""Logits that one thread works on, which should fit its cache, and so many times as many whose logits are computed."""
STREAMED_POINTS = 51
"""Points of a curve where logits are streamed."""
Counts = np.ndarray  # (step, group, 2): right answers by label and by true label


@dataclass(frozen=True, eq=False, repr=False)
class Curve(Drawable):
    """An ablation or rescaling curve.

    Attributes:
        order: What the neurons were ordered by, in words.
        mode: The intervention.
        removed: How many neurons were changed at each point.
        fraction: The same as a share of all neurons.
        accuracy: For each split, the accuracy at each point (None for a split without examples).
        random: For each split, accuracy over random orders.
        n_random: How many random orders were drawn.
    """

    figure = "plots.ablation.ablation_curve"

    order: str
    mode: str
    removed: np.ndarray
    fraction: np.ndarray
    accuracy: dict[str, np.ndarray | None]
    random: dict[str, Band | None]
    n_random: int

    def __repr__(self) -> str:
        return f"Curve({self.order}, {self.mode}: {len(self.removed)} points, {self.n_random} random orders)"

    def at(self, fraction: float, split: str) -> float | None:
        """Accuracy on a split at the point nearest to `fraction`."""
        values = self.accuracy[split]
        return None if values is None else float(values[np.abs(self.fraction - fraction).argmin()])

    def thinned(self, points: int = 51) -> Curve:
        """The same curve at about `points` evenly spaced points, ends included."""
        keep = np.unique(np.linspace(0, len(self.removed) - 1, points).round().astype(int))
        return Curve(
            self.order,
            self.mode,
            self.removed[keep],
            self.fraction[keep],
            {split: None if v is None else v[keep] for split, v in self.accuracy.items()},
            {s: None if b is None else b.map(lambda v: v[keep]) for s, b in self.random.items()},
            self.n_random,
        )

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return {
            "order": self.order,
            "mode": self.mode,
            "fraction": plain(self.fraction.round(6)),
            "accuracy": plain({s: None if v is None else v.round(6) for s, v in self.accuracy.items()}),
            "random_accuracy": plain(
                {s: None if b is None else b.map(lambda v: v.round(6)) for s, b in self.random.items()}
            ),
            "random_draws": self.n_random,
        }


def kernel_arguments(cached: CachedPass, rows: Rows = slice(None)) -> tuple[np.ndarray, ...]:
    """Arguments of both kernels for some examples: change, readout, logits, labels, true labels, group."""
    assert cached.readout is not None

    def array(x: Tensor, dtype: torch.dtype) -> np.ndarray:
        return x.to("cpu", dtype).contiguous().numpy()

    change, readout, logits = (
        array(x, torch.float32) for x in (cached.change[rows].T, cached.readout, cached.logits[rows].T)
    )
    labelled = cached.data.labels, cached.data.true_labels, cached.group
    return change, readout, logits.T, *(array(x[rows], torch.int64) for x in labelled)


def kernel_options(cached: CachedPass) -> dict[str, Any]:
    """Arguments of all kernels that are no arrays; they use as many threads as PyTorch does."""
    return {"n_groups": len(GROUPS), "n_workers": torch.get_num_threads(), "tolerance": cached.tolerance}


def use_kernels(cached: CachedPass) -> bool:
    """True where the compiled kernels apply: a linear rest of the network, in main memory."""
    return cached.readout is not None and cached.logits.device.type == "cpu"


def _counts_by_kernel(cached: CachedPass, orders: Sequence[np.ndarray], report: Report) -> list[Counts]:
    """Counts after each step of each order; `report` is given the number of orders that are done."""
    if not orders or not len(orders[0]):
        return [counts_of_logits(cached, cached.logits)[None] for _ in orders]
    counts = [np.zeros((len(order) + 1, len(GROUPS), 2), np.int64) for order in orders]
    change, readout, logits, *labelled = kernel_arguments(cached)
    how = kernel_options(cached)
    for done, (total, order) in enumerate(zip(counts, orders, strict=True), 1):
        total += kernels.cumulative_hits(change, readout, order, logits, *labelled, **how)[0]
        report(done)
    return counts


def counts_at_points(cached: CachedPass, order: np.ndarray, removed: np.ndarray) -> Counts:
    """Counts after each number of changed neurons in `removed`, by matrix products, some examples at a time."""
    assert cached.readout is not None
    chosen = torch.as_tensor(order)
    readout, counts = cached.readout[chosen].float(), np.zeros((len(removed), len(GROUPS), 2), np.int64)
    size = max(1, PRODUCT_BLOCK // cached.logits.shape[1])
    for start in range(0, len(cached.data), BLOCKS * size):
        rows = slice(start, min(start + BLOCKS * size, len(cached.data)))
        answers = (x[rows] for x in (cached.data.labels, cached.data.true_labels, cached.group))
        labelled = [x.cpu().contiguous().numpy() for x in answers]
        logits, change = cached.logits[rows].float(), cached.change[rows].float()[:, chosen]
        counts += _counts_of_rows((logits, change, readout), labelled, removed, size, cached.tolerance)
    return counts


def _counts_of_rows(
    arrays: tuple[Tensor, Tensor, Tensor],
    labelled: list[np.ndarray],
    removed: np.ndarray,
    size: int,
    tolerance: float,
) -> Counts:
    """The same of some examples, in threads that work on so many of them each at a time.

    Args:
        arrays: Their logits, and change and readout of the neurons in their order.
        labelled: Their labels, true labels and groups.
    """
    logits, change, readout = arrays
    counts = np.zeros((torch.get_num_threads(), len(removed), len(GROUPS), 2), np.int64)
    starts = range(0, len(logits), size)
    how: dict[str, Any] = {"n_groups": len(GROUPS), "n_workers": 1, "tolerance": tolerance}

    def work(blocks: Iterator[int], thread: int) -> None:
        while (i := next(blocks)) < len(starts):
            rows = slice(starts[i], starts[i] + size)
            own, moved = logits[rows].clone(memory_format=torch.contiguous_format), change[rows]
            answers = [x[rows] for x in labelled]
            for point, last in enumerate(removed):
                if point:
                    some = slice(removed[point - 1], last)
                    own.addmm_(moved[:, some], readout[some])
                if own.device.type == "cpu":
                    counts[thread, point] += kernels.answer_counts(own.numpy(), *answers, **how)
                else:
                    label, true, group = (torch.as_tensor(x, device=own.device) for x in answers)
                    right = (both_margins(own, label, true) > tolerance).double()
                    counts[thread, point] += group_sums(right, group).T.cpu().numpy().astype(np.int64)

    shared(work)
    return counts.sum(axis=0)


def counts_of_logits(cached: CachedPass, logits: Logits) -> np.ndarray:
    """Right answers ``(group, 2)`` by label and by true label."""
    return counts_of_margins(cached, both_margins(logits, cached.data.labels, cached.data.true_labels))


def counts_of_margins(cached: CachedPass, margins: Float[Tensor, "two example"]) -> np.ndarray:
    """The same from margins."""
    return cached.by_group(margins > cached.tolerance)


def counts_by_blocks(cached: CachedPass, order: np.ndarray) -> Counts:
    """The same counts as the kernel's, by blocks of steps in PyTorch on the model's device."""
    assert cached.readout is not None
    readout, counts = cached.readout, np.zeros((len(order) + 1, len(GROUPS), 2))
    for rows in blocks_of(cached.logits):
        logits, labels = cached.logits[rows], (cached.data.labels[rows], cached.data.true_labels[rows])
        change = cached.change[rows]

        def add(
            step: int, logits: Tensor, rows: slice = rows, labels: tuple[Tensor, Tensor] = labels
        ) -> None:
            right = (both_margins(logits, *labels) > cached.tolerance).double()
            counts[step] += group_sums(right, cached.group[rows]).T.cpu().numpy()

        add(0, logits)
        block = max(1, int(TORCH_BLOCK_BYTES / (4 * logits.numel())))
        for start, neurons in enumerate(torch.as_tensor(order, device=logits.device).split(block)):
            updates = change[:, neurons].T[:, :, None] * readout[neurons][:, None, :]
            steps = updates.cumsum(0).add_(logits)
            for i, step in enumerate(steps):
                add(1 + start * block + i, step)
            logits = steps[-1].clone()
    return counts


def counts_by_prefix(
    cached: CachedPass, order: np.ndarray, removed: np.ndarray, report: Report = silent
) -> Counts:
    """Counts after each number of changed neurons in `removed`, running the rest of the network each time."""
    counts, n = np.zeros((len(removed), len(GROUPS), 2)), len(cached.data)
    for start, part in cached.parts():
        own = len(removed) * start / n, len(part.data) / n
        counts += _counts_of_part(
            part, order, removed, lambda done, note="", own=own: report(int(own[0] + own[1] * done))
        )
    counts[removed == 0] = counts_of_margins(cached, cached.margins)
    report(len(removed))
    return counts


def _counts_of_part(cached: CachedPass, order: np.ndarray, removed: np.ndarray, report: Report) -> Counts:
    """The same of examples that are held, in blocks, in several threads where the rest of the network is in parts."""
    data, prefix, n = cached.data, cached.held_prefix, len(cached.data)
    chosen = torch.as_tensor(order, device=cached.logits.device)
    step = rows_at_once(prefix, cached.logits.shape[1])
    apart = followed(prefix)
    counts = np.zeros((torch.get_num_threads() if apart else 1, len(removed), len(GROUPS), 2))

    @torch.no_grad()
    def work(blocks: Iterator[int], thread: int) -> None:
        while (start := step * next(blocks)) < n:
            rows = slice(start, min(n, start + step))
            if apart and isinstance(prefix.suffix, Affine):
                counts[thread] += normed_counts(cached, order, removed, rows)
                continue
            labels = data.labels[rows], data.true_labels[rows]
            for done, (i, logits) in enumerate(logits_of_order(cached, chosen, removed, rows), 1):
                right = (both_margins(logits, *labels) > cached.tolerance).double()
                counts[thread, i] += group_sums(right, cached.group[rows]).T.cpu().numpy()
                if not thread:
                    report((len(removed) * start + done * (rows.stop - start)) // n)

    with evaluation_mode(cached.model):
        if apart:
            shared(work)
        else:
            work(count(), 0)
    return counts.sum(0)


def split_accuracy(
    counts: Counts, cached: CachedPass, sizes: np.ndarray | None = None
) -> dict[str, np.ndarray | None]:
    """Accuracies by split from counts by group, of so many examples each (all of them if None)."""
    if sizes is None:
        sizes = torch.bincount(cached.group, minlength=len(GROUPS)).cpu().numpy()
    result: dict[str, np.ndarray | None] = {}
    for name, split in SPLITS.items():
        groups, column = [GROUPS.index(group) for group in split.groups], 0 if split.as_trained else 1
        total = sizes[groups].sum() if cached.data.split_known or split.groups == GROUPS else 0
        result[name] = counts[:, groups, column].sum(1) / total if total else None
    return result


def evenly_spaced(n: int, points: int) -> np.ndarray:
    """At most so many whole numbers from 0 to n, evenly spaced, both ends included."""
    return np.unique(np.linspace(0, n, min(points, n + 1)).round().astype(int))


def measure_curve(
    cached: CachedPass,
    order: np.ndarray,
    *,
    name: str = "given",
    n_random: int = 20,
    seed: int = 0,
    points: int = 26,
    report: Report = silent,
) -> Curve:
    """Accuracy on every split while neurons are changed in the given order, and in random orders.

    Where the rest of the network is linear every step is measured, by exact rank-1 updates of the logits, or, where
    logits are streamed, `STREAMED_POINTS` numbers of neurons; else at most `points`, from the cached prefix. All orders
    are measured on `CachedPass.sample`, which is all examples but for large networks.

    Args:
        order: Neurons, first to last; need not be all of them.
        n_random: Random orders of the same length for the control; 0 for none.
        seed: Of the random orders.
        points: At most so many points where the rest of the network is not linear.
    """
    order, generator = np.array(order, dtype=np.int64, order="C"), np.random.default_rng(seed)
    orders = [generator.permutation(cached.width)[: len(order)] for _ in range(n_random)]
    removed = np.arange(len(order) + 1)
    if isinstance(cached.logits, Streamed) and cached.readout is not None:
        removed = evenly_spaced(len(order), STREAMED_POINTS)
        counts = []
        for one in (*orders, order):
            counts.append(cached.sample.counts(counts_at_points(cached.sampled, one, removed)))
            report(points * len(counts))
    elif use_kernels(cached):
        counts = _counts_by_kernel(cached, [*orders, order], lambda done, note="": report(points * done))
    elif cached.readout is not None:
        counts = [counts_by_blocks(cached, one) for one in (*orders, order)]
    else:
        removed = evenly_spaced(len(order), points)
        counts = []
        for one in (*orders, order):
            own = shifted(report, len(counts) * len(removed))
            counts.append(cached.sample.counts(counts_by_prefix(cached.sampled, one, removed, own)))
    *draws, accuracy = (split_accuracy(one, cached) for one in counts)
    bands = {split: Band.of([draw[split] for draw in draws]) for split in SPLITS}
    return Curve(name, cached.mode, removed, removed / cached.width, accuracy, bands, n_random)

"""Accuracy on every split while neurons are taken out one after another, with its random control."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from interp.data import GROUPS, SPLITS
from interp.drawing import Drawable
from interp.measuring import kernels
from interp.measuring.band import Band
from interp.measuring.cached_pass import CachedPass, both_margins
from interp.output import plain
from interp.progress import Report, silent

TORCH_BLOCK_BYTES = 256e6
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


@contextmanager
def kernel_threads() -> Iterator[int]:
    """Let the kernels use as many threads as PyTorch does, and give their number.

    Both share one pool of threads: without this, calling a kernel would change PyTorch's number for good.
    """
    threads = torch.get_num_threads()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    try:
        yield numba.get_num_threads()
    finally:
        torch.set_num_threads(threads)


def kernel_arguments(cached: CachedPass) -> tuple[np.ndarray, ...]:
    """Arguments of both kernels as contiguous arrays: change, readout, logits, labels, true labels, group."""
    assert cached.readout is not None

    def array(x: Tensor, dtype: torch.dtype) -> np.ndarray:
        return x.to("cpu", dtype).contiguous().numpy()

    change, readout, logits = (
        array(x, torch.float32) for x in (cached.change.T, cached.readout, cached.logits.T)
    )
    return (
        change,
        readout,
        logits.T,
        *(array(x, torch.int64) for x in (cached.data.labels, cached.data.true_labels, cached.group)),
    )


def use_kernels(cached: CachedPass) -> bool:
    """True where the compiled kernels apply: a linear rest of the network, in main memory."""
    return cached.readout is not None and cached.logits.device.type == "cpu"


def _counts_by_kernel(cached: CachedPass) -> Callable[[np.ndarray], Counts]:
    change, readout, logits, *labelled = kernel_arguments(cached)

    def count(order: np.ndarray) -> Counts:
        if not len(order):
            return counts_of_logits(cached, cached.logits)[None]
        with kernel_threads() as threads:
            arguments = (change, readout, order, logits, *labelled, len(GROUPS), threads, cached.tolerance)
            return kernels.cumulative_hits(*arguments)[0]

    return count


def counts_of_logits(cached: CachedPass, logits: Tensor) -> np.ndarray:
    """Right answers ``(group, 2)`` by label and by true label."""
    return cached.by_group(
        both_margins(logits, cached.data.labels, cached.data.true_labels) > cached.tolerance
    )


def counts_by_blocks(cached: CachedPass, order: np.ndarray) -> Counts:
    """The same counts as the kernel's, by blocks of steps in PyTorch on the model's device."""
    assert cached.readout is not None
    n, n_outputs = cached.logits.shape
    block = max(1, int(TORCH_BLOCK_BYTES / (4 * n * n_outputs)))
    counts, logits = [counts_of_logits(cached, cached.logits)], cached.logits
    for neurons in torch.as_tensor(order, device=logits.device).split(block):
        updates = cached.change[:, neurons].T[:, :, None] * cached.readout[neurons][:, None, :]
        steps = updates.cumsum(0).add_(logits)
        counts += [counts_of_logits(cached, step) for step in steps]
        logits = steps[-1].clone()
    return np.stack(counts)


def counts_by_prefix(
    cached: CachedPass, order: np.ndarray, removed: np.ndarray, report: Report = silent
) -> Counts:
    """Counts after each number of changed neurons in `removed`, running the rest of the network each time."""
    chosen, counts = torch.as_tensor(order, device=cached.logits.device), []
    for i, k in enumerate(removed):
        counts.append(counts_of_logits(cached, cached.logits_after(chosen[:k])))
        report(i + 1)
    return np.stack(counts)


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

    Where the rest of the network is linear every step is measured, by exact rank-1 updates of the logits; else
    at most `points` numbers of neurons, from the cached prefix.

    Args:
        order: Neurons, first to last; need not be all of them.
        n_random: Random orders of the same length for the control; 0 for none.
        seed: Of the random orders.
        points: At most so many points where the rest of the network is not linear.
    """
    order = np.array(order, dtype=np.int64, order="C")
    removed = np.arange(len(order) + 1)
    if use_kernels(cached):
        count = _counts_by_kernel(cached)
    elif cached.readout is not None:
        count = lambda chosen: counts_by_blocks(cached, chosen)  # noqa: E731
    else:
        removed = np.unique(np.linspace(0, len(order), min(points, len(order) + 1)).round().astype(int))
        runs = iter(range(n_random + 1))

        def count(chosen: np.ndarray) -> Counts:
            before = next(runs) * len(removed)
            return counts_by_prefix(cached, chosen, removed, lambda done, note="": report(before + done))

    generator = np.random.default_rng(seed)
    draws = [
        split_accuracy(count(generator.permutation(cached.width)[: len(order)]), cached)
        for _ in range(n_random)
    ]
    bands = {split: Band.of([draw[split] for draw in draws]) for split in SPLITS}
    accuracy = split_accuracy(count(order), cached)
    return Curve(name, cached.mode, removed, removed / cached.width, accuracy, bands, n_random)

"""Accuracy on every split while neurons are taken out one after another, with its random control."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from interp import plots
from interp.data import SPLITS
from interp.markup import notebook_figure
from interp.progress import Report, silent
from interp.sweeps import kernels
from interp.sweeps.state import GROUPS, SiteState, both_margins

TORCH_BLOCK_BYTES = 256e6
Counts = np.ndarray  # (step, group, 2): right answers by label and by true label


@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """An ablation or rescaling curve.

    Attributes:
        order: What the neurons were ordered by, in words.
        mode: The intervention.
        removed: How many neurons were changed at each point.
        fraction: The same as a share of all neurons.
        accuracy: For each split, the accuracy at each point (None for a split without examples).
        random: For each split, ``mean``, ``low`` and ``high`` over random orders (95 % of the draws lie between).
        n_random: How many random orders were drawn.
    """

    order: str
    mode: str
    removed: np.ndarray
    fraction: np.ndarray
    accuracy: dict[str, np.ndarray | None]
    random: dict[str, dict[str, np.ndarray] | None]
    n_random: int

    def __repr__(self) -> str:
        return f"Sweep({self.order}, {self.mode}: {len(self.removed)} points, {self.n_random} random orders)"

    def at(self, fraction: float, split: str) -> float | None:
        """Accuracy on a split at the point nearest to `fraction`."""
        values = self.accuracy[split]
        return None if values is None else float(values[np.abs(self.fraction - fraction).argmin()])

    def plot(self) -> Any:
        """The curve of every split with the band of the random control, as a Plotly figure."""
        return plots.ablation_curve(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """The figure, for notebooks."""
        return notebook_figure(self, include, exclude)

    def thinned(self, points: int = 51) -> Sweep:
        """The same curve at about `points` evenly spaced points, ends included."""
        keep = np.unique(np.linspace(0, len(self.removed) - 1, points).round().astype(int))
        return Sweep(
            self.order,
            self.mode,
            self.removed[keep],
            self.fraction[keep],
            {split: None if v is None else v[keep] for split, v in self.accuracy.items()},
            {s: None if b is None else {k: v[keep] for k, v in b.items()} for s, b in self.random.items()},
            self.n_random,
        )


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


def kernel_arguments(state: SiteState) -> tuple[np.ndarray, ...]:
    """What both kernels need, as contiguous arrays: change, readout, logits, labels, true labels, group."""
    assert state.readout is not None

    def array(x: Tensor, dtype: torch.dtype) -> np.ndarray:
        return x.to("cpu", dtype).contiguous().numpy()

    floats = [array(x, torch.float32) for x in (state.change.T, state.readout, state.logits)]
    return *floats, *(array(x, torch.int64) for x in (state.data.labels, state.data.true_labels, state.group))


def use_kernels(state: SiteState) -> bool:
    """Whether the compiled kernels apply: a linear rest of the network, in main memory."""
    return state.readout is not None and state.logits.device.type == "cpu"


def _counts_by_kernel(state: SiteState) -> Callable[[np.ndarray], Counts]:
    change, readout, logits, *labelled = kernel_arguments(state)

    def count(order: np.ndarray) -> Counts:
        if not len(order):
            return counts_of_logits(state, state.logits)[None]
        with kernel_threads() as threads:
            arguments = (change, readout, order, logits, *labelled, len(GROUPS), threads, state.tolerance)
            return kernels.cumulative_hits(*arguments)[0]

    return count


def counts_of_logits(state: SiteState, logits: Tensor) -> np.ndarray:
    """Right answers ``(group, 2)`` by label and by true label."""
    return state.by_group(both_margins(logits, state.data.labels, state.data.true_labels) > state.tolerance)


def counts_by_blocks(state: SiteState, order: np.ndarray) -> Counts:
    """The same counts as the kernel's, by blocks of steps in PyTorch on the model's device."""
    assert state.readout is not None
    n, n_outputs = state.logits.shape
    block = max(1, int(TORCH_BLOCK_BYTES / (4 * n * n_outputs)))
    counts, logits = [counts_of_logits(state, state.logits)], state.logits
    for neurons in torch.as_tensor(order, device=logits.device).split(block):
        updates = state.change[:, neurons].T[:, :, None] * state.readout[neurons][:, None, :]
        steps = updates.cumsum(0).add_(logits)
        counts += [counts_of_logits(state, step) for step in steps]
        logits = steps[-1].clone()
    return np.stack(counts)


def counts_by_prefix(
    state: SiteState, order: np.ndarray, removed: np.ndarray, report: Report = silent
) -> Counts:
    """Counts after each number of changed neurons in `removed`, running the rest of the network each time."""
    chosen, counts = torch.as_tensor(order, device=state.logits.device), []
    for i, k in enumerate(removed):
        counts.append(counts_of_logits(state, state.logits_after(chosen[:k])))
        report(i + 1)
    return np.stack(counts)


def split_accuracy(counts: Counts, state: SiteState) -> dict[str, np.ndarray | None]:
    """Accuracies by split from counts by group."""
    sizes = torch.bincount(state.group, minlength=len(GROUPS)).cpu().numpy()
    members = {
        "train": ([0, 1], 0),
        "clean": ([0], 0),
        "corrupted_as_labelled": ([1], 0),
        "corrupted_as_true": ([1], 1),
        "test": ([2], 1),
        "all": ([0, 1, 2], 1),
    }
    result: dict[str, np.ndarray | None] = {}
    for split in SPLITS:
        groups, column = members[split]
        total = sizes[groups].sum() if state.data.split_known or split == "all" else 0
        result[split] = counts[:, groups, column].sum(1) / total if total else None
    return result


def curve(
    state: SiteState,
    order: np.ndarray,
    *,
    name: str = "given",
    n_random: int = 20,
    seed: int = 0,
    points: int = 26,
    report: Report = silent,
) -> Sweep:
    """Accuracy on every split while neurons are changed in the given order, and in random orders.

    Where the rest of the network is linear every step is measured, by exact rank-1 updates of the logits; else
    at most `points` numbers of neurons, from the cached prefix.

    Args:
        state: From `site_state`.
        order: Neurons, first to last; need not be all of them.
        name: Of the order, for tables and plots.
        n_random: Random orders of the same length for the control; 0 for none.
        seed: Of the random orders.
        points: At most so many points where the rest of the network is not linear.
        report: Told how many runs of the rest of the network are done, if there are any.
    """
    order = np.array(order, dtype=np.int64, order="C")
    removed = np.arange(len(order) + 1)
    if use_kernels(state):
        count = _counts_by_kernel(state)
    elif state.readout is not None:
        count = lambda chosen: counts_by_blocks(state, chosen)  # noqa: E731
    else:
        removed = np.unique(np.linspace(0, len(order), min(points, len(order) + 1)).round().astype(int))
        runs = iter(range(n_random + 1))

        def count(chosen: np.ndarray) -> Counts:
            before = next(runs) * len(removed)
            return counts_by_prefix(state, chosen, removed, lambda done, note="": report(before + done))

    generator = np.random.default_rng(seed)
    draws = [
        split_accuracy(count(generator.permutation(state.width)[: len(order)]), state)
        for _ in range(n_random)
    ]
    bands = {split: band([draw[split] for draw in draws]) for split in SPLITS}
    accuracy = split_accuracy(count(order), state)
    return Sweep(name, state.mode, removed, removed / state.width, accuracy, bands, n_random)


def band(draws: Sequence[np.ndarray | float | None]) -> dict[str, np.ndarray] | None:
    """Mean and the interval that holds 95 % of the draws; None without draws or examples."""
    known = np.asarray([draw for draw in draws if draw is not None], dtype=np.float64)
    if not len(known):
        return None
    low, high = np.quantile(known, [0.025, 0.975], axis=0)
    return {"mean": np.asarray(known.mean(axis=0)), "low": np.asarray(low), "high": np.asarray(high)}

"""Arms of the study of regimes: initial weights, training, and the numbers of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np

from interp.analysis.regime import regime
from interp.analysis.regimes import ALIGNMENTS
from interp.data import ModularTask
from interp.lab.regime.initial_weights import with_frequencies, with_rank, with_scale
from interp.models import HookedMLP
from interp.output import plain
from interp.subject import Subject
from interp.training import TrainConfig, train
from probes.labels import BOTH, GENERALIZING, MEMORIZING

SCALES, RANKS, ALIGNED = (0.1, 0.3, 1.0, 3.0), (1, 4, 16), 4
LR = 0.003
ANOTHER = 10_000
"""Added to a seed for another start of the same kind."""
Start = Callable[[int], HookedMLP]

MEASURES = {
    "relative_change": "relative weight change",
    "sign_similarity": "sign similarity",
    **ALIGNMENTS,
    "representation_excess": "centred representation alignment above that with another start",
    "kernel_excess": "centred kernel alignment above that with another start",
    "effective_rank": "effective rank of the initial weights, as a share of the full one",
    "train": "accuracy, training examples",
    "test": "accuracy, held-out examples",
    "ipr": "mean periodicity (IPR)",
    "memorizing": "share of memorizing neurons",
    "generalizing": "share of generalizing neurons",
}
"""Of each arm, in words."""


@dataclass(frozen=True)
class Sweep:
    """Arms that differ in one number of the initial weights.

    Attributes:
        name: Before the name of each number.
        words: In sentences.
        values: Scale or rank of each arm.
        unit: Of a slope, in words, and the logarithm's base.
    """

    name: str
    words: str
    values: tuple[float, ...]
    unit: str
    base: float

    @property
    def arms(self) -> list[str]:
        """Names of the arms, in the order of the values."""
        return [f"{self.name}_{value:g}" for value in self.values]

    def slope(self, measured: Sequence[float | None]) -> float | None:
        """Least-squares slope of a measure on the logarithm of the values; None where an arm has none."""
        if None in measured:
            return None
        x = np.log(self.values) / np.log(self.base)
        return float(np.polyfit(x, np.array(measured, float), 1)[0])


CLEAN = Sweep("clean", "without wrong labels", SCALES, "a factor of ten", 10)
NOISY = Sweep("noisy", "with wrong labels", SCALES, "a factor of ten", 10)
RANK = Sweep("rank", "by rank", tuple(map(float, RANKS)), "a doubling of the rank", 2)
SWEEPS = (CLEAN, NOISY, RANK)


def starts(p: int, width: int, sweep: Sweep) -> dict[str, Start]:
    """Initial networks of a sweep's arms by name, given a seed; of ranks also the aligned one."""
    if sweep is RANK:
        by_rank = {arm: _of_rank(p, width, rank) for arm, rank in zip(sweep.arms, RANKS, strict=True)}
        return by_rank | {"rank_aligned": lambda seed: with_frequencies(p, width, ALIGNED, seed)}
    return {arm: _of_scale(p, width, scale) for arm, scale in zip(sweep.arms, sweep.values, strict=True)}


def _of_rank(p: int, width: int, rank: int) -> Start:
    return lambda seed: with_rank(p, width, rank, seed)


def _of_scale(p: int, width: int, scale: float) -> Start:
    return lambda seed: with_scale(p, width, scale, seed)


def measure_arm(task: ModularTask, start: Start, steps: int, seed: int) -> dict[str, float | None]:
    """The numbers of `MEASURES` of one training."""
    before = start(seed)
    model = deepcopy(before)
    config = TrainConfig(steps=steps, lr=LR, loss="mse", log_every=max(1, steps), seed=seed)
    after = train(task, model, config, show_progress=False).model
    moved = regime(before, after, task, unrelated=0, seed=seed)
    other = regime(before, start(seed + ANOTHER), task, unrelated=0, seed=seed).last
    subject, last = Subject(after, task), moved.last
    counts, width = subject.table.counts(), subject.width
    ranks = [rank.effective / rank.full for rank in moved.ranks.values() if rank.effective is not None]
    values: Mapping[str, float | None] = {
        "relative_change": last.relative_change,
        "sign_similarity": last.sign_similarity,
        **{name: getattr(last, name) for name in ALIGNMENTS},
        "representation_excess": _above(last.representation_centred, other.representation_centred),
        "kernel_excess": _above(last.kernel_centred, other.kernel_centred),
        "effective_rank": float(np.mean(ranks)),
        "train": subject.accuracy.train,
        "test": subject.accuracy.test,
        "ipr": float(np.nanmean(subject.table["ipr"])),
        "memorizing": _share(counts, MEMORIZING, width),
        "generalizing": _share(counts, GENERALIZING, width),
    }
    return plain(values)


def _share(counts: Mapping[str, int | None], label: str, width: int) -> float | None:
    """Of the neurons with a label, those with both among them; None where labels cannot be tested."""
    alone, both = counts[label], counts[BOTH]
    return None if alone is None or both is None else (alone + both) / width


def _above(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other

"""Accuracy of networks as their neurons are removed, over several seeds: the paper's table, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from interp.analysis.removing import curves_from_both_ends
from interp.drawing import Drawable
from interp.errors import ConfigError
from interp.lab.grids.paper import ORDERS, PRUNED_SPLITS, Pruned, check_paper
from interp.lab.over_seeds import OverSeeds
from interp.measuring.curves import Curve
from interp.measuring.phase import GOOD
from interp.output import plain
from interp.progress import progress
from interp.subject import Subject, open_subject

FRACTIONS = tuple(round(0.05 * i, 2) for i in range(20))


@dataclass(frozen=True, eq=False, repr=False)
class Pruning(Drawable):
    """Accuracies of networks with a share of their neurons removed, over seeds.

    Attributes:
        accuracy: By order (one of `ORDERS`) and split (one of `PRUNED_SPLITS`), one a fraction. The random order of a
            network is the mean over its random draws.
        paper: What the paper says, by order and split, as ``{fraction: accuracy}``.
    """

    figure = "plots.networks.pruning_over_seeds"
    fractions: tuple[float, ...]
    accuracy: dict[str, dict[str, list[OverSeeds]]]
    networks: int
    paper: Pruned = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Pruning({self.networks} networks, {len(self.fractions)} fractions)"

    def at(self, order: str, split: str, fraction: float) -> OverSeeds:
        """Accuracy with the measured share of neurons removed that is nearest to `fraction`."""
        return self.accuracy[order][split][int(np.abs(np.array(self.fractions) - fraction).argmin())]

    def against_paper(self) -> list[dict[str, Any]]:
        """One row for each number of the paper, with ours, and whether they agree; see `OverSeeds.agrees`."""
        rows = []
        for order, splits in self.paper.items():
            for split, numbers in splits.items():
                for fraction, value in numbers.items():
                    ours = self.at(order, split, float(fraction))
                    row = {"order": order, "split": split, "fraction": float(fraction), "paper": value}
                    rows.append({**row, **ours.to_dict(), "agrees": ours.agrees(value)})
        return rows

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        own = {name: getattr(self, name) for name in ("fractions", "networks", "accuracy")}
        return dict(plain({**own, "against_paper": self.against_paper()}))


def pruning_of(
    checkpoints: Sequence[Path | str],
    *,
    paper: Mapping[str, Any] | None = None,
    fractions: Sequence[float] = FRACTIONS,
    n_random: int = 20,
    seed: int = 0,
) -> Pruning:
    """Remove neurons of several networks by rising and falling periodicity, and at random.

    Args:
        checkpoints: Of networks that differ by their seed.
        fractions: Shares of the neurons to measure at, beside those of the paper.

    Raises:
        ConfigError: There are no checkpoints, or one has no corrupted examples. CheckpointError: one cannot be read.
    """
    if not checkpoints:
        raise ConfigError("there are no checkpoints to prune")
    paper = paper or {}
    check_paper({"pruning": paper})
    stated = {float(share) for splits in paper.values() for numbers in splits.values() for share in numbers}
    fractions = sorted({*fractions, *stated})
    values: dict[str, dict[str, list[np.ndarray]]] = {o: {s: [] for s in PRUNED_SPLITS} for o in ORDERS}
    for subject, lowest, highest in _curves(checkpoints, n_random, seed):
        places = [int(np.abs(lowest.fraction - share).argmin()) for share in fractions]
        for split in PRUNED_SPLITS:
            random, low, high = lowest.random[split], lowest.accuracy[split], highest.accuracy[split]
            if random is None or low is None or high is None:
                raise ConfigError(f"{str(subject.source.path)!r} has no examples of the split {split!r}")
            for order, curve in zip(ORDERS, (low, high, random.mean), strict=True):
                values[order][split].append(curve[places])
    accuracy = {
        order: {s: [OverSeeds.of(column) for column in np.array(rows).T] for s, rows in splits.items()}
        for order, splits in values.items()
    }
    return Pruning(tuple(fractions), accuracy, len(checkpoints), paper)


def _curves(
    checkpoints: Sequence[Path | str], n_random: int, seed: int
) -> Iterator[tuple[Subject, Curve, Curve]]:
    with progress("pruning networks", len(checkpoints)) as report:
        for done, path in enumerate(checkpoints, 1):
            subject = open_subject(path, seed=seed)
            yield subject, *curves_from_both_ends(subject, n_random)
            report(done)


def neurons_needed(lowest: Curve, *, level: float = GOOD, split: str = "test") -> int | None:
    """The fewest neurons, the least periodic removed first, from which on accuracy is `level` or more, else None."""
    values = lowest.accuracy[split]
    if values is None or values[0] < level:
        return None
    below = np.flatnonzero(values < level)
    at = int(below[0]) - 1 if len(below) else len(values) - 1
    return int(lowest.removed[-1] - lowest.removed[at])


def needed_by_width(
    checkpoints: Sequence[Path | str], *, level: float = GOOD, seed: int = 0
) -> dict[int, tuple[OverSeeds | None, int]]:
    """`neurons_needed` by width, over the seeds that reach the level (None if none does), and how many do not."""
    needed: dict[int, list[int | None]] = {}
    for subject, lowest, _ in _curves(checkpoints, 0, seed):
        needed.setdefault(subject.width, []).append(neurons_needed(lowest, level=level))
    reached = {width: [n for n in values if n is not None] for width, values in sorted(needed.items())}
    return {
        width: (OverSeeds.of(values) if values else None, len(needed[width]) - len(values))
        for width, values in reached.items()
    }
